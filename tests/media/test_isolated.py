"""Reading in a child process: the same values, and a crash that costs one file."""

import ctypes
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from media_files import click, make_video

from seehear.errors import MediaError
from seehear.media import isolated as module
from seehear.media import mux_audio, probe, read_audio, read_image, read_video, stream_frames
from seehear.media.isolated import (
    Limits,
    in_child_process,
    isolated,
    stream_from_child_process,
)
from seehear.media.messages import read_message, send_bytes
from seehear.pipeline.inputs import motion_curve

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DAMAGED = Path(__file__).resolve().parents[1] / "data" / "damaged"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def faulty(monkeypatch):
    """Decoders that crash or hang for some file names."""
    monkeypatch.setattr(module, "PRELOADED", (*module.PRELOADED, "tests.faulty_decoder"))
    module._SERVER.end()
    yield
    module._SERVER.end()


def test_media_read_in_a_child_process_are_the_same():
    with isolated():
        header = probe(EXAMPLES / "rooster.mp4")
        video, audio = read_video(EXAMPLES / "rooster.mp4"), read_audio(EXAMPLES / "dog.wav")
        image = read_image(EXAMPLES / "rooster.jpg")
        streamed = list(stream_frames(EXAMPLES / "rooster.mp4", frames_per_s=4.0))
    assert header == probe(EXAMPLES / "rooster.mp4")
    here = read_video(EXAMPLES / "rooster.mp4")
    assert torch.equal(video.frames, here.frames)
    assert torch.equal(video.times_s, here.times_s)
    assert (video.duration_s, video.fps, video.has_audio) == (
        here.duration_s, here.fps, here.has_audio,
    )  # fmt: skip
    assert video.path == EXAMPLES / "rooster.mp4"
    assert torch.equal(audio.waveform, read_audio(EXAMPLES / "dog.wav").waveform)
    assert torch.equal(image.pixels, read_image(EXAMPLES / "rooster.jpg").pixels)
    image.pixels.add_(1)  # the tensors are writable
    for (t, frame), (t_here, frame_here) in zip(
        streamed, stream_frames(EXAMPLES / "rooster.mp4", frames_per_s=4.0), strict=True
    ):
        assert t == t_here
        np.testing.assert_array_equal(frame, frame_here)


def test_muxing_in_a_child_process_writes_the_same_file(tmp_path):
    clip = make_video(tmp_path / "clip.mp4")
    sound = torch.from_numpy(click(48_000, 1000))
    with isolated():
        mux_audio(clip, sound, 48_000, tmp_path / "a.mp4")
        with pytest.raises(ValueError, match="NaN"):
            mux_audio(clip, sound * float("nan"), 48_000, tmp_path / "b.mp4")
    mux_audio(clip, sound, 48_000, tmp_path / "c.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()


def test_errors_and_warnings_of_a_child_process_are_those_of_this_process(tmp_path, caplog):
    odd = tmp_path / os.fsdecode(b"not \xff utf-8.mp4")
    odd.write_bytes(b"no media")
    with isolated():
        with pytest.raises(MediaError, match="expected a video or audio file") as caught:
            read_audio(odd)
        read_audio(DAMAGED / "mux_MemoryError_2359.flv")
    assert str(odd) in str(caught.value)
    assert "skipped 8 damaged packets" in caplog.text


@pytest.mark.long
@pytest.mark.usefixtures("faulty")
def test_a_crash_a_hang_and_a_memory_bomb_cost_one_file(tmp_path):
    paths = {name: tmp_path / f"{name}.mp4" for name in ("crash", "hang", "bomb", "good")}
    for path in paths.values():
        shutil.copy(EXAMPLES / "rooster.mp4", path)
    sentences = {
        "crash": r"crash.mp4: expected media that can be decoded, but the decoder crashed "
        r"\(signal 11\); export the file again",
        "hang": r"hang.mp4: expected a file that is decoded within 2 s, but it took longer; "
        "export it again, make it smaller or raise the limit",
        "bomb": r"bomb.mp4: expected a file that is decoded in 1 GB of memory, but it needs more",
    }
    with isolated(Limits(seconds=2.0, max_bytes=2**30)):
        for name, sentence in sentences.items():
            began = time.monotonic()
            with pytest.raises(MediaError, match=sentence):
                probe(paths[name])
            assert time.monotonic() - began < 60  # with the start of the server
            assert probe(paths["good"]).kind == "video"


@pytest.mark.long
def test_frames_are_streamed_from_a_child_process_one_by_one(tmp_path):
    path = make_video(tmp_path / "long.mp4", num_frames=250, size=(256, 256))
    with isolated():
        frames = stream_frames(path, frames_per_s=25.0)
        first = [next(frames) for _ in range(3)]
        assert [t for t, _ in first] == [0.0, 0.04, 0.08]
        # The child waits with its other frames until they are wanted.
        (guard,) = children_of(module._SERVER._process.pid)
        frames.close()
        until = time.monotonic() + 30
        while Path(f"/proc/{guard}").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert len(list(stream_frames(path, frames_per_s=25.0))) == 250


def test_motion_in_a_child_process_is_the_same(tmp_path):
    path = make_video(tmp_path / "clip.mp4", num_frames=30)
    with isolated():
        motion = motion_curve(read_video(path))
    assert torch.equal(motion.values, motion_curve(read_video(path)).values)


def test_a_stream_ends_with_the_error_of_the_child_process(tmp_path):
    path = tmp_path / "not_a_video.mp4"
    path.write_bytes(b"no media")
    with isolated(), pytest.raises(MediaError, match="expected a video or audio file"):
        list(stream_frames(path))
    with pytest.raises(MediaError, match="decoded within 1 s, but it took longer"):
        list(stream_from_child_process(time.sleep, 3600, limits=Limits(seconds=1.0)))


def children_of(process: int) -> list[str]:
    """The ids of the children of a process."""
    children = Path(f"/proc/{process}/task/{process}/children")
    if not children.exists():
        pytest.skip("this system does not list the children of a process")
    return children.read_text().split()


def test_native_crashes_are_named():
    with pytest.raises(MediaError, match=r"0: .* crashed \(signal 11\)"):
        in_child_process(ctypes.string_at, 0, limits=Limits())
    with pytest.raises(MediaError, match=r"abort: .* was killed \(signal 6\), probably because"):
        in_child_process(os.abort, limits=Limits(max_bytes=2**30))


def test_a_killed_server_is_started_again():
    assert in_child_process(os.getppid, limits=Limits()) != os.getpid()
    module._SERVER._process.kill()
    module._SERVER._process.wait()
    assert in_child_process(abs, -3, limits=Limits()) == 3


def test_a_decoder_ends_with_its_caller(tmp_path):
    request = (time.sleep.__module__, "sleep", (3600,), {})
    replies, status = module._SERVER.fork(Limits(), module.pickle.dumps(request))
    # The guard and the decoder of this call are the only processes of the server.
    until = time.monotonic() + 30
    while not (guards := children_of(module._SERVER._process.pid)):
        assert time.monotonic() < until
        time.sleep(0.05)
    replies.close()
    status.close()
    while any(Path(f"/proc/{guard}").exists() for guard in guards):
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(guards[0]), signal.SIG_DFL)


def test_no_memory_is_reserved_for_a_length_that_only_the_sender_states():
    here, there = socket.socketpair()
    with here, there:
        there.sendall((2**40).to_bytes(8, "big"))
        assert read_message(here, 2**30) is None
        there.sendall((100).to_bytes(8, "big") + b'{"result"')
        there.close()
        assert read_message(here, 2**30) is None


@pytest.mark.parametrize(
    "header", [b"[]", b"{}", b'{"result": {"kind": "os.system"}, "error": null, "warnings": []}']
)
def test_a_reply_that_is_not_media_counts_as_none(header):
    here, there = socket.socketpair()
    with here, there:
        send_bytes(there, header)
        assert read_message(here, 2**30) is None
