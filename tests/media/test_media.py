"""Media in and out: clocks, sizes, sounds and errors, on files made on the spot."""

import math
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest
import scipy.signal
import soundfile
import torch
from tests.media_files import (
    click,
    delay,
    frame_number,
    make_sound,
    make_video,
    numbered_frame,
    packet_hashes,
    stream_duration,
)

from seehear import media
from seehear.errors import MediaError
from seehear.media.track import Track


def noise(num_samples: int, channels: int = 1, peak: float = 0.9) -> torch.Tensor:
    x = torch.randn(channels, num_samples, generator=torch.Generator().manual_seed(0))
    return x / x.abs().max() * peak


def numbers(video: media.Video) -> list[int]:
    return [frame_number(frame.numpy()) for frame in video.frames]


# Moving pictures in ------------------------------------------------------------------------


def test_kept_frames_are_those_on_screen_at_each_grid_time(tmp_path):
    video = media.read_video(make_video(tmp_path / "a.mp4", num_frames=20), frames_per_s=10.0)
    # At 25 frames/s frame n is on screen from n / 25 s on; the grid asks at k / 10 s.
    assert numbers(video) == [math.floor(k * 2.5) for k in range(8)]
    assert video.times_s.tolist() == pytest.approx([k / 10 for k in range(8)])
    assert video.duration_s == 0.8


def test_slow_file_repeats_frames(tmp_path):
    path = make_video(tmp_path / "a.mp4", rate=Fraction(2), time_base=Fraction(1, 2), num_frames=3)
    assert numbers(media.read_video(path, frames_per_s=4.0)) == [0, 0, 1, 1, 2, 2]


def test_variable_frame_rate_follows_the_timestamps(tmp_path):
    pts = [0, 40, 60, 300, 310, 700]  # milliseconds
    path = make_video(tmp_path / "vfr.mkv", pts=pts, time_base=Fraction(1, 1000))
    assert numbers(media.read_video(path, frames_per_s=10.0)) == [0, 2, 2, 3, 4, 4, 4, 5]


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(50)])
def test_duration_is_exact_at_broadcast_rates(tmp_path, rate):
    path = make_video(tmp_path / "a.mp4", rate=rate, time_base=1 / rate, num_frames=20)
    video = media.read_video(path)
    assert video.duration_s == float(20 / rate)
    assert video.fps == float(rate)
    assert len(video.frames) == math.ceil(20 / rate * 8)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_flag_is_applied(tmp_path, degrees, suffix):
    video = media.read_video(
        make_video(tmp_path / f"r{suffix}", rotation_deg=degrees, num_frames=2)
    )
    expected = np.rot90(numbered_frame(0), degrees // 90)  # counterclockwise, as FFmpeg's flag
    assert video.rotation_deg == degrees
    assert video.frames.shape[2:] == expected.shape[:2]
    difference = video.frames[0].numpy().astype(float) - expected.transpose(2, 0, 1)
    assert np.abs(difference).mean() < 5


def test_mirror_flag_is_applied(tmp_path):
    video = media.read_video(make_video(tmp_path / "m.mp4", mirrored=True, num_frames=2))
    expected = numbered_frame(0)[:, ::-1].transpose(2, 0, 1)
    assert np.abs(video.frames[0].numpy().astype(float) - expected).mean() < 5


@pytest.mark.parametrize("shift_s", [Fraction(8, 5), Fraction(-2, 5)])
def test_times_count_from_the_first_picture_shown(tmp_path, shift_s):
    path = make_video(tmp_path / "late.mp4", shift_s=shift_s)
    video = media.read_video(path, frames_per_s=5.0)
    hidden = max(0, -shift_s)  # what an edit list hides
    assert video.duration_s == pytest.approx(float(1 - hidden))
    assert numbers(video) == [5 * k + round(hidden * 25) for k in range(round((1 - hidden) * 5))]


def test_frames_are_scaled_down_but_never_up(tmp_path):
    path = make_video(tmp_path / "a.mp4", size=(48, 64), num_frames=2)
    assert media.read_video(path, short_side=24).frames.shape[2:] == (24, 32)
    assert media.read_video(path, short_side=500).frames.shape[2:] == (48, 64)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 300)])
def test_tiny_pictures_are_read(tmp_path, size):
    path = make_video(tmp_path / "a.mkv", size=size, num_frames=3, codec="ffv1", pix_fmt="bgr0")
    assert media.read_video(path).frames.shape[2:] == size


def test_a_picture_that_nothing_decodes_is_said_and_its_sound_still_read(tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=click(48_000, 0))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(MediaError, match="no decoder for the video track"):
        media.read_video(path)
    with pytest.raises(MediaError, match="no decoder for the video track"):
        media.mux_audio(path, torch.zeros(1, 100), 16_000, tmp_path / "out.mp4")
    found = media.probe(path)
    assert (found.kind, found.width, found.has_audio) == ("video", 0, True)
    assert media.read_audio(path).duration_s == pytest.approx(1.0, abs=0.1)


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(MediaError, match="expected a folder"):
            media.ensure_folder(place)
    assert media.ensure_folder(tmp_path / "new" / "deeper").is_dir()


def test_raw_stream_without_timestamps_is_read_in_order(tmp_path):
    path = make_video(tmp_path / "a.h264", num_frames=10)
    video = media.read_video(path, frames_per_s=25.0)
    assert numbers(video) == list(range(10))


def test_file_cut_short_gives_what_decodes(tmp_path):
    whole = make_video(tmp_path / "a.mkv", num_frames=50).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert 0 < len(media.read_video(cut).frames) < 16


def test_stream_frames_yields_what_read_video_keeps(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    video = media.read_video(path)
    times, frames = zip(*media.stream_frames(path), strict=True)
    assert list(times) == video.times_s.tolist()
    assert np.array_equal(np.stack(frames), video.frames.numpy())


def test_only_kept_frames_are_converted(tmp_path, monkeypatch):
    path, converted = make_video(tmp_path / "a.mp4", num_frames=100), []
    turned = media.frames._rotated
    monkeypatch.setattr(
        media.frames, "_rotated", lambda rgb, matrix: converted.append(1) or turned(rgb, matrix)
    )
    assert len(list(media.stream_frames(path, frames_per_s=2.0))) == len(converted) == 8


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_streaming_a_long_video_does_not_grow(tmp_path):
    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    path = make_video(tmp_path / "a.mp4", num_frames=400, size=(180, 320))
    frames = media.stream_frames(path, frames_per_s=25.0)
    for _ in range(100):
        next(frames)
    early = resident_mb()
    assert sum(1 for _ in frames) == 300
    assert resident_mb() - early < 15  # the 300 frames would take 52 MB


def test_sound_file_has_no_picture(tmp_path):
    path = tmp_path / "a.wav"
    media.write_audio(path, noise(1600), 16000)
    with pytest.raises(MediaError, match="expected a video, got an audio file"):
        media.read_video(path)


def test_overlong_video_is_refused_from_its_header(tmp_path):
    path = make_video(tmp_path / "a.mp4", pts=[0, 36_000], time_base=Fraction(1, 1), rate=1)
    with pytest.raises(MediaError, match=r"at most 600 s, got 3600\d.0 s"):
        media.read_video(path)


# What is not media --------------------------------------------------------------------------


def write_odd_file(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is not a video\n" * 100)
    elif kind == "folder":
        path.mkdir()
    elif kind == "headless":
        path.write_bytes(make_video(folder / "whole.mp4").read_bytes()[:2000])
    elif kind == "playlist":
        path.write_text("#EXTM3U\n#EXTINF:10,\nsegment.ts\n#EXT-X-ENDLIST\n")
    return path


@pytest.mark.parametrize(
    "reader", [media.read_video, media.read_audio, media.read_image, media.probe]
)
@pytest.mark.parametrize("kind", ["missing", "empty", "text", "folder", "headless", "playlist"])
def test_what_is_not_media_gives_an_error_that_names_the_file(tmp_path, kind, reader):
    path = write_odd_file(tmp_path, kind)
    with pytest.raises(MediaError, match=kind):
        reader(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_unreadable_file_is_an_error(tmp_path):
    path = make_video(tmp_path / "a.mp4", num_frames=2)
    path.chmod(0)
    with pytest.raises(MediaError, match="cannot be read"):
        media.read_video(path)


def test_text_named_txt_is_no_video(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n" * 100)
    with pytest.raises(MediaError, match="expected a video or audio"):
        media.read_video(path)


# Sounds in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100, 48_000])
def test_resampling_keeps_length_and_place(tmp_path, rate):
    sound = click(2 * rate + 7, rate)
    soundfile.write(tmp_path / "a.wav", sound.T, rate, subtype="FLOAT")
    audio = media.read_audio(tmp_path / "a.wav", 16000)
    assert audio.waveform.shape == (1, round((2 * rate + 7) * 16000 / rate))
    expected = scipy.signal.resample(sound[0], audio.waveform.shape[1])
    assert delay(audio.waveform[0].numpy(), expected) == 0


def test_resampled_tone_is_the_tone(tmp_path):
    tone = np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100) / 2
    soundfile.write(tmp_path / "a.wav", tone, 44_100, subtype="FLOAT")
    got = media.read_audio(tmp_path / "a.wav", 16000).waveform[0].double()
    expected = torch.sin(2 * math.pi * 1000 * torch.arange(16000).double() / 16000) / 2
    assert (got - expected)[200:-200].abs().max() < 1e-4


def test_mono_is_the_mean_of_the_channels(tmp_path):
    stereo = noise(4000, 2)
    soundfile.write(tmp_path / "a.wav", stereo.T.numpy(), 16000, subtype="FLOAT")
    both = media.read_audio(tmp_path / "a.wav", mono=False).waveform
    assert torch.equal(both, stereo)
    assert torch.equal(media.read_audio(tmp_path / "a.wav").waveform, both.mean(0, keepdim=True))


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "aac"), (".mov", "aac"), (".mkv", "libopus"), (".mkv", "flac")]
)
def test_lossy_track_in_a_video_keeps_its_place(tmp_path, suffix, codec):
    sound = click(48_000, 20_000)
    path = make_video(tmp_path / f"a{suffix}", sound=sound, sound_codec=codec)
    audio = media.read_audio(path, 48_000)
    assert delay(audio.waveform[0].numpy(), sound[0]) == 0
    assert audio.waveform.shape[1] == pytest.approx(48_000, abs=2)


def test_aac_padding_is_cut_off(tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=click(48_000 - 500, 9000))
    assert media.read_audio(path, 48_000).waveform.shape == (1, 48_000 - 500)


def test_sound_starts_with_the_picture(tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=click(96_000, 40_000), shift_s=Fraction(3, 5))
    audio = media.read_audio(path, 48_000)
    # The picture starts 0.6 s into the sound.
    assert delay(audio.waveform[0].numpy(), click(96_000, 40_000 - 28_800)[0]) == 0


def test_frames_hidden_by_an_edit_list_do_not_shift_the_sound(tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=click(48_000, 9000), shift_s=Fraction(-2, 5))
    assert delay(media.read_audio(path, 48_000).waveform[0].numpy(), click(48_000, 9000)[0]) == 0


def test_late_sound_is_padded_with_silence(tmp_path):
    path = tmp_path / "a.mp4"
    options = {"movie_timescale": "48000"}  # else the header rounds to milliseconds
    make_video(path, sound=click(48_000, 9000), sound_shift_s=Fraction(1, 4), options=options)
    audio = media.read_audio(path, 48_000).waveform
    assert audio.shape[1] == 60_000
    assert delay(audio[0].numpy(), click(60_000, 21_000)[0]) == 0


def test_sound_files_of_every_kind_keep_their_place(tmp_path):
    sound = click(48_000, 9000)
    for suffix, codec in ((".mp3", "libmp3lame"), (".m4a", "aac"), (".opus", "libopus")):
        path = make_sound(tmp_path / f"a{suffix}", sound, codec)
        audio = media.read_audio(path, 48_000).waveform
        assert delay(audio[0].numpy(), sound[0]) == 0, suffix
        assert abs(audio.shape[1] - 48_000) <= 48, suffix  # some headers count in milliseconds


def test_sound_with_cover_art_is_a_sound(tmp_path):
    path = make_sound(tmp_path / "a.mp3", click(48_000, 9000), "libmp3lame", cover=True)
    assert media.probe(path).kind == "audio"
    assert media.read_audio(path).waveform.shape == (1, 16_000)
    with pytest.raises(MediaError, match="expected a video, got an audio file"):
        media.read_video(path)


def test_silent_video_has_no_sound(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    assert not media.read_video(path).has_audio
    with pytest.raises(MediaError, match="expected an audio track, got none"):
        media.read_audio(path)


# Pictures in --------------------------------------------------------------------------------


def test_photograph_is_turned_upright(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # shown upright after a quarter turn clockwise
    pixels = numbered_frame(5)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    got = media.read_image(tmp_path / "a.png").pixels.numpy()
    assert np.array_equal(got, np.rot90(pixels, -1).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("LA", (100, 255), (100, 100, 100)),
        ("L", 7, (7, 7, 7)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("I;16", 257 * 80, (80, 80, 80)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_every_colour_mode_becomes_rgb(tmp_path, mode, colour, expected):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    PIL.Image.new(mode, (3, 2), colour).save(path)
    pixels = media.read_image(path).pixels
    assert pixels.shape == (3, 2, 3)
    assert tuple(pixels[:, 0, 0].tolist()) == expected


def test_animation_gives_its_first_frame(tmp_path):
    red, blue = (PIL.Image.new("RGB", (8, 8), c) for c in ("red", "blue"))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue], duration=100)
    assert media.read_image(tmp_path / "a.gif").pixels[:, 0, 0].tolist() == [255, 0, 0]
    assert media.probe(tmp_path / "a.gif").kind == "video"
    assert media.read_video(tmp_path / "a.gif", frames_per_s=10.0).duration_s == pytest.approx(0.2)


def test_decompression_bomb_is_refused(tmp_path, monkeypatch):
    PIL.Image.new("L", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(MediaError, match="too many pixels"):
        media.read_image(tmp_path / "a.png")


def test_still_picture_is_not_read_as_a_video(tmp_path):
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(MediaError, match="got an image"):
        media.read_video(tmp_path / "a.png")


def test_probe_tells_the_three_kinds_apart(tmp_path):
    PIL.Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg")
    media.write_audio(tmp_path / "a.wav", noise(8000), 16000)
    make_video(tmp_path / "a.mp4", sound=click(48_000, 0))
    image, audio, video = (media.probe(tmp_path / f"a.{s}") for s in ("jpg", "wav", "mp4"))
    assert (image.kind, image.width, image.height) == ("image", 8, 6)
    assert (audio.kind, audio.duration_s) == ("audio", 0.5)
    assert (video.kind, video.duration_s, video.has_audio) == ("video", 1.0, True)


# Levels -------------------------------------------------------------------------------------


def test_finished_sound_has_no_offset_no_click_and_room_at_the_top():
    finished = media.finish_level(noise(16_000, 2, peak=1.5) + 0.4, 16_000)
    assert finished.mean(-1).abs().max() < 1e-6
    assert finished[:, [0, -1]].abs().max() < 0.01
    assert media.peak_dbfs(finished) <= -1.0


def test_finishing_leaves_audible_tones_alone():
    t = torch.arange(16_000) / 16_000
    tone = 0.3 * torch.sin(2 * math.pi * 50 * t)[None]
    finished = media.finish_level(tone, 16_000)
    middle = slice(2000, -2000)
    assert finished[:, middle].std() == pytest.approx(tone[:, middle].std().item(), rel=0.15)
    assert media.finish_level(torch.zeros(1, 100), 16_000).abs().max() == 0


def test_slow_drift_is_removed():
    t = torch.arange(32_000) / 16_000
    finished = media.finish_level(0.5 * torch.sin(2 * math.pi * t)[None], 16_000).abs()
    assert finished[:, 2000:-2000].max() < 0.005
    assert finished.max() < 0.05  # at the ends there is less to average


@pytest.mark.parametrize("num_samples", [0, 1, 2, 50])
def test_finishing_takes_any_length(num_samples):
    assert media.finish_level(torch.ones(1, num_samples), 16_000).shape == (1, num_samples)


def test_peak_is_in_decibels_of_full_scale():
    assert media.peak_dbfs(torch.tensor([[0.1, -1.0]])) == 0
    assert media.peak_dbfs(torch.zeros(1, 5)) == -math.inf


# Sounds and videos out ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [(".wav", 1e-4), (".flac", 1e-4), (".aif", 1e-4), (".AIFF", 1e-4), (".ogg", 0.2)],
)
def test_written_sound_reads_back(tmp_path, suffix, tolerance):
    sound = torch.from_numpy(click(16_000, 5000, channels=2))
    assert media.write_audio(tmp_path / f"a{suffix}", sound, 16_000) == 1.0
    got = media.read_audio(tmp_path / f"a{suffix}", mono=False).waveform
    # FFmpeg loses half a block, 256 samples, at the end of libsndfile's Vorbis files.
    length = 16_000 - (256 if suffix == ".ogg" else 0)
    assert got.shape == (2, length)
    assert (got - sound[:, :length]).abs().max() < tolerance
    assert delay(got[0].numpy(), sound[0].numpy()) == 0


@pytest.mark.parametrize("suffix", [".mp3", ".m4a", ".opus", ".aac"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (22_050, 2)])
def test_lossy_audio_has_its_length_and_content(tmp_path, suffix, rate, channels):
    t = torch.arange(round(1.37 * rate)) / rate
    sound = (0.5 * torch.sin(2 * math.pi * 440 * t) * (t > 0.3)).repeat(channels, 1)
    assert media.write_audio(tmp_path / f"a{suffix}", sound, rate) == 1.0
    got = media.read_audio(tmp_path / f"a{suffix}", rate, mono=False).waveform
    if suffix == ".aac":  # it has no place for the encoder's delay
        assert 0 <= got.shape[1] - len(t) < 0.1 * rate
        shift = round(1024 / 48_000 * rate)
        got = got[:, shift : shift + len(t)]
    assert got.shape == sound.shape
    alike = torch.nn.functional.cosine_similarity(got.flatten(), sound.flatten(), dim=0)
    assert alike > (0.9 if suffix == ".aac" else 0.995)


def test_too_loud_sound_is_turned_down_not_clipped(tmp_path):
    sound = noise(1000, peak=2.0)
    gain = media.write_audio(tmp_path / "a.wav", sound, 16_000)
    got = media.read_audio(tmp_path / "a.wav").waveform
    assert gain == pytest.approx(0.5, rel=1e-3)
    torch.testing.assert_close(got, sound * gain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv", ".webm"])
def test_written_video_has_its_frames_and_its_sound(tmp_path, suffix):
    frames = torch.stack(
        [torch.from_numpy(numbered_frame(k, 33, 51)).permute(2, 0, 1) for k in range(20)]
    )
    sound = click(20_000, 8000)
    path = tmp_path / f"a{suffix}"
    media.write_video(path, frames, 8.0, torch.from_numpy(sound), 16_000)
    video = media.read_video(path, frames_per_s=8.0)
    assert numbers(video) == list(range(20))
    assert video.duration_s == 2.5
    assert video.frames.shape[2:] == (34, 52)
    audio = media.read_audio(path, 48_000).waveform[0]
    assert len(audio) == 120_000
    assert abs(delay(media.read_audio(path).waveform[0].numpy(), sound[0])) == 0


# A new sound for an old picture --------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("source", ["plain", "ntsc", "vfr", "rotated", "late", "trimmed", "mkv"])
def test_muxing_keeps_packets_clock_rotation_and_sync(tmp_path, source, suffix):
    path = {
        "plain": lambda: make_video(tmp_path / "a.mp4", sound=click(48_000, 0)),
        "ntsc": lambda: make_video(
            tmp_path / "a.mov", rate=Fraction(30000, 1001), time_base=Fraction(1001, 30000)
        ),
        "vfr": lambda: make_video(
            tmp_path / "a.mp4", pts=[0, 40, 60, 300, 310, 700], time_base=Fraction(1, 1000)
        ),
        "rotated": lambda: make_video(tmp_path / "a.mp4", rotation_deg=90),
        "late": lambda: make_video(tmp_path / "a.mp4", shift_s=Fraction(8, 5)),
        "trimmed": lambda: make_video(tmp_path / "a.mp4", shift_s=Fraction(-2, 5)),
        "mkv": lambda: make_video(tmp_path / "a.mkv", num_frames=30),
    }[source]()
    before, out = media.read_video(path, frames_per_s=25.0), tmp_path / f"out{suffix}"
    if source == "trimmed" and suffix == ".mkv":
        with pytest.raises(MediaError, match="hidden by an edit list"):
            media.mux_audio(path, noise(16_000), 16_000, out)
        return
    sound = click(40_000, 5000)  # longer than any of the pictures
    media.mux_audio(path, torch.from_numpy(sound), 16_000, out)
    after = media.read_video(out, frames_per_s=25.0)
    assert packet_hashes(out) == packet_hashes(path)
    assert after.rotation_deg == before.rotation_deg
    clock_s = 0.0015 if suffix == ".mkv" or source == "mkv" else 1e-6  # Matroska counts in ms
    assert after.duration_s == pytest.approx(before.duration_s, abs=clock_s)
    if clock_s < 1e-3:
        assert torch.equal(after.frames, before.frames)
    audio = media.read_audio(out, 48_000).waveform
    assert audio.shape == (1, pytest.approx(before.duration_s * 48_000, abs=1))
    length = int(before.duration_s * 16_000)
    assert delay(media.read_audio(out).waveform[0].numpy(), sound[0, :length]) == 0


def test_mp4_declares_equal_lengths_of_picture_and_sound(tmp_path):
    rate = Fraction(24000, 1001)
    path = make_video(tmp_path / "a.mp4", rate=rate, time_base=1 / rate, num_frames=37)
    media.mux_audio(path, noise(16_000), 16_000, tmp_path / "out.mp4")
    assert stream_duration(tmp_path / "out.mp4", "video") == 37 / rate
    difference = stream_duration(tmp_path / "out.mp4", "audio") - 37 / rate
    assert abs(difference) <= Fraction(1, 48_000)


def test_short_sound_is_padded_with_silence(tmp_path):
    path = make_video(tmp_path / "a.mp4", num_frames=50)
    media.mux_audio(path, noise(8000), 16_000, tmp_path / "out.mp4")
    audio = media.read_audio(tmp_path / "out.mp4").waveform
    assert audio.shape == (1, 32_000)
    assert audio[:, 9000:].abs().max() < 1e-3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("channels", [1, 2])
def test_peak_holds_after_decoding(tmp_path, channels, suffix):
    path = make_video(tmp_path / "a.mp4")
    out = tmp_path / f"out{suffix}"
    media.mux_audio(path, noise(16_000, channels, peak=1.0), 16_000, out)
    peak = media.peak_dbfs(media.read_audio(out, 48_000, mono=False).waveform)
    assert -1.5 < peak <= -1.0


def test_mixing_adds_the_new_sound_to_the_old(tmp_path):
    old, new = click(48_000, 10_000), click(16_000, 12_000)
    path = make_video(tmp_path / "a.mp4", sound=old)
    media.mux_audio(
        path, torch.from_numpy(new), 16_000, tmp_path / "out.mp4", track=Track(keep="mix")
    )
    mixed = media.read_audio(tmp_path / "out.mp4", 48_000).waveform[0].numpy()
    assert delay(mixed[:24_000], old[0, :24_000]) == 0
    assert mixed[10_000:10_400].std() == pytest.approx(old[0, 10_000:10_400].std(), rel=0.05)
    new_at_48 = media.read_audio(tmp_path / "out.mp4", 16_000).waveform[0].numpy()[9000:]
    assert delay(new_at_48, new[0, 9000:]) == 0


def test_mixing_into_a_silent_video_leaves_the_new_sound(tmp_path):
    path, sound = make_video(tmp_path / "a.mp4"), torch.from_numpy(click(16_000, 4000))
    media.mux_audio(path, sound, 16_000, tmp_path / "mix.mp4", track=Track(keep="mix"))
    media.mux_audio(path, sound, 16_000, tmp_path / "replace.mp4")
    got = [media.read_audio(tmp_path / f"{n}.mp4").waveform for n in ("mix", "replace")]
    assert torch.equal(*got)


def test_title_stays_and_other_tracks_go(tmp_path):
    path = make_video(tmp_path / "a.mp4", sound=click(48_000, 0))
    tagged = tmp_path / "tagged.mkv"
    with av.open(str(path)) as source, av.open(str(tagged), "w") as output:
        streams = {s.index: output.add_stream_from_template(s) for s in source.streams}
        output.metadata["title"] = "Waves"
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    media.mux_audio(tagged, noise(16_000), 16_000, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as written:
        assert written.metadata["title"] == "Waves"
        assert [stream.type for stream in written.streams] == ["video", "audio"]


def test_file_cut_short_can_be_muxed(tmp_path):
    whole = make_video(tmp_path / "a.mkv", num_frames=50).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    media.mux_audio(tmp_path / "cut.mkv", noise(32_000), 16_000, tmp_path / "out.mp4")
    got = media.read_video(tmp_path / "out.mp4").duration_s
    assert got == pytest.approx(media.read_video(tmp_path / "cut.mkv").duration_s, abs=0.05)


# What cannot be written ---------------------------------------------------------------------


def test_output_must_not_be_the_input(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    before = path.read_bytes()
    (tmp_path / "link.mp4").symlink_to(path)
    for name in ("a.mp4", "link.mp4", "./a.mp4"):
        with pytest.raises(MediaError, match="is the input itself"):
            media.mux_audio(path, noise(100), 16_000, tmp_path / name)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["out.avi", "out", "out.wav"])
def test_unknown_suffix_names_the_known_ones(tmp_path, name):
    path = make_video(tmp_path / "a.mp4", num_frames=2)
    with pytest.raises(MediaError, match=r"choose one of .*\.mkv.*\.mp4"):
        media.mux_audio(path, noise(100), 16_000, tmp_path / name)
    with pytest.raises(MediaError, match=r"choose one of \.wav, \.flac, \.ogg"):
        media.write_audio(tmp_path / "a.wma", noise(100), 16_000)


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(MediaError, match="there is no folder"):
        media.write_audio(tmp_path / "nowhere" / "a.wav", noise(100), 16_000)


def test_codec_that_the_container_cannot_hold_names_one_that_can(tmp_path):
    path = make_video(tmp_path / "a.mp4", num_frames=2)
    with pytest.raises(
        MediaError,
        match=r"does not support h264 video; choose \.mkv or \.mov or \.mp4, or use --reencode",
    ):
        media.mux_audio(path, noise(100), 16_000, tmp_path / "out.webm")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_failure_half_way_leaves_the_old_output_and_no_pieces(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4")
    out = tmp_path / "out.mp4"
    out.write_bytes(b"earlier output")

    def fail_in_the_middle(source, stream):
        yield from [p for p in source.demux(stream) if p.size][:5]
        raise KeyboardInterrupt

    clock = media.mux.read_packet_times(path)
    monkeypatch.setattr("seehear.media.mux.read_packet_times", lambda _: clock)
    monkeypatch.setattr("seehear.media.mux.packets_of", fail_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        media.mux_audio(path, noise(16_000), 16_000, out)
    assert out.read_bytes() == b"earlier output"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    broken = torch.full((1, 100), torch.nan)
    path = make_video(tmp_path / "a.mp4", num_frames=2)
    with pytest.raises(ValueError, match="finite"):
        media.write_audio(tmp_path / "a.wav", broken, 16_000)
    with pytest.raises(ValueError, match="finite"):
        media.mux_audio(path, broken, 16_000, tmp_path / "out.mp4")
    with pytest.raises(ValueError, match="finite"):
        media.finish_level(broken, 16_000)


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_file_with_samples_that_are_no_numbers_is_refused(tmp_path, value, rate):
    samples = np.zeros(44_100, np.float32)
    samples[20_000] = value
    soundfile.write(tmp_path / "broken.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(MediaError, match=r"broken\.wav: expected finite samples"):
        media.read_audio(tmp_path / "broken.wav")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_pictures_comment_is_in_its_metadata(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    media.write_image(path, torch.zeros((3, 8, 8), dtype=torch.uint8), "four times larger")
    with PIL.Image.open(path) as picture:
        exif = picture.getexif()
        said = picture.info.get("Comment") or exif[PIL.ExifTags.Base.ImageDescription]
    assert said == "four times larger"


def test_every_frame_is_enlarged_by_itself_and_a_flat_one_stays_flat():
    frames = torch.zeros((2, 3, 4, 6), dtype=torch.uint8)
    frames[1] = torch.tensor([10, 200, 77], dtype=torch.uint8)[:, None, None]
    large = media.upscaled(frames, 3)
    assert (large.shape, large.dtype) == ((2, 3, 12, 18), torch.uint8)
    assert (large[0] == 0).all()
    assert (large[1] == frames[1, :, :1, :1]).all()
    with pytest.raises(ValueError, match="at least 1"):
        media.upscaled(frames, 0)


# Real clips, where a folder of them is given -------------------------------------------------

CLIPS = sorted(Path(os.environ.get("SEEHEAR_MEDIA", "/nowhere")).glob("*.mp4"))


@pytest.mark.skipif(not CLIPS, reason="SEEHEAR_MEDIA names no folder with clips")
@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
def test_real_clip_keeps_its_picture(tmp_path, path):
    video = media.read_video(path)
    media.mux_audio(path, noise(16_000 * 12), 16_000, tmp_path / "out.mp4")
    assert packet_hashes(tmp_path / "out.mp4") == packet_hashes(path)
    audio = media.read_audio(tmp_path / "out.mp4", 48_000).waveform
    assert audio.shape[1] == round(video.duration_s * 48_000)
    assert media.peak_dbfs(audio) <= -1.0
