"""File name suffixes: which files of a folder are read as what, and which can be written."""

from pathlib import Path

# Of files in a folder. A file that is named itself is read whatever its suffix is.
# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".ogv", ".flv", ".wmv", ".3gp", ".gif",
})
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic",
})
AUDIO_SUFFIXES = frozenset({
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".wma",
})
# fmt: on

# What `media.encode` and `media.write` can write; the first is the default.
VIDEO_OUTPUTS = (".m4v", ".mkv", ".mov", ".mp4", ".webm")
AUDIO_OUTPUTS = (
    ".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3", ".m4a", ".aac", ".opus",
)  # fmt: skip
IMAGE_OUTPUTS = (".png", ".jpg", ".jpeg", ".webp")

# Which of them can contain 24-bit PCM, and which have a sample rate other than 48 kHz.
PCM_OUTPUTS = (".mov", ".mkv", ".wav", ".flac", ".aif", ".aiff")
RATED_OUTPUTS = (".wav", ".flac", ".ogg", ".aif", ".aiff")


def is_media_name(text: str) -> bool:
    """Whether text ends in the suffix of a media file."""
    return Path(text).suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES | AUDIO_SUFFIXES
