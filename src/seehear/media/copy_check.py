"""Check a muxed file before it gets its name: both ends must decode, the start as in the source."""

from pathlib import Path
from typing import Literal

import numpy as np
from av.container import InputContainer
from jaxtyping import UInt8

from seehear.errors import MediaError
from seehear.media.opening import (
    audio_stream,
    decodable_frames,
    decoding,
    open_media,
    video_stream,
)


def check_copy(source: Path, written: Path, name: Path) -> None:
    """Compare the first frame of a copied video with its source, and decode the end of each track.

    A container can accept packets that it describes wrongly, such as raw video of a pixel format
    that it does not know.

    Args:
        source: The file that the video was copied from.
        written: The complete file, still under its temporary name.
        name: The final name, for the message.

    Raises:
        MediaError: the written file cannot be played as the source can.
    """
    check_first_frame(source, written, name)
    if _decodes_at_end(source, "video") and not _decodes_at_end(written, "video"):
        raise MediaError(f"{name}: the last frames cannot be decoded; use --reencode")
    if not _decodes_at_end(written, "audio"):
        raise MediaError(f"{name}: the end of the audio cannot be decoded; use another suffix")


def check_first_frame(source: Path, written: Path, name: Path) -> None:
    """Compare the first frame of a copy with that of its source; see `check_copy`."""
    expected, got = _first_picture(source), _first_picture(written)
    if expected is not None and (got is None or not np.array_equal(expected, got)):
        raise MediaError(
            f"{name}: {name.suffix} does not keep this video as it is: its first frame "
            f"{'cannot be decoded' if got is None else 'changes'}; use --reencode"
        )


def _first_picture(path: Path) -> UInt8[np.ndarray, "64 64 3"] | None:
    """The first frame, scaled down, because two large frames would double the memory."""
    with open_media(path) as container, decoding(path):
        stream = video_stream(container)
        if stream is None:
            return None
        for frame in decodable_frames(container, stream, is_logged=False):
            return frame.reformat(64, 64, "rgb24", interpolation="AREA").to_ndarray()
        return None


def _decodes_at_end(path: Path, kind: Literal["video", "audio"]) -> bool:
    """Whether at least one frame from the last keyframe on can be decoded."""
    with open_media(path) as container, decoding(path):
        stream = video_stream(container) if kind == "video" else audio_stream(container)
        if stream is None:
            return False
        _seek_to_end(container)
        return any(True for _ in decodable_frames(container, stream, is_logged=False))


def _seek_to_end(container: InputContainer) -> None:
    """Go to the last keyframe. A file without an index is decoded from where it is."""
    try:
        container.seek(max(0, (container.duration or 0) - 1))
    except (OSError, ValueError):
        return
