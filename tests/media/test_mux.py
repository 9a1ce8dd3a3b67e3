"""Codecs, containers, timestamps and tags of muxed files."""

import subprocess
import sys
from pathlib import Path

import av
import PIL.Image
import pytest
import torch
from tests.media_files import make_surround_video, make_video, packet_hashes

from seehear import media
from seehear.errors import MediaError
from seehear.media import check_container, mux_audio, read_audio, read_video
from seehear.media import mux as mux_module
from seehear.media.track import Track
from seehear.pipeline.task import TASKS

FILES = Path(__file__).parents[1] / "data" / "containers"
AUDIO = 0.1 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))


def mux(source, out, **options):
    mux_audio(source, AUDIO, 16_000, out, **options)
    with av.open(str(out)) as written:
        frames = list(written.decode(written.streams.video[0]))
        return frames, dict(written.streams.video[0].metadata), dict(written.metadata)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "source", "suffixes"),
    [
        ("wmv2", "yuv420p", ".wmv", {".mkv"}),
        ("h263", "yuv420p", ".3gp", {".mkv", ".mov"}),
        ("flv", "yuv420p", ".flv", {".mkv"}),  # Sorenson
        ("huffyuv", "yuv422p", ".avi", {".mkv"}),
        ("utvideo", "yuv420p", ".avi", {".mkv"}),
        ("dnxhd", "yuv422p", ".mov", {".mkv", ".mov"}),
        ("v210", "yuv422p10le", ".mov", {".mkv", ".mov"}),
        ("cinepak", "rgb24", ".avi", {".mkv", ".mov"}),
        ("magicyuv", "yuv420p", ".avi", {".mkv", ".mov"}),
        ("qtrle", "rgb24", ".mov", {".mov"}),
        ("ffv1", "yuv420p", ".avi", {".mkv", ".mp4"}),
        ("mjpeg", "yuvj420p", ".avi", {".mkv", ".mov", ".mp4"}),
        ("libvpx", "yuv420p", ".webm", {".mkv", ".webm"}),
        ("rawvideo", "bgr24", ".avi", {".mkv", ".mov"}),
        ("rawvideo", "uyvy422", ".mov", {".mov"}),
        ("rawvideo", "yuv420p", ".avi", set()),
        ("rawvideo", "yuv444p", ".nut", set()),
    ],
)
def test_a_codec_is_copied_as_it_is_or_refused(tmp_path, codec, pix_fmt, source, suffixes):
    size, bit_rate = ((1080, 1920), 120_000_000) if codec == "dnxhd" else ((144, 176), None)
    path = make_video(
        tmp_path / f"a{source}",
        codec=codec,
        pix_fmt=pix_fmt,
        size=size,
        num_frames=6,
        bit_rate=bit_rate,
    )
    with av.open(str(path)) as opened:
        expected = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    for suffix in (".mkv", ".mov", ".mp4", ".webm"):
        out = tmp_path / f"out{suffix}"
        if suffix not in suffixes:
            with pytest.raises(MediaError, match="use --reencode"):
                check_container(path, out)
            with pytest.raises(MediaError, match="use --reencode"):
                mux(path, out)
            assert not out.exists()
            continue
        check_container(path, out)
        frames, _, _ = mux(path, out)
        assert packet_hashes(out) == packet_hashes(path)
        for frame, right in zip(frames, expected, strict=True):
            assert (frame.to_ndarray(format="rgb24") == right).all()


def test_raw_video_is_encoded_again_on_request(tmp_path):
    path = make_video(
        tmp_path / "a.avi", codec="rawvideo", pix_fmt="yuv420p", size=(48, 65), num_frames=25
    )
    frames, _, _ = mux(path, tmp_path / "out.mp4", reencode=True)
    assert len(frames) == 25
    was, now = (
        read_video(p, frames_per_s=25.0).frames.float() for p in (path, tmp_path / "out.mp4")
    )
    assert (was - now[..., :65]).abs().mean() < 4


def test_a_rotated_video_is_upright_after_encoding_again(tmp_path):
    path = make_video(tmp_path / "a.mp4", rotation_deg=90)
    mux(path, tmp_path / "out.mp4", reencode=True)
    was, now = read_video(path), read_video(tmp_path / "out.mp4")
    assert now.frames.shape == was.frames.shape
    assert now.rotation_deg == 0
    assert (was.frames.float() - now.frames.float()).abs().mean() < 4


def test_an_unsupported_codec_is_refused_before_the_audio_exists(tmp_path):
    with pytest.raises(MediaError, match=r"does not support gif video; choose \.mov, or use"):
        check_container(FILES / "g.gif", tmp_path / "out.mp4")
    check_container(FILES / "g.gif", tmp_path / "out.mov")
    check_container(FILES / "w.wmv", tmp_path / "out.mkv")


@pytest.mark.parametrize(
    ("name", "suffix", "num_frames", "duration_s"),
    [
        ("g.gif", ".mov", 15, 1.5),
        ("w.wmv", ".mkv", 50, 2.0),
        ("dup.mkv", ".mp4", 50, 2.0),
        ("dup.mkv", ".mkv", 50, 2.0),
        ("reschange.ts", ".mp4", 50, 2.0),
        ("reschange.ts", ".mkv", 50, 2.0),
    ],
)
def test_files_of_public_reports_keep_all_their_frames(
    tmp_path, name, suffix, num_frames, duration_s
):
    frames, _, _ = mux(FILES / name, tmp_path / f"out{suffix}")
    assert len(frames) == num_frames
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))
    assert read_video(tmp_path / f"out{suffix}").duration_s == pytest.approx(duration_s, abs=2e-3)
    assert read_video(FILES / name).duration_s == pytest.approx(duration_s, abs=2e-3)


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_a_transparent_video_still_says_that_it_is(tmp_path, suffix):
    _, tags, _ = mux(FILES / "alpha.webm", tmp_path / f"out{suffix}")
    assert {key.lower(): value for key, value in tags.items()}["alpha_mode"] == "1"
    assert b"\x53\xc0\x81\x01" in (tmp_path / f"out{suffix}").read_bytes()  # AlphaMode = 1


@pytest.mark.parametrize(
    ("suffix", "language", "written"),
    [
        (".mp4", "fre", "fre"),
        (".mkv", "fre", "fre"),
        (".mov", "fre", "fra"),  # QuickTime knows one of the two ISO codes of a language
        (".mov", "deu", "ger"),
        (".mov", "jpn", "jpn"),
    ],
)
def test_the_language_of_the_track_stays(tmp_path, suffix, language, written):
    path = make_video(tmp_path / "a.mkv", tags={"language": language})
    _, tags, _ = mux(path, tmp_path / f"out{suffix}")
    assert tags["language"] == written


@pytest.mark.parametrize(("suffix", "written"), [(".mp4", "fre"), (".mkv", "fre"), (".mov", "fra")])
def test_mixed_audio_has_the_language_of_the_clip(tmp_path, suffix, written):
    path = make_video(
        tmp_path / "a.mkv", sound=AUDIO.numpy(), sound_tags={"language": "fre"}, sound_rate=16_000
    )
    mux(path, tmp_path / f"out{suffix}", track=Track(keep="mix"))
    with av.open(str(tmp_path / f"out{suffix}")) as output:
        assert output.streams.audio[0].metadata["language"] == written


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_phones_metadata_stays(tmp_path, suffix):
    phone = {
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.creationdate": "2024-05-01T10:00:00+0200",
        "title": "Waves",
    }
    path = make_video(
        tmp_path / "a.mov", file_tags=phone, options={"movflags": "use_metadata_tags"}
    )
    _, _, tags = mux(path, tmp_path / f"out{suffix}")
    assert {key: tags.get(key) for key in phone} == phone


def test_chapters_move_with_the_first_frame(tmp_path):
    path = make_video(tmp_path / "a.mkv", num_frames=75, shift_s=1, chapters_s=[(1, 2), (2, 4)])
    mux(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as written:
        starts = [c["start"] * c["time_base"] for c in written.chapters()]
    assert starts == [0, 1]


def test_a_long_strip_is_encoded_again_within_the_limits_of_h264(tmp_path):
    path = tmp_path / "strip.gif"
    strips = [PIL.Image.new("L", (40_000, 40), k) for k in (50, 100)]
    strips[0].save(path, save_all=True, append_images=strips[1:], duration=500)
    frames, _, _ = mux(path, tmp_path / "out.mp4", reencode=True)
    assert (frames[0].width, frames[0].height) == (10_800, 12)


PEAK = """
import sys
from pathlib import Path
import torch
from seehear.media import mux_audio

def memory(field):
    return int(Path("/proc/self/status").read_text().partition(field)[2].split()[0]) // 1024

torch.set_num_threads(1)
before = memory("VmRSS:")
mux_audio(sys.argv[1], torch.zeros(1, 16_000), 16_000, sys.argv[2], reencode=True)
print(memory("VmHWM:") - before)
"""


@pytest.mark.slow  # 30 frames of 4K
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak of memory")
def test_a_4k_video_is_encoded_again_in_less_than_a_gigabyte(tmp_path):
    path = make_video(
        tmp_path / "a.mkv", size=(2160, 3840), num_frames=30, options={"preset": "ultrafast"}
    )
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path, tmp_path / "out.mp4"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000


@pytest.mark.parametrize(
    ("name", "options", "advice"),
    [
        ("out.mp4", {}, "to keep it, choose .mkv or .webm without --reencode"),
        ("out.webm", {"reencode": True}, "to keep it, drop --reencode"),
        ("out.webm", {}, None),
        ("out.mkv", {}, None),
    ],
)
def test_lost_transparency_is_told(tmp_path, caplog, name, options, advice):
    mux(FILES / "alpha.webm", tmp_path / name, **options)
    told = [f"{tmp_path / name}: the transparency of alpha.webm is lost; {advice}"]
    assert caplog.messages == ([] if advice is None else told)


def test_a_header_that_cannot_be_written_is_no_unsupported_codec(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4")

    def full(*_):
        raise av.error.OSError(28, "No space left on device", "temporary.mp4")

    monkeypatch.setattr(mux_module, "_chapters", full)
    with pytest.raises(MediaError) as caught:
        mux_audio(path, AUDIO, 16_000, tmp_path / "out.mp4")
    assert str(caught.value) == (
        f"{tmp_path / 'out.mp4'}: the header of the h264 video could not be written to .mp4 "
        "(No space left on device); check the space, export the video again, or use --reencode"
    )


def test_surround_audio_is_mixed_beneath_as_stereo(tmp_path):
    clip = make_surround_video(tmp_path / "clip.mov", tmp_path)
    mux_audio(clip, torch.zeros(1, 16_000), 16_000, tmp_path / "out.mp4", track=Track(keep="mix"))
    mixed = read_audio(tmp_path / "out.mp4", 16_000, mono=False)
    assert mixed.duration_s == pytest.approx(1.0, abs=1e-3)
    left, right = mixed.waveform[:, 1000:15_000]  # the tone is in the front left channel alone
    assert left.abs().max() == pytest.approx(0.5, abs=0.03)
    assert right.abs().max() < 0.01


@pytest.mark.parametrize(
    ("name", "options", "codec", "most"),
    [("g.mov", {}, "gif", 0), ("g.mp4", {"reencode": True}, "h264", 10)],  # colours of 2 x 2 pixels
)
def test_a_gif_keeps_its_frames_in_mov_or_encoded_again(tmp_path, name, options, codec, most):
    clip = FILES / "g.gif"
    assert TASKS["v2a"].suffix_for(clip) == ".mov"
    mux(clip, tmp_path / name, **options)
    with av.open(str(tmp_path / name)) as written:
        assert written.streams.video[0].codec_context.name == codec
    expected, got = read_video(clip), read_video(tmp_path / name)
    assert got.duration_s == pytest.approx(expected.duration_s, abs=0.11)
    difference = (got.frames[0].float() - expected.frames[0].float()).abs().mean()
    assert difference <= most


def test_former_names_warn_and_still_work():
    with pytest.deprecated_call(match="mux_audio"):
        assert media.mux_sound is media.mux_audio
    with pytest.deprecated_call(match="ensure_folder"):
        assert media.made_folder is media.ensure_folder
