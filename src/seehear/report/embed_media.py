"""Embed media in a page: as data URLs, as smaller copies, or as links."""

import base64
import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from jaxtyping import UInt8
from torch import Tensor

from seehear.media import probe, read_audio, read_image, read_video, write_audio, write_video
from seehear.media.drawing import pil_image, shrink
from seehear.media.kinds import Kind
from seehear.media.opening import audio_stream, open_media, video_stream

OUTPUT_BYTES, INPUT_BYTES = 1_500_000, 600_000  # embedding limit per file
PREVIEW_FPS, PREVIEW_SIDE, PREVIEW_CRF = 12.5, 240, 30  # pixels of the shorter side
PREVIEW_RATE = 16_000  # sample rate of an audio copy
MAX_PREVIEW_S = 60.0  # longer clips are linked
IMAGE_SIDE = 720  # shorter side of an image copy, in pixels

# Media types that browsers play. Other files are embedded as a copy.
_TYPES: dict[str, str] = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm",
    ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".oga": "audio/ogg",
    ".opus": "audio/ogg", ".mp3": "audio/mpeg", ".m4a": "audio/mp4",
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
    ".gif": "image/gif",
}  # fmt: skip
_CODECS = frozenset({"h264", "vp8", "vp9", "av1", "dav1d"})
_AUDIO_CODECS = frozenset({"aac", "mp3", "mp3float", "opus", "vorbis", "flac"})
_PIXELS = frozenset({"yuv420p", "yuvj420p"})


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A media file in a page."""

    name: str
    kind: Kind
    address: str  # "data:..." or relative to the page
    link: str  # to the original file, relative to the page
    note: str = ""  # how the page content differs from the file


def embedded(path: Path, folder: Path, limit_bytes: int) -> Embedded:
    """Embed a file unchanged if possible, else as a smaller copy, else as a link.

    Args:
        path: An image, video or audio file.
        folder: Folder of the page; links are relative to it.
        limit_bytes: Maximum embedded size before base64.

    Raises:
        MediaError: The file is not media, or damaged.
    """
    if (unchanged := embedded_unchanged(path, folder, limit_bytes)) is not None:
        return unchanged
    header = probe(path)
    reason = "is too large" if _type_in_browsers(path) else "has a format that browsers do not play"
    if header.kind == "image" or (header.duration_s or 0.0) <= MAX_PREVIEW_S:
        data, media_type, description = _COPIES[header.kind](path)
        if len(data) <= limit_bytes:
            note = f"{path.name} {reason}. The page contains a copy: {description}."
            return _as_data(path, folder, data, media_type, note)
    note = f"{path.name} {reason}. The page links to the file instead of embedding it."
    return replace(linked(path, folder), note=note)


def embedded_unchanged(path: Path, folder: Path, limit_bytes: int) -> Embedded | None:
    """Embed a file as a data URL; None if it is too large or browsers do not play it.

    Raises:
        MediaError: The file is not an image, video or audio.
    """
    media_type = _type_in_browsers(path)
    if not media_type or path.stat().st_size > limit_bytes:
        return None
    return _as_data(path, folder, path.read_bytes(), media_type)


def linked(path: Path, folder: Path) -> Embedded:
    """Link to a file relative to the page.

    Raises:
        MediaError: The file is not an image, video or audio.
    """
    link = relative_link(path, folder)
    return Embedded(name=path.name, kind=probe(path).kind, address=link, link=link)


def _as_data(path: Path, folder: Path, data: bytes, media_type: str, note: str = "") -> Embedded:
    kind = probe(path).kind
    return Embedded(
        name=path.name,
        # `probe` reports an animated GIF as a video, but pages show it as an image.
        kind="image" if media_type.startswith("image/") else kind,
        address=data_address(data, media_type),
        link=relative_link(path, folder),
        note=note,
    )


def data_address(data: bytes, media_type: str) -> str:
    """Encode bytes as a data URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def relative_link(path: Path, folder: Path) -> str:
    """Percent-encoded URL of a file relative to a folder."""
    try:
        return quote(Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix())
    except ValueError:  # on another drive
        return path.absolute().as_uri()


def jpeg_address(pixels: UInt8[Tensor, "3 height width"], quality: int = 80) -> str:
    """Encode an image as a JPEG data URL."""
    return data_address(_jpeg(pixels, quality), "image/jpeg")


def png_address(pixels: UInt8[Tensor, "3 height width"]) -> str:
    """Encode an image with few colours as a PNG data URL."""
    file = io.BytesIO()
    pil_image(pixels).save(file, "PNG", optimize=True)
    return data_address(file.getvalue(), "image/png")


def _jpeg(pixels: UInt8[Tensor, "3 height width"], quality: int) -> bytes:
    file = io.BytesIO()
    pil_image(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _type_in_browsers(path: Path) -> str:
    """The media type of a file that browsers play, else "".

    Videos need a common codec with 8-bit 4:2:0 pixels, and a common audio codec.
    """
    media_type = _TYPES.get(path.suffix.lower(), "")
    if not media_type.startswith("video/"):
        return media_type
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            return media_type
        codec = stream.codec_context
        audio = audio_stream(container)
        is_playable = (
            codec.name.removeprefix("lib") in _CODECS
            and codec.pix_fmt in _PIXELS
            and (audio is None or audio.codec_context.name.removeprefix("lib") in _AUDIO_CODECS)
        )
        return media_type if is_playable else ""


_Copy = tuple[bytes, str, str]  # content, media type, description


def _image_copy(path: Path) -> _Copy:
    pixels = shrink(read_image(path).pixels, IMAGE_SIDE)
    height, width = pixels.shape[1:]
    return _jpeg(pixels, 85), "image/jpeg", f"{width} by {height} pixels, JPEG"


def _video_copy(path: Path) -> _Copy:
    video = read_video(
        path, frames_per_s=PREVIEW_FPS, short_side=PREVIEW_SIDE, max_duration_s=2 * MAX_PREVIEW_S
    )
    audio = read_audio(path, 48_000) if video.has_audio else None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.mp4"
        write_video(
            copy, video.frames, PREVIEW_FPS, None if audio is None else audio.waveform,
            48_000, crf=PREVIEW_CRF,
        )  # fmt: skip
        data = copy.read_bytes()
    height, width = video.frames.shape[2:]
    return data, "video/mp4", f"{width} by {height} pixels, {PREVIEW_FPS:g} fps, mono"


def _audio_copy(path: Path) -> _Copy:
    audio = read_audio(path, PREVIEW_RATE, max_duration_s=2 * MAX_PREVIEW_S)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.ogg"
        write_audio(copy, audio.waveform, PREVIEW_RATE)
        data = copy.read_bytes()
    return data, "audio/ogg", f"mono at {PREVIEW_RATE // 1000} kHz, Ogg Vorbis"


_COPIES: dict[Kind, Callable[[Path], _Copy]] = {
    "image": _image_copy,
    "video": _video_copy,
    "audio": _audio_copy,
}
