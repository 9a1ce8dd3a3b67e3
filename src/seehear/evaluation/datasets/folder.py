"""A folder of clips: videos, or sounds and pictures that share a name; captions beside them."""

from collections.abc import Iterator
from pathlib import Path

from seehear.errors import MediaError
from seehear.evaluation.datasets.clip import Clip
from seehear.media.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES

MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES | IMAGE_SUFFIXES


def clips(folder: Path) -> Iterator[Clip]:
    """The clips of a folder, by name.

    `a.mp4` is a clip by itself. With `a.wav` beside it, that is its sound; `a.png` and `a.wav` are
    a picture and its sound; `a.wav` alone is a sound. `a.txt` holds a caption. A picture beside a
    video of the same name is taken for its preview and left out.

    Raises:
        MediaError: The folder is missing or without media, or two files want to be the same.
    """
    for stem, files in grouped(folder).items():
        video, sound, picture = (
            _only(folder, stem, files, suffixes)
            for suffixes in (VIDEO_SUFFIXES, AUDIO_SUFFIXES, IMAGE_SUFFIXES - VIDEO_SUFFIXES)
        )
        shown = video or picture
        path = shown or sound
        assert path is not None
        caption = folder / f"{stem}.txt"
        yield Clip(
            id=stem,
            path=path,
            sound=sound if shown else None,
            caption=_text(caption) if caption.is_file() else None,
        )


def grouped(folder: Path) -> dict[str, list[Path]]:
    """The media files of a folder by their names without suffix, both sorted; hidden ones left out.

    Raises:
        MediaError: The folder is missing or holds no media.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of clips, there is none")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in MEDIA_SUFFIXES and path.name[0] != "." and path.is_file():
            found.setdefault(path.stem, []).append(path)
    if not found:
        raise MediaError(f"{folder}: expected clips (.mp4, .wav, .png, ...), found none")
    return dict(sorted(found.items()))


def _only(folder: Path, stem: str, files: list[Path], suffixes: frozenset[str]) -> Path | None:
    fitting = [path for path in files if path.suffix.lower() in suffixes]
    if len(fitting) > 1:
        names = " and ".join(path.name for path in fitting)
        raise MediaError(f"{folder}: {names} would both be clip {stem}; remove one")
    return fitting[0] if fitting else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path}: expected a caption in UTF-8; {error}") from error
