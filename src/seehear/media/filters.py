"""Frames from FFmpeg's filter graphs."""

from collections.abc import Iterator

import av
from av.audio.frame import AudioFrame
from av.filter.context import FilterContext
from av.video.frame import VideoFrame


def finished_frames(sink: FilterContext) -> Iterator[AudioFrame | VideoFrame]:
    """All frames that the graph of a sink has finished since the last call."""
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, AudioFrame | VideoFrame)
        yield frame
