"""VGGSound: the table of YouTube clips and their files in a local folder.

Copies of the data set name the clip of video `ID` from 30 s to 40 s differently: `ID_000030`
(seconds), `ID_30000_40000` (milliseconds) or `ID#30#40`. All are found. The clip id is `ID_000030`.

Source: Chen et al. 2020, arXiv:2004.14368; the table is licensed CC BY 4.0.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.datasets.clip import Clip
from seehear.media.suffixes import AUDIO_SUFFIXES, VIDEO_SUFFIXES

LENGTH_S = 10  # duration of every clip
Split = Literal["train", "test"]


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    video: str  # YouTube id
    start_s: int  # in the YouTube video
    label: str
    split: Split

    @property
    def id(self) -> str:
        """The clip id."""
        return self.names[0]

    @property
    def names(self) -> tuple[str, str, str]:
        """Possible file names of the clip without suffix."""
        start, end = self.start_s, self.start_s + LENGTH_S
        return (
            f"{self.video}_{start:06d}",
            f"{self.video}_{1000 * start}_{1000 * end}",
            f"{self.video}#{start}#{end}",
        )


def rows(table: Path, split: str | None = None) -> Iterator[Row]:
    """The lines of the official `vggsound.csv`: id, start second, label, split; no header.

    Raises:
        MediaError: The table cannot be read, or a line has another form.
        SettingsError: Unknown split.
    """
    if split not in (None, "train", "test"):
        raise SettingsError(f"expected the split train or test, got {split!r}")
    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            for line in reader:
                row = _row(line, f"{table}, line {reader.line_num}")
                if split in (None, row.split):
                    yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MediaError(f"{table}: expected vggsound.csv ({error})") from error


def _row(line: list[str], where: str) -> Row:
    match line:
        case [video, start, label, "train" | "test" as split] if video and start.isdecimal():
            return Row(video, int(start), label, split)
    raise MediaError(
        f"{where}: expected a YouTube id, seconds, a label and train or test, got {line}"
    )


def clips(
    table: Path,
    folder: Path,
    split: str | None = None,
    on_missing: Callable[[Row], None] | None = None,
) -> Iterator[Clip]:
    """The clips of the table with files in a folder or its subfolders, in table order.

    Args:
        table: The official csv.
        folder: Videos with an audio track, or with an audio file of the same name.
        split: "train" or "test"; None: both.
        on_missing: Called with every row that has no file.

    Raises:
        MediaError: The table or the folder cannot be read.
        SettingsError: Unknown split.
    """
    videos, audio_files = (
        _files(folder, suffixes) for suffixes in (VIDEO_SUFFIXES, AUDIO_SUFFIXES)
    )
    for row in rows(table, split):
        path = _first(videos, row)
        if path is None:
            if on_missing is not None:
                on_missing(row)
            continue
        yield Clip(id=row.id, path=path, audio=_first(audio_files, row), label=row.label)


def _files(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """Files by name without suffix. For equal names, the first path in sorted order is used."""
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of videos, got no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes:
            found.setdefault(path.stem, path)
    return found


def _first(files: dict[str, Path], row: Row) -> Path | None:
    return next((files[name] for name in row.names if name in files), None)
