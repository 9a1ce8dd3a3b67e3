"""Which files belong together: the same name in both folders, whatever the system calls them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import MediaError

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".m4a", ".mp4", ".mov", ".mkv", ".webm"})
# What systems append to the name of the clip that they were given.
_APPENDED = re.compile(
    r"(_sample_\d+|_sample\d+|_gen|_generated|_audio|_0|-audio|_to_audio|_with_sound)$"
)


@dataclass(frozen=True)
class Pair:
    """A made clip and the real one that it answers."""

    id: str
    real: Path
    made: Path


@dataclass(frozen=True)
class Failure:
    """A clip that could not be scored, and why."""

    id: str
    reason: str


def pairs_of(real: Path, made: Path) -> tuple[list[Pair], list[Failure]]:
    """Match two folders by file name; several takes of one clip are all matched with it.

    Args:
        real: Folder of real media: `<id>.wav`, `<id>.mp4`, ...
        made: Folder of generated media, with the same names or names that systems derive from
            them, such as `<id>_sample_0.wav`.

    Returns:
        Pairs by id, and a failure for every file without a partner.

    Raises:
        MediaError: A folder is missing or holds no media.
    """
    known = {path.stem: path for path in _media(real)}
    pairs, failures, answered = [], [], set()
    for path in _media(made):
        name = path.stem if path.stem in known else _APPENDED.sub("", path.stem)
        if name not in known:
            failures.append(Failure(path.stem, f"{path}: there is no {name} in {real}"))
            continue
        answered.add(name)
        pairs.append(Pair(path.stem, known[name], path))
    failures += [
        Failure(name, f"{known[name]}: nothing was made for it in {made}")
        for name in sorted(known.keys() - answered)
    ]
    return pairs, failures


def _media(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of clips, there is none")
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    if not found:
        kinds = ", ".join(sorted(SUFFIXES))
        raise MediaError(f"{folder}: expected clips ({kinds}), found none")
    yield from found
