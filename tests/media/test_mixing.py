"""Settings of the audio track: gain, ducking, channels, PCM and sample rate."""

import math

import av
import numpy as np
import pytest
import soundfile
import torch
from tests.media_files import make_video, packet_hashes

from seehear.errors import MediaError, SettingsError
from seehear.media import mux_audio, read_audio, write_audio
from seehear.media.encode import AUDIO_RATE
from seehear.media.mixing import ducked, mix_parts, of_file
from seehear.media.track import Track, stem_paths

SECOND = AUDIO_RATE


def tone(seconds: float, peak: float = 0.3, rate: int = AUDIO_RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return (peak * np.sin(2 * math.pi * 440 * t)).astype(np.float32)[None]


def change_db(after: np.ndarray, before: np.ndarray) -> float:
    return 10 * math.log10(float(np.square(after).mean() / np.square(before).mean()))


def test_new_audio_is_lowered_only_while_the_other_audio_is_loud():
    new, other = tone(4.0), np.zeros((1, 4 * SECOND), np.float32)
    rng = np.random.default_rng(0)
    other[:, SECOND : 2 * SECOND] = 0.2 * rng.standard_normal(SECOND)
    low = ducked(new, other, 12.0)
    assert low.shape == new.shape

    def change(first_s, last_s):
        part = np.s_[:, round(first_s * SECOND) : round(last_s * SECOND)]
        return change_db(low[part], new[part])

    assert change(0.0, 0.9) == pytest.approx(0, abs=0.1)
    assert -12 <= change(1.2, 1.9) < -9
    assert change(3.0, 4.0) == pytest.approx(0, abs=0.5)  # 300 ms to recover


def test_quiet_audio_does_not_duck():
    new, other = tone(1.0), tone(1.0, peak=0.002)
    assert change_db(ducked(new, other, 20.0), new) == pytest.approx(0, abs=0.1)


def test_a_mix_is_the_sum_with_a_gain_and_as_long_as_the_longer_part():
    old, new = tone(0.5, 0.1), np.repeat(tone(1.0, 0.2), 2, axis=0)
    parts, half = mix_parts(old, new, Track(keep="mix", gain_db=-6.0206)), old.shape[1]
    found = parts[0] + parts[1]
    assert found.shape == new.shape
    np.testing.assert_allclose(found[:, :half], old + 0.5 * new[:, :half], atol=1e-5)
    np.testing.assert_allclose(found[:, half:], 0.5 * new[:, half:], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gain_db": 3.0}, "expected a mix"),
        ({"duck_db": 3.0}, "expected a mix"),
        ({"keep": "mix", "gain_db": 61.0}, "a gain of at most 60 dB"),
        ({"keep": "mix", "gain_db": math.nan}, "a gain of at most 60 dB"),
        ({"keep": "mix", "duck_db": -1.0}, "ducking of 0 to 60 dB"),
        ({"sample_rate": 100}, "a sample rate of 8000"),
        ({"sample_rate": 96_001}, "a sample rate of 8000"),
    ],
)
def test_settings_out_of_range_are_refused(changes, expected):
    with pytest.raises(SettingsError, match=expected):
        Track(**changes)


def test_two_equal_channels_are_as_loud_as_one():
    sound = torch.from_numpy(tone(3.0))
    stereo, _ = of_file(sound, AUDIO_RATE, Track(is_stereo=True))
    assert stereo.shape[0] == 2
    one, two = (10 * math.log10(float(s.square().mean(1).sum())) for s in (sound, stereo))
    assert two == pytest.approx(one, abs=1e-3)  # R128 adds the channels' power


@pytest.mark.parametrize(
    ("track", "suffix"),
    [
        (Track(keep="mix"), ".wav"),
        (Track(is_pcm=True), ".mp4"),
        (Track(is_pcm=True), ".MP3"),
        (Track(sample_rate=44_100), ".mov"),
        (Track(sample_rate=44_100), ".opus"),
    ],
)
def test_settings_without_effect_in_a_format_are_refused(track, suffix):
    with pytest.raises(SettingsError, match="drop --"):
        track.check(suffix)
    for fine in (Track(), Track(is_stereo=True)):
        fine.check(suffix)


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_pcm_in_a_video_keeps_24_bits_and_the_frames(tmp_path, suffix):
    clip, out = make_video(tmp_path / "a.mp4"), tmp_path / f"out{suffix}"
    sound = torch.from_numpy(tone(1.0, 1e-3, 48_000))
    mux_audio(clip, sound, 48_000, out, track=Track(is_pcm=True, is_stereo=True))
    with av.open(str(out)) as file:
        stream = file.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.channels) == ("pcm_s24le", 2)
    assert packet_hashes(out) == packet_hashes(clip)
    got = read_audio(out, 48_000, mono=False).waveform
    assert got.shape == (2, 48_000)
    assert (got - sound / math.sqrt(2)).abs().max() < 2**-22  # 16 bits: up to 2^-16


def test_pcm_of_a_loud_mix_stays_below_the_limit(tmp_path):
    clip, out = make_video(tmp_path / "a.mp4", sound=tone(1.0, 0.9)), tmp_path / "out.mov"
    track = Track(keep="mix", is_pcm=True, gain_db=6.0)
    mux_audio(clip, torch.from_numpy(tone(1.0, 0.9)), 48_000, out, track=track)
    peak = read_audio(out, 48_000).waveform.abs().max()
    assert peak == pytest.approx(10 ** (-1 / 20), abs=1e-3)


@pytest.mark.parametrize("name", ["out.mp4", "out.webm"])
def test_pcm_is_refused_where_players_do_not_expect_it(tmp_path, name):
    clip = make_video(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=r"expected \.mov or \.mkv for PCM"):
        mux_audio(clip, torch.zeros(1, 100), 16_000, tmp_path / name, track=Track(is_pcm=True))
    with pytest.raises(MediaError, match=r"expected \.wav, \.aif or \.flac for PCM"):
        write_audio(tmp_path / "a.mp3", torch.zeros(1, 100), 16_000, is_24_bit=True)


@pytest.mark.parametrize("suffix", [".wav", ".aif", ".flac"])
def test_an_audio_file_has_the_wanted_rate_channels_and_bits(tmp_path, suffix):
    sound = torch.from_numpy(tone(0.37, 0.3, 16_000))
    track = Track(sample_rate=48_000, is_stereo=True, is_pcm=True)
    waveform, rate = of_file(sound, 16_000, track)
    write_audio(tmp_path / f"a{suffix}", waveform, rate, is_24_bit=True)
    info = soundfile.info(tmp_path / f"a{suffix}")
    assert (info.samplerate, info.channels, info.subtype) == (48_000, 2, "PCM_24")
    assert info.frames == 3 * sound.shape[1]
    got = read_audio(tmp_path / f"a{suffix}", 16_000, mono=False).waveform
    inside = slice(400, sound.shape[1] - 400)
    assert (got[:, inside] - sound[:, inside] / math.sqrt(2)).abs().max() < 0.01


@pytest.mark.parametrize("peak", [0.2, 0.9])  # the second is attenuated
def test_the_stems_of_a_mix_add_up_to_it(tmp_path, peak):
    clip = make_video(tmp_path / "clip.mp4", num_frames=50, sound=tone(2.0, peak))
    track = Track(keep="mix", gain_db=3.0, duck_db=6.0, is_pcm=True, is_stereo=True, has_stems=True)
    new = torch.from_numpy(tone(2.0, peak, rate=16_000))
    mux_audio(clip, new, 16_000, tmp_path / "out.mov", track=track)
    stems = stem_paths(tmp_path / "out.mov", track)
    assert [path.name for path in stems] == ["out_effects.wav", "out_original.wav"]
    parts = [soundfile.read(path, dtype="float32", always_2d=True)[0].T for path in stems]
    assert all(part.shape == (2, 2 * SECOND) for part in parts)
    mix = read_audio(tmp_path / "out.mov", AUDIO_RATE, mono=False).waveform.numpy()
    error = mix - (parts[0] + parts[1])
    assert 20 * math.log10(np.abs(error).max() / np.abs(mix).max()) < -90
    assert not list(tmp_path.glob(".*"))


def test_without_a_mix_the_only_stem_is_the_new_audio(tmp_path):
    clip = make_video(tmp_path / "clip.mp4", num_frames=25, sound=tone(1.0))
    track = Track(has_stems=True)
    mux_audio(clip, torch.from_numpy(tone(1.0)), AUDIO_RATE, tmp_path / "out.mp4", track=track)
    found = soundfile.read(tmp_path / "out_effects.wav", dtype="float32")[0]
    np.testing.assert_array_equal(found, tone(1.0)[0])
    assert not (tmp_path / "out_original.wav").exists()
    with pytest.raises(SettingsError, match="--stems writes the parts of a video's audio track"):
        track.check(".wav")


def test_a_failed_mix_leaves_no_stems(tmp_path):
    clip = make_video(tmp_path / "clip.mp4", num_frames=25)
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(MediaError, match="got a folder"):
        mux_audio(
            clip, torch.from_numpy(tone(1.0)), AUDIO_RATE, tmp_path / "out.mp4",
            track=Track(has_stems=True),
        )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
