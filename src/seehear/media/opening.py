"""Open media files safely, with clear errors for files that cannot be used."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from seehear.errors import MediaError
from seehear.media.folders import existing_file, reason_of

logger = logging.getLogger("seehear.media")
MAX_BROKEN = 10_000  # damaged packets, after which the rest of a file is ignored
MAX_GAP_S = 60.0  # between two frames; a longer gap is a damaged timestamp
# Time to decode a file, in seconds: a fixed part, and a part for every second of decoded media.
DECODE_S, DECODE_S_PER_S = 30.0, 20.0

# Demuxers that render text as video, or that open other files and URLs named in the file.
_REFUSED_FORMATS = {"tty", "hls", "dash", "concat", "sdp", "rtsp", "ffmetadata", "imf"}

# Metadata that are not UTF-8 are no error. Since version 19, PyAV has no option for it.
_OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


@contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a video or audio file for reading.

    Raises:
        MediaError: the file is missing, a folder, empty, unreadable, or not video or audio.
    """
    path = existing_file(path)
    try:
        # Absolute path: FFmpeg would parse "a:b.mp4" as a URL with the protocol "a".
        container = av.open(str(path.absolute()), **_OPEN_OPTIONS)
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        raise MediaError(
            f"{path}: expected a video or audio file, but the content is neither or is truncated "
            f"before the index ({reason_of(error)}); export it again, for example as .mp4 or .wav"
        ) from error
    with container:
        if container.format.name in _REFUSED_FORMATS:
            raise MediaError(
                f"{path}: expected a video or audio file, got {container.format.long_name}"
            )
        yield container


@contextmanager
def decoding(path: str | Path) -> Iterator[None]:
    """Turn the errors of decoding, resampling and scaling damaged media into a MediaError."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(
            f"{path}: expected media that fit in the memory, but they do not; scale them down or "
            "cut them"
        ) from error
    except (av.FFmpegError, ValueError, IndexError, OverflowError) as error:
        raise MediaError(
            f"{path}: expected media that can be decoded, but decoding failed "
            f"({type(error).__name__}: {reason_of(error)}); export the file again"
        ) from error


def content_of(container: InputContainer) -> str:
    """What a file without a usable video track contains, for errors."""
    if is_still(container):
        return "an image that is damaged or of an unknown format; export it again"
    return "an audio file" if container.streams.audio else container.format.long_name


def is_still(container: InputContainer) -> bool:
    """Whether FFmpeg reads a file as a single image."""
    return container.format.name == "image2" or container.format.name.endswith("_pipe")


def check_gap(path: str | Path, gap_s: float | Fraction) -> None:
    """Raise MediaError if nothing is displayed or played for too long: a damaged timestamp."""
    if gap_s > MAX_GAP_S:
        raise MediaError(
            f"{path}: expected timestamps without gaps of more than {MAX_GAP_S:g} s, got a gap of "
            f"{float(gap_s):.1f} s; the file is damaged, export it again"
        )


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first video stream of a file, or None. Cover art does not count.

    A stream with an unknown codec counts (its `codec_context` is None), so that errors can tell
    "no decoder" from "no video".
    """
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context is None or stream.width:
            return stream
    return None


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The first audio stream that can be decoded, or None."""
    for stream in container.streams.audio:
        # A stream with an unknown codec has no codec context.
        if stream.codec_context is not None and stream.codec_context.sample_rate:
            return stream
    return None


def check_decoder(path: str | Path, stream: VideoStream) -> None:
    """Raise MediaError if FFmpeg has no decoder for a video stream."""
    if stream.codec_context is None or stream.codec_context.codec is None:
        raise MediaError(f"{path}: no decoder for the video track; convert it to H.264 in .mp4")


@runtime_checkable
class _Rational(Protocol):
    """Fractions of the standard library and, since PyAV 19, of PyAV."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


def exact(value: _Rational | None) -> Fraction | None:
    """A rate or a time base of PyAV as a fraction of the standard library; None if unknown."""
    return Fraction(value.numerator, value.denominator) if value else None


def seconds(ticks: int | None, time_base: _Rational | None) -> Fraction | None:
    """Convert ticks of a time base to exact seconds; None if either is unknown."""
    unit = exact(time_base)
    return None if ticks is None or unit is None else ticks * unit


def declared_duration(
    container: InputContainer, stream: VideoStream | AudioStream
) -> Fraction | None:
    """Duration in seconds according to the header, or None."""
    if stream.duration is not None and stream.duration > 0:  # damaged headers have negative ones
        return seconds(stream.duration, stream.time_base)
    duration = container.duration
    return Fraction(duration, av.time_base) if duration is not None and duration > 0 else None


def check_duration(
    path: str | Path, duration_s: float | Fraction | None, max_duration_s: float
) -> None:
    """Raise MediaError if a known duration exceeds the limit."""
    if duration_s is not None and duration_s > max_duration_s:
        raise MediaError(
            f"{path}: expected at most {max_duration_s:g} s, got {float(duration_s):.1f} s; "
            "cut the file or raise the limit (max_duration_s)"
        )


def decodable_frames(
    container: InputContainer, stream: VideoStream | AudioStream, *, is_logged: bool = True
) -> Iterator[Any]:
    """Frames of a stream. Damaged packets are skipped, as in players, and counted in the log.

    Args:
        container: The open file.
        stream: One of its streams.
        is_logged: False for a file that the user does not know.

    Raises:
        MediaError: Decoding takes much longer than the decoded media, as in a file that is made to
            keep a decoder busy.
    """
    num_broken, decoded_s, spent_s = 0, 0.0, 0.0
    packets = container.demux(stream)
    while num_broken < MAX_BROKEN:
        began = time.monotonic()
        frames: list[Any] = []
        try:
            packet = next(packets, None)
            if packet is None:
                break
            frames = packet.decode()
        # Damaged data can raise every subclass, and an unknown codec a plain ValueError.
        except (av.FFmpegError, ValueError):
            num_broken += 1
        spent_s += time.monotonic() - began
        decoded_s += sum(_length_s(frame) for frame in frames)
        if spent_s > DECODE_S + DECODE_S_PER_S * decoded_s:
            raise MediaError(
                f"{container.name}: expected a file that decodes in time, but {decoded_s:.1f} s of "
                f"it took {spent_s:.0f} s; export it again"
            )
        yield from frames
    if num_broken and is_logged:
        logger.warning("%s: skipped %d damaged packets", container.name, num_broken)


def _length_s(frame: Any) -> float:
    """Duration of a decoded frame; a video frame counts as 1/25 s."""
    return frame.samples / frame.sample_rate if hasattr(frame, "samples") else 0.04
