"""A clip, and lists of clips that can be written down, published and read again."""

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from seehear.errors import MediaError, SettingsError
from seehear.media import probe, replacing

FIELDS = ("id", "path", "sound", "label", "caption", "start_s", "duration_s")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A real clip: what is seen and heard, and what is known of it."""

    id: str  # made clips are named after it, or after the file
    path: Path  # the video, with its sound; or a picture; or a sound alone
    sound: Path | None = None  # where the sound is a file of its own
    label: str | None = None  # of the data set
    caption: str | None = None
    start_s: float | None = None  # where in its files the clip begins; None: at their start
    duration_s: float | None = None  # None: to their end

    @property
    def heard(self) -> Path:
        """The file that holds the sound."""
        return self.sound or self.path


def stable_hash(seed: int, *words: str) -> int:
    """A number in [0, 2^64) for a seed and words: the same on every machine, in any order."""
    text = "\0".join((str(seed), *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def sample(clips: Iterable[Clip], count: int, seed: int = 0) -> list[Clip]:
    """`count` clips at random, or all if there are fewer, by id.

    Which ones depends on the seed and the ids alone, not on the order of the clips. A clip more or
    less changes one place: who lacks some files of a data set has nearly the same sample.

    Raises:
        SettingsError: A count that is not positive.
    """
    if count < 1:
        raise SettingsError(f"expected to sample at least 1 clip, got {count}")
    chosen = sorted(clips, key=lambda clip: (stable_hash(seed, clip.id), clip.id))[:count]
    return sorted(chosen, key=lambda clip: clip.id)


def random_segments(
    clips: Iterable[Clip], count: int, duration_s: float, seed: int = 0
) -> list[Clip]:
    """`count` stretches of `duration_s` at random places, from every clip as often as from others.

    For models of short clips that are compared with parts of longer ones. A part is called
    `<id>_part<k>`.

    Args:
        clips: Whole clips.
        count: How many parts; more than there are clips gives several of each.
        duration_s: Of every part.
        seed: Of the places.

    Raises:
        MediaError: No clip, or one that is shorter than a part or cannot be read.
    """
    whole = sorted(clips, key=lambda clip: (stable_hash(seed, clip.id), clip.id))
    if not whole:
        raise MediaError("expected clips to take parts of, got none")
    found = []
    for k in range(count):
        turn, clip = k // len(whole), whole[k % len(whole)]
        length = clip.duration_s or probe(clip.path).duration_s
        if length is None or length < duration_s:
            known = "a length that its header does not tell" if length is None else f"{length:g} s"
            raise MediaError(f"{clip.path}: expected at least {duration_s:g} s, got {known}")
        share = stable_hash(seed, clip.id, str(turn)) / 2**64
        start_s = round((clip.start_s or 0.0) + share * (length - duration_s), 3)
        name = f"{clip.id}_part{turn}"
        found.append(replace(clip, id=name, start_s=start_s, duration_s=duration_s))
    return sorted(found, key=lambda clip: clip.id)


def write_list(clips: Iterable[Clip], path: Path) -> int:
    """Write clips as CSV, their files relative to it; returns how many.

    Raises:
        MediaError: The folder is missing or the disk refuses.
    """
    count = 0
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for clip in clips:
            row = {name: getattr(clip, name) for name in FIELDS}
            for name in ("path", "sound"):
                if row[name] is not None:
                    row[name] = Path(os.path.relpath(row[name], path.parent)).as_posix()
            writer.writerow(row)
            count += 1
    return count


def read_list(path: Path) -> Iterator[Clip]:
    """Read a list that `write_list` wrote, line by line; relative files are found from its folder.

    Raises:
        MediaError: It is no such list, a line lacks its id or file, or an id comes twice.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = {"id", "path"} - set(reader.fieldnames or ())
            if missing:
                raise MediaError(
                    f"{path}: expected a list of clips with the columns {', '.join(FIELDS)}; "
                    f"{' and '.join(sorted(missing))} are missing"
                )
            known: set[str] = set()
            for row in reader:
                clip = _clip_of(row, path, reader.line_num)
                if clip.id in known:
                    raise MediaError(f"{path}, line {reader.line_num}: {clip.id} comes twice")
                known.add(clip.id)
                yield clip
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{path}: expected a list of clips in CSV; {error}") from error


def _clip_of(row: dict[str, str | None], path: Path, line: int) -> Clip:
    """A row, where empty fields are unknown."""
    id, file, sound = row["id"], row["path"], row.get("sound")
    if not id or not file:
        raise MediaError(f"{path}, line {line}: expected an id and a path, got {id!r}, {file!r}")
    try:
        start_s, duration_s = (
            float(text) if (text := row.get(name)) else None for name in ("start_s", "duration_s")
        )
    except ValueError as error:
        raise MediaError(f"{path}, line {line}: expected seconds; {error}") from error
    if (start_s or 0) < 0 or (duration_s is not None and not duration_s > 0):
        raise MediaError(
            f"{path}, line {line}: expected a start from 0 and a positive duration, got "
            f"{start_s} and {duration_s}"
        )
    return Clip(
        id=id,
        path=path.parent / file,
        sound=path.parent / sound if sound else None,
        label=row.get("label") or None,
        caption=row.get("caption") or None,
        start_s=start_s,
        duration_s=duration_s,
    )
