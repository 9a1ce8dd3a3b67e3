"""Clips, and clip lists in CSV that can be published with results."""

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from seehear.errors import MediaError, SettingsError
from seehear.media import probe, replacing

FIELDS = ("id", "path", "audio", "label", "caption", "start_s", "duration_s")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A real clip: media files and metadata."""

    id: str  # generated clips are named after the id or the file
    path: Path  # video with audio, image, or audio
    audio: Path | None = None  # separate audio file
    label: str | None = None  # class in the data set
    caption: str | None = None
    start_s: float | None = None  # start in the files; None: 0
    duration_s: float | None = None  # None: until the end

    @property
    def audio_file(self) -> Path:
        """The file with the audio."""
        return self.audio or self.path


def stable_hash(seed: int, *words: str) -> int:
    """Platform-independent hash of a seed and words, in [0, 2^64)."""
    text = "\0".join((str(seed), *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def sample(clips: Iterable[Clip], count: int, seed: int = 0) -> list[Clip]:
    """Draw `count` random clips, or all if there are fewer, sorted by id.

    The sample depends only on the seed and the ids, not on the order of the clips. Adding or
    removing a clip changes at most one element, so incomplete copies of a data set give nearly the
    same sample.

    Raises:
        SettingsError: `count` is not positive.
    """
    if count < 1:
        raise SettingsError(f"expected to sample at least 1 clip, got {count}")
    chosen = sorted(clips, key=lambda clip: (stable_hash(seed, clip.id), clip.id))[:count]
    return sorted(chosen, key=lambda clip: clip.id)


def random_segments(
    clips: Iterable[Clip], count: int, duration_s: float, seed: int = 0
) -> list[Clip]:
    """Draw `count` random segments of `duration_s`, equally many from every clip.

    Used to compare models of short clips with longer real clips. The id of a segment is
    `<id>_part<k>`.

    Args:
        clips: Whole clips.
        count: Number of segments. More segments than clips gives several per clip.
        duration_s: Duration of every segment.
        seed: Random seed of the start times.

    Raises:
        MediaError: No clips, or a clip that cannot be read or is shorter than a segment.
    """
    whole = sorted(clips, key=lambda clip: (stable_hash(seed, clip.id), clip.id))
    if not whole:
        raise MediaError("expected clips to draw segments from, got none")
    found = []
    for k in range(count):
        turn, clip = k // len(whole), whole[k % len(whole)]
        length = clip.duration_s or probe(clip.path).duration_s
        if length is None or length < duration_s:
            known = "no duration in its header" if length is None else f"{length:g} s"
            raise MediaError(f"{clip.path}: expected at least {duration_s:g} s, got {known}")
        share = stable_hash(seed, clip.id, str(turn)) / 2**64
        start_s = round((clip.start_s or 0.0) + share * (length - duration_s), 3)
        name = f"{clip.id}_part{turn}"
        found.append(replace(clip, id=name, start_s=start_s, duration_s=duration_s))
    return sorted(found, key=lambda clip: clip.id)


def write_list(clips: Iterable[Clip], path: Path) -> int:
    """Write clips as CSV with relative file paths, and return their number.

    Raises:
        MediaError: The folder is missing, or a write error.
    """
    count = 0
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for clip in clips:
            row = {name: getattr(clip, name) for name in FIELDS}
            for name in ("path", "audio"):
                if row[name] is not None:
                    row[name] = Path(os.path.relpath(row[name], path.parent)).as_posix()
            writer.writerow(row)
            count += 1
    return count


def read_list(path: Path) -> Iterator[Clip]:
    """Read a list of `write_list` line by line. Relative paths start at the folder of the list.

    Raises:
        MediaError: Not such a list, a line without id or path, or a duplicate id.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = {"id", "path"} - set(reader.fieldnames or ())
            if missing:
                raise MediaError(
                    f"{path}: expected a list of clips with the columns {', '.join(FIELDS)}, "
                    f"but {' and '.join(sorted(missing))} are missing"
                )
            known: set[str] = set()
            for row in reader:
                clip = _clip_of(row, path, reader.line_num)
                if clip.id in known:
                    raise MediaError(f"{path}, line {reader.line_num}: duplicate id {clip.id}")
                known.add(clip.id)
                yield clip
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{path}: expected a CSV list of clips ({error})") from error


def _clip_of(row: dict[str, str | None], path: Path, line: int) -> Clip:
    """A clip from a row; empty fields become None."""
    id, file = row["id"], row["path"]
    audio = row.get("audio") or row.get("sound")  # "sound" in lists of version 0.1.0
    if not id or not file:
        raise MediaError(f"{path}, line {line}: expected an id and a path, got {id!r}, {file!r}")
    try:
        start_s, duration_s = (
            float(text) if (text := row.get(name)) else None for name in ("start_s", "duration_s")
        )
    except ValueError as error:
        raise MediaError(f"{path}, line {line}: expected seconds ({error})") from error
    if (start_s or 0) < 0 or (duration_s is not None and not duration_s > 0):
        raise MediaError(
            f"{path}, line {line}: expected start_s >= 0 and duration_s > 0, got "
            f"{start_s} and {duration_s}"
        )
    return Clip(
        id=id,
        path=path.parent / file,
        audio=path.parent / audio if audio else None,
        label=row.get("label") or None,
        caption=row.get("caption") or None,
        start_s=start_s,
        duration_s=duration_s,
    )
