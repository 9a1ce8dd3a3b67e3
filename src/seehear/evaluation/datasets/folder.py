"""A folder of clips: videos, or audio and images of the same name, with optional captions."""

from collections.abc import Iterator
from pathlib import Path

from seehear.errors import MediaError
from seehear.evaluation.datasets.clip import Clip
from seehear.media.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES

MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES | IMAGE_SUFFIXES


def clips(folder: Path) -> Iterator[Clip]:
    """The clips of a folder, sorted by name.

    `a.mp4` alone is a clip. `a.wav` next to it replaces its audio. `a.png` and `a.wav` are an image
    with audio. `a.wav` alone is an audio clip. `a.txt` is the caption. An image with the name of a
    video is ignored as its preview.

    Raises:
        MediaError: The folder is missing or has no media, or two files have the same role.
    """
    for stem, files in grouped(folder).items():
        video, audio, image = (
            _only(folder, stem, files, suffixes)
            for suffixes in (VIDEO_SUFFIXES, AUDIO_SUFFIXES, IMAGE_SUFFIXES - VIDEO_SUFFIXES)
        )
        visual = video or image
        path = visual or audio
        assert path is not None
        caption = folder / f"{stem}.txt"
        yield Clip(
            id=stem,
            path=path,
            audio=audio if visual else None,
            caption=_text(caption) if caption.is_file() else None,
        )


def grouped(folder: Path) -> dict[str, list[Path]]:
    """The media files of a folder by name without suffix, both sorted. Hidden files are ignored.

    Raises:
        MediaError: The folder is missing or has no media.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of clips, got no such folder")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in MEDIA_SUFFIXES and path.name[0] != "." and path.is_file():
            files.setdefault(path.stem, []).append(path)
    if not files:
        raise MediaError(f"{folder}: expected clips (.mp4, .wav, .png, ...), got none")
    return dict(sorted(files.items()))


def _only(folder: Path, stem: str, files: list[Path], suffixes: frozenset[str]) -> Path | None:
    candidates = [path for path in files if path.suffix.lower() in suffixes]
    if len(candidates) > 1:
        names = " and ".join(path.name for path in candidates)
        raise MediaError(f"{folder}: {names} are both clip {stem}; remove one")
    return candidates[0] if candidates else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path}: expected a UTF-8 caption ({error})") from error
