"""Puts a new sound to an existing picture without touching one byte of the picture."""

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
    SOUND_RATE,
    Container,
    add_sound,
    container_for,
    fitted,
    sound_for_tracks,
    sound_packets,
    turned_down,
)
from seehear.media.opening import check_decoder, open_media, picture_stream, sound_stream
from seehear.media.read import mono_or_stereo, read_audio
from seehear.media.write import replacing


def mux_sound(
    video_path: str | Path,
    waveform: Float[Tensor, "channels samples"],
    sample_rate: int,
    out_path: str | Path,
    *,
    keep: Literal["replace", "mix"] = "replace",
    mix_gain_db: float = 0.0,
    max_dbfs: float = -1.0,
) -> None:
    """Write a video with the same picture and a new sound.

    The picture's packets are copied, not encoded again, with their rotation flag, and its first
    frame moves to time 0. The sound starts with it and is cut or padded with silence to the
    picture's exact duration. Title and chapters stay; other sound tracks, subtitles and data do
    not. The file appears only when complete.

    Args:
        video_path: Any video whose picture the container of `out_path` can hold.
        waveform: The sound, mono or stereo, in [-1, 1].
        sample_rate: Of the waveform; the track is written at 48 kHz.
        out_path: .mp4, .mov, .m4v (AAC), .mkv or .webm (Opus). Replaced if it exists.
        keep: "replace" the existing sound, or "mix" the new one with it (where there is none,
            the new one stands alone).
        mix_gain_db: How much louder the new sound goes into the mix.
        max_dbfs: The track is turned down until its peak after decoding is at most this.

    Raises:
        MediaError: the video cannot be read, has no picture or no timestamps, the container
            cannot hold its codec, or `out_path` is `video_path`, in a missing folder or of
            another suffix.
        ValueError: neither mono nor stereo, or a sample is not a finite number.
    """
    video_path, out_path = Path(video_path), Path(out_path)
    kind = container_for(out_path)
    if out_path.exists() and video_path.exists() and out_path.samefile(video_path):
        raise MediaError(f"{out_path}: is the input itself; choose another name for the output")
    clock = _picture_clock(video_path)
    if clock.has_hidden_start and not kind.can_hide_frames:
        raise MediaError(
            f"{out_path}: the start of {video_path.name} is hidden by an edit list, which "
            f"{out_path.suffix} has none of; choose .mp4 or .mov"
        )
    sound = sound_for_tracks(waveform.detach().cpu().float().numpy(), sample_rate)
    if keep == "mix":
        sound = _mixed(video_path, sound, 10 ** (mix_gain_db / 20))
    sound = turned_down(fitted(sound, round(clock.duration * SOUND_RATE)), kind, max_dbfs)
    with (
        replacing(out_path) as temporary,
        open_media(video_path) as source,
        av.open(str(temporary), "w", format=kind.format, options=dict(kind.options)) as output,
    ):
        _copy(source, clock, output, kind, sound, out_path)


@dataclass(frozen=True, kw_only=True)
class _Clock:
    """When the packets of a picture are shown and decoded, in ticks; packets in file order."""

    pts: tuple[int, ...]
    dts: tuple[int, ...]
    durations: tuple[int, ...]
    start: int
    has_hidden_start: bool  # frames before `start` are decoded, but an edit list hides them
    time_base: Fraction
    duration: Fraction  # seconds from the first frame on to the last frame off


def _picture_clock(path: Path) -> _Clock:
    """Read every packet's times, decoding nothing."""
    with open_media(path) as source:
        stream = picture_stream(source)
        if stream is None or stream.time_base is None:
            raise MediaError(f"{path}: has no picture to put the sound to; expected a video")
        check_decoder(path, stream)
        frame = 1 / (stream.average_rate or stream.guessed_rate or 25) / stream.time_base
        times = [
            (p.pts, p.dts, p.duration or round(frame), p.is_discard)
            for p in _packets(source, stream)
        ]
        time_base, can_reorder = stream.time_base, stream.codec_context.has_b_frames
    if not times:
        raise MediaError(f"{path}: has no picture data; the file is damaged or cut short")
    pts = [p for p, _, _, _ in times if p is not None]
    dts = [d for _, d, _, _ in times if d is not None]
    if len(pts) < len(times) and not can_reorder:
        # Without reordering, frames are shown as they are decoded, one after the other.
        pts = dts if len(dts) == len(times) else [k * round(frame) for k in range(len(times))]
    if len(pts) < len(times):
        raise MediaError(
            f"{path}: its packets carry no timestamps; convert it to .mp4 or .mkv first"
        )
    if len(dts) < len(times) or any(b <= a for a, b in itertools.pairwise(dts)):
        dts = _decode_times(pts)
    # Frames before an edit list's start are needed to decode but are never shown.
    shown = [(p, d) for p, (_, _, d, is_hidden) in zip(pts, times, strict=True) if not is_hidden]
    start = min((p for p, _ in shown), default=min(pts))
    end = max((p + d for p, d in shown), default=start)
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
    """Packets of one stream up to the end or to where the file is broken off."""
    try:
        yield from (packet for packet in source.demux(stream) if packet.size)
    except (av.error.InvalidDataError, av.error.EOFError):
        return


def _decode_times(pts: list[int]) -> list[int]:
    """Rising decode times for packets in decode order, each at or before its display time.

    Matroska stores display times only, and where frames are reordered FFmpeg leaves the first
    decode times out, which MP4 cannot do without.
    """
    order = sorted(pts)
    lead = max(o - p for o, p in zip(order, pts, strict=True))
    return [o - lead for o in order]


def _mixed(
    path: Path, sound: Float32[np.ndarray, "channels samples"], gain: float
) -> Float32[np.ndarray, "new_channels new_samples"]:
    """The file's own sound plus `gain` times the new one, at 48 kHz; stereo if either is."""
    with open_media(path) as source:
        if sound_stream(source) is None:
            return sound * np.float32(gain)
    old = mono_or_stereo(read_audio(path, SOUND_RATE, mono=False)).waveform.numpy()
    num_channels, length = max(len(old), len(sound)), max(old.shape[1], sound.shape[1])
    shape = (num_channels, length)
    return np.broadcast_to(fitted(old, length), shape) + np.float32(gain) * np.broadcast_to(
        fitted(sound, length), shape
    )


def _copy(
    source: InputContainer,
    clock: _Clock,
    output: OutputContainer,
    kind: Container,
    sound: Float32[np.ndarray, "channels samples"],
    out_path: Path,
) -> None:
    """Copy the picture's packets and encode the sound between them."""
    stream = picture_stream(source)
    assert stream is not None
    try:
        picture = output.add_stream_from_template(stream, opaque=True)
        picture.time_base = stream.time_base
        track = add_sound(output, kind, len(sound))
        output.metadata.update(source.metadata)
        output.set_chapters(source.chapters())
        output.start_encoding()
    except (ValueError, av.FFmpegError) as error:
        is_mkv = out_path.suffix.lower() == ".mkv"
        advice = "convert them to H.264 first" if is_mkv else "choose .mkv, which holds nearly all"
        raise MediaError(
            f"{out_path}: {out_path.suffix} cannot hold {stream.codec_context.name} pictures "
            f"({error}); {advice}"
        ) from error
    sounds = sound_packets(track, sound)
    pending = next(sounds, None)
    times = zip(clock.pts, clock.dts, clock.durations, strict=True)
    for packet, (pts, dts, duration) in zip(_packets(source, stream), times, strict=True):
        # Side by side in time, since the muxer keeps in memory what runs ahead.
        while pending is not None and (pending.dts or 0) * pending.time_base <= (
            (dts - clock.start) * clock.time_base
        ):
            output.mux(pending)
            pending = next(sounds, None)
        packet.pts, packet.dts, packet.duration = pts - clock.start, dts - clock.start, duration
        packet.stream = picture
        output.mux(packet)
    while pending is not None:
        output.mux(pending)
        pending = next(sounds, None)
