"""Mux new audio with an existing video stream, which is copied without re-encoding."""

import io
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Float, Float32
from torch import Tensor

from seehear.errors import MediaError
from seehear.media import fourcc
from seehear.media.copy_check import check_copy, check_first_frame
from seehear.media.encode import (
    AUDIO_RATE,
    CONTAINERS,
    Container,
    add_audio_track,
    audio_packets,
    container_for,
    pad_or_trim,
    peak_gain,
    resample_for_track,
)
from seehear.media.folders import reason_of
from seehear.media.frames import frame_rate, stream_frames
from seehear.media.isolated import isolatable
from seehear.media.mixing import container_of, in_stereo, mix_parts
from seehear.media.opening import (
    audio_stream,
    check_decoder,
    decoding,
    exact,
    open_media,
    seconds,
    video_stream,
)
from seehear.media.packet_times import PacketTimes, packets_of, read_packet_times
from seehear.media.read import read_audio
from seehear.media.track import Track, stem_paths
from seehear.media.write import encode_video, replacing, write_stem

logger = logging.getLogger("seehear.media")
# Tags of a video track that the muxer writes itself.
_MUXER_TAGS = {"DURATION", "ENCODER", "encoder", "BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES"}
# QuickTime knows one of the two ISO 639-2 codes of these languages.
_QUICKTIME_LANGUAGES = {
    "fre": "fra", "deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice",
    "zho": "chi", "cze": "ces", "rum": "ron",
}  # fmt: skip
# Frame rates of a video that is encoded again, and the shorter side of its frames (4K).
_MIN_FPS, _MAX_FPS, _LARGEST_SIDE = Fraction(1), Fraction(120), 2160


@isolatable
def mux_audio(
    video_path: str | Path,
    waveform: Float[Tensor, "channels samples"],
    sample_rate: int,
    out_path: str | Path,
    *,
    track: Track = Track(),  # noqa: B008 - frozen
    max_dbfs: float = -1.0,
    reencode: bool = False,
) -> None:
    """Write a video with the same video stream and new audio.

    Video packets and the rotation flag are copied without re-encoding. The first frame moves to
    time 0. The audio starts at time 0 and is trimmed or padded with silence to the exact duration
    of the video. Title, chapters, the tags of the video track and, in a mix, the language of the
    audio are kept; other audio tracks, subtitles and data are dropped. The file appears
    only when it is complete and the first and the last packets of both tracks decode.

    Args:
        video_path: Any video with a codec that the container of `out_path` supports.
        waveform: Mono or stereo audio in [-1, 1].
        sample_rate: Sample rate of `waveform`. The track is written at 48 kHz.
        out_path: .mp4, .mov, .m4v (AAC), .mkv or .webm (Opus). An existing file is replaced.
            With `track.has_stems`, the parts of the track are written beside it, see `stem_paths`:
            32-bit float .wav files whose sum is the track before it is encoded.
        track: Whether the existing audio is replaced or mixed with the new audio, levels, channels
            and codec. Without existing audio, both write the new audio alone, with its gain.
        max_dbfs: The track is attenuated until its peak after decoding is at most this.
        reencode: Encode the frames again (H.264, or VP9 in .webm) at a constant frame rate, for
            codecs that the container does not support. Frames above 4K are scaled down.

    Raises:
        MediaError: the video cannot be read, has no video track or no timestamps, the container
            does not support its codec, or `out_path` is `video_path`, is in a missing folder or
            has another suffix.
        ValueError: not mono or stereo, or a sample is NaN or infinite.
    """
    video_path, out_path = Path(video_path), Path(out_path)
    kind = container_of(out_path, track)
    if out_path.exists() and video_path.exists() and out_path.samefile(video_path):
        raise MediaError(f"{out_path}: is the input itself; choose another name for the output")
    clock = read_packet_times(video_path)
    if clock.has_hidden_start and not kind.can_hide_frames:
        raise MediaError(
            f"{out_path}: the start of {video_path.name} is hidden by an edit list, which "
            f"{out_path.suffix} does not support; choose .mp4 or .mov"
        )
    stems = [resample_for_track(waveform.detach().cpu().float().numpy(), sample_rate)]
    language = None
    if track.keep == "mix":
        stems = _mix_parts(video_path, stems[0], track)
        language = _audio_language(video_path)
    if track.is_stereo:
        stems = [in_stereo(stem) for stem in stems]
    stems = [pad_or_trim(stem, round(clock.duration * AUDIO_RATE)) for stem in stems]
    mix = np.sum(stems, axis=0)
    gain = np.float32(peak_gain(mix, kind, max_dbfs))
    _warn_of_lost_alpha(video_path, out_path, reencode)
    with ExitStack() as stack:
        for stem, path in zip(stems, stem_paths(out_path, track), strict=track.has_stems):
            write_stem(stack.enter_context(replacing(path)), gain * stem, AUDIO_RATE)
        temporary = stack.enter_context(replacing(out_path))
        if reencode:
            _encode_again(video_path, temporary, gain * mix, kind)
            return
        _copy(video_path, clock, temporary, kind, gain * mix, out_path, language)
        check_copy(video_path, temporary, out_path)


@isolatable
def check_container(video_path: str | Path, out_path: str | Path) -> None:
    """Raise MediaError if the container of `out_path` does not support a video's codec.

    This is a check before the audio is generated. A container can accept raw video of a pixel
    format that it does not describe, so a first frame of raw video is copied to a temporary file.
    """
    video_path, out_path = Path(video_path), Path(out_path)
    kind = container_for(out_path)
    with open_media(video_path) as source, decoding(video_path):
        stream = video_stream(source)
        if stream is None:
            return  # another error, which names the reason, follows
        check_decoder(video_path, stream)
        if (error := _refusal(kind, stream)) is not None:
            raise _cannot_hold(out_path, stream, error)
        is_raw = stream.codec_context.codec.canonical_name == "rawvideo"
    if is_raw:
        with TemporaryDirectory(prefix="seehear-") as folder:
            written = Path(folder) / f"first_frame{out_path.suffix}"
            _copy_first_frame(video_path, written, kind)
            check_first_frame(video_path, written, out_path)


def _copy_first_frame(video_path: Path, written: Path, kind: Container) -> None:
    """Write a file with the first video packet alone."""
    with open_media(video_path) as source:
        stream = video_stream(source)
        assert stream is not None
        options = dict(kind.options) | _fourcc_options(kind)
        with av.open(str(written), "w", format=kind.format, options=options) as output:
            video, needs_fourcc = _add_copied_track(output, kind, stream)
            packet = next(packets_of(source, stream), None)
            if packet is not None:
                packet.stream, packet.pts, packet.dts = video, 0, 0
                output.mux(packet)
        if needs_fourcc:
            fourcc.write_fourcc(written, stream)


def _mix_parts(
    path: Path, audio: Float32[np.ndarray, "channels samples"], track: Track
) -> list[Float32[np.ndarray, "new_channels new_samples"]]:
    """The new audio and that of the file, to be added, at 48 kHz; stereo if either is."""
    with open_media(path) as source:
        has_audio = audio_stream(source) is not None
    old = read_audio(path, AUDIO_RATE, mono=False).waveform.numpy() if has_audio else 0 * audio
    old, new = mix_parts(old, audio, track)
    return [new, old]


def _encode_again(
    path: Path,
    temporary: Path,
    audio: Float32[np.ndarray, "channels samples"],
    kind: Container,
) -> None:
    """Write the frames upright, at the video's frame rate, with `audio`."""
    with open_media(path) as source:
        stream = video_stream(source)
        assert stream is not None
        fps = min(max(frame_rate(stream), _MIN_FPS), _MAX_FPS)
    frames = stream_frames(path, frames_per_s=float(fps), short_side=_LARGEST_SIDE)
    encode_video(temporary, (frame for _, frame in frames), fps, audio, kind=kind)


def _copy(
    video_path: Path,
    clock: PacketTimes,
    temporary: Path,
    kind: Container,
    audio: Float32[np.ndarray, "channels samples"],
    out_path: Path,
    language: str | None,
) -> None:
    """Copy the video packets and interleave the encoded audio."""
    with open_media(video_path) as source:
        stream = video_stream(source)
        assert stream is not None
        options = dict(kind.options) | _metadata_options(source, kind)
        with av.open(str(temporary), "w", format=kind.format, options=options) as output:
            try:
                video, needs_fourcc = _add_copied_track(output, kind, stream)
                audio_track = add_audio_track(output, kind, len(audio))
                if language is not None:
                    audio_track.metadata["language"] = _language_in(kind, language)
                output.metadata.update(source.metadata)
                output.set_chapters(_chapters(source, clock))
                output.start_encoding()
            except (ValueError, av.FFmpegError) as error:
                raise _cannot_hold(out_path, stream, error) from error
            _interleave(source, stream, clock, output, video, audio_packets(audio_track, audio))
        if needs_fourcc:
            fourcc.write_fourcc(temporary, stream)


def _interleave(
    source: InputContainer,
    stream: VideoStream,
    clock: PacketTimes,
    output: OutputContainer,
    video: VideoStream,
    audio: Iterator[Packet],
) -> None:
    """Write the packets of both tracks in the order of their times."""
    pending = next(audio, None)
    times = zip(clock.pts, clock.dts, clock.durations, strict=True)
    for packet, (pts, dts, duration) in zip(packets_of(source, stream), times, strict=True):
        # Interleave in time: the muxer buffers packets of a stream that is ahead.
        now_s = (dts - clock.start) * clock.time_base
        while pending is not None and (seconds(pending.dts, pending.time_base) or 0) <= now_s:
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
    if "language" in tags:
        tags["language"] = _language_in(kind, tags["language"])
    video.metadata.update(tags)
    return video, needs_fourcc


def _audio_language(path: Path) -> str | None:
    with open_media(path) as source:
        stream = audio_stream(source)
        return None if stream is None else stream.metadata.get("language")


def _language_in(kind: Container, language: str) -> str:
    """The code of a language that a container knows."""
    return _QUICKTIME_LANGUAGES.get(language, language) if kind.format == "mov" else language


def _metadata_options(source: InputContainer, kind: Container) -> dict[str, str]:
    """Muxer options that keep the metadata: by default, MP4 keeps only a few standard keys."""
    options = _fourcc_options(kind)
    if kind.can_hide_frames and any(key.startswith("com.") for key in source.metadata):
        options["movflags"] = f"{dict(kind.options)['movflags']}+use_metadata_tags"
    return options


def _fourcc_options(kind: Container) -> dict[str, str]:
    return dict(fourcc.OPTIONS) if kind.format == "matroska" else {}


def _chapters(source: InputContainer, clock: PacketTimes) -> list[Any]:
    """The chapters (dicts), moved like the video by the time of its first frame."""
    start = clock.start * clock.time_base
    chapters = source.chapters()
    for chapter in chapters:
        shift = round(start / (exact(chapter["time_base"]) or clock.time_base))
        chapter["start"] = max(0, chapter["start"] - shift)
        chapter["end"] = max(chapter["start"], chapter["end"] - shift)
    return chapters


def _refusal(kind: Container, stream: VideoStream) -> Exception | None:
    """Why a container does not support a stream, tried in memory; None if it does."""
    try:
        with av.open(
            io.BytesIO(), "w", format=kind.format, options=_fourcc_options(kind)
        ) as output:
            _add_copied_track(output, kind, stream)
            output.start_encoding()
    except (ValueError, av.FFmpegError) as error:
        return error
    return None


def _cannot_hold(out_path: Path, stream: VideoStream, error: Exception) -> MediaError:
    """The error for a track that a container refuses, with the suffixes of those that do not."""
    codec, suffix = stream.codec_context.codec.canonical_name, out_path.suffix
    if isinstance(error, av.FFmpegError) and not isinstance(error, av.error.ArgumentError):
        return MediaError(
            f"{out_path}: the header of the {codec} video could not be written to {suffix} "
            f"({reason_of(error)}); check the space, export the video again, or use --reencode"
        )
    # Which pixel formats of raw video a container supports shows only when the file is complete.
    others = sorted(
        other
        for other, kind in CONTAINERS.items()
        if other not in (suffix.lower(), ".m4v")  # as .mp4
        and codec != "rawvideo"
        and _refusal(kind, stream) is None
    )
    advice = f"choose {' or '.join(others)}, or use --reencode" if others else "use --reencode"
    return MediaError(f"{out_path}: {suffix} does not support {codec} video; {advice}")


def _warn_of_lost_alpha(video_path: Path, out_path: Path, is_reencoded: bool) -> None:
    """Log that transparency is lost, where the output cannot have it."""
    with open_media(video_path) as source:
        stream = video_stream(source)
        assert stream is not None
        has_layer = stream.metadata.get("alpha_mode") == "1"  # VP8 and VP9 in Matroska
        pixels = stream.codec_context.format
        is_transparent = has_layer or (
            pixels is not None and any(part.is_alpha for part in pixels.components)
        )
    keeps_layer = container_for(out_path).format in ("matroska", "webm")
    if (is_reencoded and is_transparent) or (has_layer and not keeps_layer):
        advice = "drop --reencode" if keeps_layer else "choose .mkv or .webm without --reencode"
        logger.warning(
            "%s: the transparency of %s is lost; to keep it, %s",
            out_path,
            video_path.name,
            advice,
        )
