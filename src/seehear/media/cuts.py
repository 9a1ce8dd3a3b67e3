"""Cuts of a video: the times at which one shot ends and the next one starts."""

from fractions import Fraction
from pathlib import Path

from av.filter import Graph
from av.filter.context import FilterContext
from av.video.reformatter import VideoReformatter

from seehear.media.filters import finished_frames
from seehear.media.frames import clocked_frames, require_video
from seehear.media.isolated import isolatable
from seehear.media.opening import check_duration, check_gap, declared_duration, decoding, open_media

# FFmpeg's scene score, from 0 to 1. Its documentation recommends 0.3 to 0.5 for full frames; in
# small ones there is less detail that differs, and a drawing that jumps has 0.15.
THRESHOLD = 0.2
MIN_SHOT_S = 0.5  # a flash is no shot
_WIDTH, _HEIGHT, _FORMAT = 160, 96, "yuv420p"
_TICKS = 1000  # of the filter's clock per frame: any number will do


@isolatable
def shot_boundaries(path: str | Path, *, max_duration_s: float = 3600.0) -> list[float]:
    """Start of every shot of a video, and the end of the last one, in seconds.

    Cuts are found by FFmpeg's scene score, which compares neighbouring frames. So dissolves and
    fades are not found. Shots shorter than 0.5 s are joined with the one before.

    Args:
        path: Any video file that FFmpeg can read.
        max_duration_s: Longer files are rejected.

    Raises:
        MediaError: As `read_video`.
    """
    boundaries, duration = [0.0], Fraction(0)
    with open_media(path) as container, decoding(path):
        stream = require_video(path, container)
        check_duration(path, declared_duration(container, stream), max_duration_s)
        _graph, source, sink = _scene_filter()  # FFmpeg frees the filters with their graph
        reformatter = VideoReformatter()
        for on, off, frame in clocked_frames(path, container, stream):
            check_duration(path, on, max_duration_s)
            check_gap(path, max(on - duration, off - on))
            small = reformatter.reformat(
                frame, width=_WIDTH, height=_HEIGHT, format=_FORMAT, interpolation="AREA"
            )
            small.pts, small.time_base = round(on * _TICKS), Fraction(1, _TICKS)
            source.push(small)
            is_cut = any(True for _ in finished_frames(sink))
            if is_cut and on - Fraction(boundaries[-1]) >= MIN_SHOT_S:
                boundaries.append(float(on))
            duration = max(duration, off)
    if len(boundaries) > 1 and float(duration) - boundaries[-1] < MIN_SHOT_S:
        boundaries.pop()
    return [*boundaries, float(duration)]


def _scene_filter() -> tuple[Graph, FilterContext, FilterContext]:
    """A filter graph that passes the first frame of every shot, its source and its sink."""
    graph = Graph()
    source = graph.add(
        "buffer", width=str(_WIDTH), height=str(_HEIGHT), pix_fmt=_FORMAT,
        time_base=f"1/{_TICKS}", pixel_aspect="1/1",
    )  # fmt: skip
    select = graph.add("select", f"gt(scene,{THRESHOLD})")
    sink = graph.add("buffersink")
    source.link_to(select)
    select.link_to(sink)
    graph.configure()
    return graph, source, sink
