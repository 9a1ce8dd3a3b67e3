"""Mux new audio with an existing video stream, which is copied without re-encoding."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Float, Float32
from torch import Tensor

from seehear.errors import MediaError
from seehear.media import fourcc
from seehear.media.copy_check import check_copy
from seehear.media.encode import (
    AUDIO_RATE,
    CONTAINERS,
    Container,
    add_audio_track,
    audio_packets,
    container_for,
    limit_peak,
    pad_or_trim,
    resample_for_track,
)
from seehear.media.frames import frame_rate, stream_frames
from seehear.media.isolated import isolatable
from seehear.media.opening import (
    audio_stream,
    check_decoder,
    check_gap,
    decoding,
    open_media,
    video_stream,
)
from seehear.media.read import read_audio
from seehear.media.write import encode_video, replacing

# Tags of a video track that the muxer writes itself.
_MUXER_TAGS = {"DURATION", "ENCODER", "encoder", "BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES"}
# QuickTime knows one of the two ISO 639-2 codes of these languages.
_QUICKTIME_LANGUAGES = {
    "fre": "fra", "deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice",
    "zho": "chi", "cze": "ces", "rum": "ron",
}  # fmt: skip
# Frame rates of a video that is encoded again. Larger frames than these are scaled down.
_MIN_FPS, _MAX_FPS, _LARGEST_SIDE = Fraction(1), Fraction(120), 4320


@isolatable
def mux_audio(
    video_path: str | Path,
    waveform: Float[Tensor, "channels samples"],
    sample_rate: int,
    out_path: str | Path,
    *,
    keep: Literal["replace", "mix"] = "replace",
    mix_gain_db: float = 0.0,
    max_dbfs: float = -1.0,
    reencode: bool = False,
) -> None:
    """Write a video with the same video stream and new audio.

    Video packets and the rotation flag are copied without re-encoding. The first frame moves to
    time 0. The audio starts at time 0 and is trimmed or padded with silence to the exact duration
    of the video. Title, chapters and the tags of the video track are kept; other audio tracks,
    subtitles and data are dropped. The file appears only when complete and when the first and the
    last packets of both tracks decode.

    Args:
        video_path: Any video with a codec that the container of `out_path` supports.
        waveform: Mono or stereo audio in [-1, 1].
        sample_rate: Sample rate of `waveform`. The track is written at 48 kHz.
        out_path: .mp4, .mov, .m4v (AAC), .mkv or .webm (Opus). An existing file is replaced.
        keep: "replace" the existing audio, or "mix" the new audio with it. Without existing audio,
            both write the new audio alone.
        mix_gain_db: Gain of the new audio in the mix.
        max_dbfs: The track is attenuated until its peak after decoding is at most this.
        reencode: Encode the frames again (H.264, or VP9 in .webm) at a constant frame rate, for
            codecs that the container does not support.

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
    with replacing(out_path) as temporary:
        if reencode:
            _encode_again(video_path, temporary, audio)
            return
        _copy(video_path, clock, temporary, kind, audio, out_path)
        check_copy(video_path, temporary, out_path)


@isolatable
def check_container(video_path: str | Path, out_path: str | Path) -> None:
    """Raise MediaError if the container of `out_path` does not support a video's codec.

    Nothing is written: this is a check before the audio is generated.
    """
    with open_media(video_path) as source, decoding(video_path):
        stream = video_stream(source)
        if stream is None:
            return  # another error, which names the reason, follows
        check_decoder(video_path, stream)
        if not _can_hold(container_for(Path(out_path)), stream):
            raise _cannot_hold(Path(out_path), stream)


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
        times = _joined_times(_packets(source, stream), round(frame))
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
    return _Clock(
        pts=tuple(pts),
        dts=tuple(dts),
        durations=tuple(d for _, _, d, _ in times),
        start=start,
        has_hidden_start=min(pts) < start,
        time_base=time_base,
        duration=(end - start) * time_base,
    )


_PacketTimes = tuple[int | None, int | None, int, bool]  # pts, dts, duration, is hidden


def _joined_times(packets: Iterator[Packet], frame: int) -> list[_PacketTimes]:
    """The times of packets, with parts that start again at an earlier time moved to the end.

    Such parts are separate recordings in one file. They start with a keyframe.
    """
    times: list[_PacketTimes] = []
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


def _packets(source: InputContainer, stream: VideoStream) -> Iterator[Packet]:
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


def _encode_again(
    path: Path, temporary: Path, audio: Float32[np.ndarray, "channels samples"]
) -> None:
    """Write the frames upright, at the video's frame rate, with `audio`."""
    with open_media(path) as source:
        stream = video_stream(source)
        assert stream is not None
        fps = min(max(frame_rate(stream), _MIN_FPS), _MAX_FPS)
    frames = stream_frames(path, frames_per_s=float(fps), short_side=_LARGEST_SIDE)
    encode_video(temporary, (frame for _, frame in frames), fps, audio)


def _copy(
    video_path: Path,
    clock: _Clock,
    temporary: Path,
    kind: Container,
    audio: Float32[np.ndarray, "channels samples"],
    out_path: Path,
) -> None:
    """Copy the video packets and interleave the encoded audio."""
    with open_media(video_path) as source:
        stream = video_stream(source)
        assert stream is not None
        options = dict(kind.options) | _metadata_options(source, kind)
        with av.open(str(temporary), "w", format=kind.format, options=options) as output:
            try:
                video, needs_fourcc = _add_copied_track(output, kind, stream)
                track = add_audio_track(output, kind, len(audio))
                output.metadata.update(source.metadata)
                output.set_chapters(_chapters(source, clock))
                output.start_encoding()
            except (ValueError, av.FFmpegError) as error:
                raise _cannot_hold(out_path, stream) from error
            _interleave(source, stream, clock, output, video, audio_packets(track, audio))
        if needs_fourcc:
            fourcc.write_fourcc(temporary, stream)


def _interleave(
    source: InputContainer,
    stream: VideoStream,
    clock: _Clock,
    output: OutputContainer,
    video: VideoStream,
    audio: Iterator[Packet],
) -> None:
    """Write the packets of both tracks in the order of their times."""
    pending = next(audio, None)
    times = zip(clock.pts, clock.dts, clock.durations, strict=True)
    for packet, (pts, dts, duration) in zip(_packets(source, stream), times, strict=True):
        # Interleave in time: the muxer buffers packets of a stream that is ahead.
        while pending is not None and (pending.dts or 0) * pending.time_base <= (
            (dts - clock.start) * clock.time_base
        ):
            output.mux(pending)
            pending = next(audio, None)
        packet.pts, packet.dts, packet.duration = pts - clock.start, dts - clock.start, duration
        packet.stream = video
        output.mux(packet)
    while pending is not None:
        output.mux(pending)
        pending = next(audio, None)


def _add_copied_track(
    output: OutputContainer, kind: Container, stream: VideoStream
) -> tuple[VideoStream, bool]:
    """Add a track for copied packets.

    Returns:
        The track, and whether it needs `fourcc.write_fourcc`.

    Raises:
        ValueError: The container does not support the codec.
    """
    needs_fourcc = False
    try:
        video = output.add_stream_from_template(stream, opaque=True)
    except ValueError:
        if kind.format != "matroska":
            raise
        video, needs_fourcc = fourcc.add_fourcc_track(output, stream), True
    video.time_base = stream.time_base
    tags = {key: value for key, value in stream.metadata.items() if key not in _MUXER_TAGS}
    if kind.format == "mov" and "language" in tags:
        tags["language"] = _QUICKTIME_LANGUAGES.get(tags["language"], tags["language"])
    video.metadata.update(tags)
    return video, needs_fourcc


def _metadata_options(source: InputContainer, kind: Container) -> dict[str, str]:
    """Muxer options that keep the metadata: by default, MP4 keeps only a few standard keys."""
    options = _fourcc_options(kind)
    if kind.can_hide_frames and any(key.startswith("com.") for key in source.metadata):
        options["movflags"] = f"{dict(kind.options)['movflags']}+use_metadata_tags"
    return options


def _fourcc_options(kind: Container) -> dict[str, str]:
    return dict(fourcc.OPTIONS) if kind.format == "matroska" else {}


def _chapters(source: InputContainer, clock: _Clock) -> list[Any]:
    """The chapters (dicts), moved like the video by the time of its first frame."""
    start = clock.start * clock.time_base
    chapters = source.chapters()
    for chapter in chapters:
        shift = round(start / (chapter["time_base"] or clock.time_base))
        chapter["start"] = max(0, chapter["start"] - shift)
        chapter["end"] = max(chapter["start"], chapter["end"] - shift)
    return chapters


def _can_hold(kind: Container, stream: VideoStream) -> bool:
    """Whether a container supports the codec of a stream, tried in memory."""
    try:
        with av.open(
            io.BytesIO(), "w", format=kind.format, options=_fourcc_options(kind)
        ) as output:
            _add_copied_track(output, kind, stream)
            output.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def _cannot_hold(out_path: Path, stream: VideoStream) -> MediaError:
    """The error for a codec that a container does not support, with the suffixes that do."""
    codec = stream.codec_context.codec.canonical_name
    # Which pixel formats of raw video a container supports shows only when the file is complete.
    others = sorted(
        suffix
        for suffix, kind in CONTAINERS.items()
        if suffix not in (out_path.suffix.lower(), ".m4v")  # as .mp4
        and codec != "rawvideo"
        and _can_hold(kind, stream)
    )
    advice = f"choose {' or '.join(others)}, or use --reencode" if others else "use --reencode"
    return MediaError(f"{out_path}: {out_path.suffix} does not support {codec} video; {advice}")
