"""Opens media files safely and says in plain words why one cannot be used."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from seehear.errors import MediaError
from seehear.media.folders import existing_file

logger = logging.getLogger("seehear.media")

# Demuxers that turn text into pictures, or that open other files and addresses named inside.
_REFUSED_FORMATS = {"tty", "hls", "dash", "concat", "sdp", "rtsp", "ffmetadata", "imf"}


@contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a video or sound file for reading.

    Raises:
        MediaError: the file is missing, a folder, empty, unreadable or not video or sound.
    """
    path = existing_file(path)
    try:
        # An absolute path, since FFmpeg would read "a:b.mp4" as a protocol named "a".
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        raise MediaError(
            f"{path}: expected a video or sound file, but its content is not one or is cut short "
            f"before its index ({error}); export it again, for example as .mp4 or .wav"
        ) from error
    with container:
        if container.format.name in _REFUSED_FORMATS:
            raise MediaError(
                f"{path}: expected a video or sound file, got {container.format.long_name}"
            )
        yield container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The moving picture of a file; None if it has none. Cover art does not count.

    A picture of an unknown codec counts, with `codec_context` None: a file that cannot be decoded
    is another thing to say than one without a picture.
    """
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context is None or stream.width:
            return stream
    return None


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first sound track of a file that can be decoded; None if it has none."""
    for stream in container.streams.audio:
        # A track whose codec is unknown has no codec context.
        if stream.codec_context is not None and stream.codec_context.sample_rate:
            return stream
    return None


def check_decoder(path: str | Path, stream: VideoStream) -> None:
    """Raise MediaError if nothing here can decode a picture."""
    if stream.codec_context is None or stream.codec_context.codec is None:
        raise MediaError(f"{path}: no decoder for its picture; convert it to H.264 in .mp4")


def seconds(ticks: int | None, time_base: Fraction | None) -> Fraction | None:
    """Ticks of a clock as exact seconds; None where the file does not say."""
    return None if ticks is None or time_base is None else ticks * time_base


def declared_duration(
    container: InputContainer, stream: VideoStream | AudioStream
) -> Fraction | None:
    """The length in seconds that the header promises, or None."""
    if stream.duration:
        return seconds(stream.duration, stream.time_base)
    return Fraction(container.duration, av.time_base) if container.duration else None


def check_duration(
    path: str | Path, duration_s: float | Fraction | None, max_duration_s: float
) -> None:
    """Raise MediaError if a file is longer than the limit, as far as its length is known."""
    if duration_s is not None and duration_s > max_duration_s:
        raise MediaError(
            f"{path}: expected at most {max_duration_s:g} s, got {float(duration_s):.1f} s; "
            "cut the file or raise the limit (max_duration_s)"
        )
