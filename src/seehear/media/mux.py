"""Mux new audio with an existing video stream, which is copied without re-encoding."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Float, Float32
from torch import Tensor

from seehear.errors import MediaError
from seehear.media.encode import (
    AUDIO_RATE,
    Container,
    add_audio_track,
    audio_packets,
    container_for,
    limit_peak,
    pad_or_trim,
    resample_for_track,
)
from seehear.media.opening import (
    audio_stream,
    check_decoder,
    check_gap,
    decoding,
    open_media,
    video_stream,
)
from seehear.media.read import read_audio
from seehear.media.write import replacing


def mux_audio(
    video_path: str | Path,
    waveform: Float[Tensor, "channels samples"],
    sample_rate: int,
    out_path: str | Path,
    *,
    keep: Literal["replace", "mix"] = "replace",
    mix_gain_db: float = 0.0,
    max_dbfs: float = -1.0,
) -> None:
    """Write a video with the same video stream and new audio.

    Video packets and the rotation flag are copied without re-encoding. The first frame moves to
    time 0. The audio starts at time 0 and is trimmed or padded with silence to the exact duration
    of the video. Title and chapters are kept; other audio tracks, subtitles and data are dropped.
    The file appears only when complete.

    Args:
        video_path: Any video with a codec that the container of `out_path` supports.
        waveform: Mono or stereo audio in [-1, 1].
        sample_rate: Sample rate of `waveform`. The track is written at 48 kHz.
        out_path: .mp4, .mov, .m4v (AAC), .mkv or .webm (Opus). An existing file is replaced.
        keep: "replace" the existing audio, or "mix" the new audio with it. Without existing audio,
            both write the new audio alone.
        mix_gain_db: Gain of the new audio in the mix.
        max_dbfs: The track is attenuated until its peak after decoding is at most this.

    Raises:
        MediaError: the video cannot be read, has no video track or no timestamps, the container
            does not support its codec, or `out_path` is `video_path`, is in a missing folder or
            has another suffix.
        ValueError: not mono or stereo, or a sample is NaN or infinite.
    """
    video_path, out_path = Path(video_path), Path(out_path)
    kind = container_for(out_path)
    if out_path.exists() and video_path.exists() and out_path.samefile(video_path):
        raise MediaError(f"{out_path}: is the input itself; choose another name for the output")
    clock = _video_clock(video_path)
    if clock.has_hidden_start and not kind.can_hide_frames:
        raise MediaError(
            f"{out_path}: the start of {video_path.name} is hidden by an edit list, which "
            f"{out_path.suffix} does not support; choose .mp4 or .mov"
        )
    audio = resample_for_track(waveform.detach().cpu().float().numpy(), sample_rate)
    if keep == "mix":
        audio = _mix(video_path, audio, 10 ** (mix_gain_db / 20))
    audio = limit_peak(pad_or_trim(audio, round(clock.duration * AUDIO_RATE)), kind, max_dbfs)
    with (
        replacing(out_path) as temporary,
        open_media(video_path) as source,
        av.open(str(temporary), "w", format=kind.format, options=dict(kind.options)) as output,
    ):
        _copy(source, clock, output, kind, audio, out_path)


@dataclass(frozen=True, kw_only=True)
class _Clock:
    """Display and decode times of the video packets in ticks, in file order."""

    pts: tuple[int, ...]
    dts: tuple[int, ...]
    durations: tuple[int, ...]
    start: int
    has_hidden_start: bool  # frames before `start` are decoded, but an edit list hides them
    time_base: Fraction
    duration: Fraction  # seconds from the first frame on to the last frame off


def _video_clock(path: Path) -> _Clock:
    """Read the times of every packet without decoding."""
    with open_media(path) as source, decoding(path):
        stream = video_stream(source)
        if stream is None or stream.time_base is None:
            raise MediaError(f"{path}: expected a video, got a file without a video track")
        check_decoder(path, stream)
        frame = 1 / (stream.average_rate or stream.guessed_rate or 25) / stream.time_base
        times = [
            (p.pts, p.dts, p.duration or round(frame), p.is_discard)
            for p in _packets(source, stream)
        ]
        time_base, can_reorder = stream.time_base, stream.codec_context.has_b_frames
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
    return _Clock(
        pts=tuple(pts),
        dts=tuple(dts),
        durations=tuple(d for _, _, d, _ in times),
        start=start,
        has_hidden_start=min(pts) < start,
        time_base=time_base,
        duration=(end - start) * time_base,
    )


def _packets(source: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Packets of one stream, up to the end or to where the file is truncated."""
    try:
        yield from (packet for packet in source.demux(stream) if packet.size)
    except (av.error.InvalidDataError, av.error.EOFError):
        return


def _decode_times(pts: list[int]) -> list[int]:
    """Rising decode times for packets in decode order, each at or before its display time.

    Matroska stores display times only. For reordered frames FFmpeg omits the first decode times,
    but MP4 requires them.
    """
    order = sorted(pts)
    lead = max(o - p for o, p in zip(order, pts, strict=True))
    return [o - lead for o in order]


def _mix(
    path: Path, audio: Float32[np.ndarray, "channels samples"], gain: float
) -> Float32[np.ndarray, "new_channels new_samples"]:
    """Mix the audio of the file with `gain` times the new audio, at 48 kHz; stereo if either is."""
    with open_media(path) as source:
        if audio_stream(source) is None:
            return audio * np.float32(gain)
    old = read_audio(path, AUDIO_RATE, mono=False).waveform.numpy()
    num_channels, length = max(len(old), len(audio)), max(old.shape[1], audio.shape[1])
    shape = (num_channels, length)
    return np.broadcast_to(pad_or_trim(old, length), shape) + np.float32(gain) * np.broadcast_to(
        pad_or_trim(audio, length), shape
    )


def _copy(
    source: InputContainer,
    clock: _Clock,
    output: OutputContainer,
    kind: Container,
    audio: Float32[np.ndarray, "channels samples"],
    out_path: Path,
) -> None:
    """Copy the video packets and interleave the encoded audio."""
    stream = video_stream(source)
    assert stream is not None
    try:
        video = output.add_stream_from_template(stream, opaque=True)
        video.time_base = stream.time_base
        track = add_audio_track(output, kind, len(audio))
        output.metadata.update(source.metadata)
        output.set_chapters(source.chapters())
        output.start_encoding()
    except (ValueError, av.FFmpegError) as error:
        is_mkv = out_path.suffix.lower() == ".mkv"
        advice = "convert the video to H.264 first" if is_mkv else "choose .mkv"
        raise MediaError(
            f"{out_path}: {out_path.suffix} cannot hold {stream.codec_context.name} video "
            f"({error}); {advice}"
        ) from error
    audio_in = audio_packets(track, audio)
    pending = next(audio_in, None)
    times = zip(clock.pts, clock.dts, clock.durations, strict=True)
    for packet, (pts, dts, duration) in zip(_packets(source, stream), times, strict=True):
        # Interleave in time: the muxer buffers packets of a stream that is ahead.
        while pending is not None and (pending.dts or 0) * pending.time_base <= (
            (dts - clock.start) * clock.time_base
        ):
            output.mux(pending)
            pending = next(audio_in, None)
        packet.pts, packet.dts, packet.duration = pts - clock.start, dts - clock.start, duration
        packet.stream = video
        output.mux(packet)
    while pending is not None:
        output.mux(pending)
        pending = next(audio_in, None)
