"""Display and decode times of the packets of a video, repaired where files are damaged."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from seehear.errors import MediaError
from seehear.media.encode import AUDIO_RATE
from seehear.media.frames import frame_rate
from seehear.media.opening import (
    check_decoder,
    check_gap,
    decoding,
    exact,
    open_media,
    video_stream,
)


@dataclass(frozen=True, kw_only=True)
class PacketTimes:
    """Display and decode times of the video packets in ticks, in file order."""

    pts: tuple[int, ...]
    dts: tuple[int, ...]
    durations: tuple[int, ...]
    start: int
    has_hidden_start: bool  # frames before `start` are decoded, but an edit list hides them
    time_base: Fraction
    duration: Fraction  # seconds from the first frame on to the last frame off


def read_packet_times(path: Path) -> PacketTimes:
    """Read the times of every packet without decoding."""
    with open_media(path) as source, decoding(path):
        stream = video_stream(source)
        time_base = None if stream is None else exact(stream.time_base)
        if stream is None or time_base is None:
            raise MediaError(f"{path}: expected a video, got a file without a video track")
        check_decoder(path, stream)
        frame = 1 / frame_rate(stream) / time_base
        times = _joined_times(packets_of(source, stream), round(frame))
        can_reorder = stream.codec_context.has_b_frames
    if not times:
        raise MediaError(
            f"{path}: expected video packets, got none; the file is damaged or truncated"
        )
    pts = [p for p, _, _, _ in times if p is not None]
    dts = [d for _, d, _, _ in times if d is not None]
    if len(pts) < len(times) and not can_reorder:
        # Without reordering, frames are displayed in decode order.
        pts = dts if len(dts) == len(times) else [k * round(frame) for k in range(len(times))]
    if len(pts) < len(times):
        raise MediaError(
            f"{path}: the video packets have no timestamps; convert the file to .mp4 or .mkv first"
        )
    pts = _distinct(pts)
    if len(dts) < len(times) or any(b <= a for a, b in itertools.pairwise(dts)):
        dts = _decode_times(pts)
    # Frames before the start of an edit list are needed for decoding but never displayed.
    displayed = [
        (p, d) for p, (_, _, d, is_hidden) in zip(pts, times, strict=True) if not is_hidden
    ]
    shown = sorted(p for p, _ in displayed)
    for first, second in itertools.pairwise(shown):
        check_gap(path, (second - first) * time_base)
    check_gap(path, max((d for _, d in displayed), default=0) * time_base)
    start = min((p for p, _ in displayed), default=min(pts))
    end = max((p + d for p, d in displayed), default=start)
    if round((end - start) * time_base * AUDIO_RATE) < 1:
        raise MediaError(f"{path}: expected a video that lasts, got one of 0 s; it is damaged")
    return PacketTimes(
        pts=tuple(pts),
        dts=tuple(dts),
        durations=tuple(d for _, _, d, _ in times),
        start=start,
        has_hidden_start=min(pts) < start,
        time_base=time_base,
        duration=(end - start) * time_base,
    )


_Times = tuple[int | None, int | None, int, bool]  # pts, dts, duration, is hidden


def _joined_times(packets: Iterator[Packet], frame: int) -> list[_Times]:
    """The times of packets, with parts that start again at an earlier time moved to the end.

    Such parts are separate recordings in one file. They start with a keyframe.
    """
    times: list[_Times] = []
    shift, end = 0, None
    for packet in packets:
        pts, dts, duration = packet.pts, packet.dts, packet.duration or frame
        if dts is not None:
            if end is not None and packet.is_keyframe and dts + shift < end - duration:
                shift = end - dts
            end = dts + shift + duration
        times.append((_plus(pts, shift), _plus(dts, shift), duration, packet.is_discard))
    return times


def _plus(time: int | None, shift: int) -> int | None:
    return None if time is None else time + shift


def packets_of(source: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Packets of one stream, up to the end or to where the file is truncated."""
    try:
        yield from (packet for packet in source.demux(stream) if packet.size)
    except (av.error.InvalidDataError, av.error.EOFError):
        return


def _distinct(pts: list[int]) -> list[int]:
    """Move the later of two equal times by a tick: a container needs different times."""
    distinct, last = pts.copy(), None
    for k in sorted(range(len(pts)), key=pts.__getitem__):
        distinct[k] = pts[k] if last is None else max(pts[k], last + 1)
        last = distinct[k]
    return distinct


def _decode_times(pts: list[int]) -> list[int]:
    """Rising decode times for packets in decode order, each at or before its display time.

    Matroska stores display times only. For reordered frames FFmpeg omits the first decode times,
    but MP4 requires them.
    """
    order = sorted(pts)
    lead = max(o - p for o, p in zip(order, pts, strict=True))
    return [o - lead for o in order]
