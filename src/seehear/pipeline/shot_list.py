"""Lists of shots: parts of a video that get audio of their own, in a CSV file to edit."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from seehear.errors import SettingsError
from seehear.media.suffixes import is_media_name
from seehear.pipeline.texts import check_text, read_text

AUTO = "auto"  # instead of a list: find the cuts
COLUMNS = ("from", "to", "prompt", "veto")
MIN_SHOT_S = 0.25  # the binder reads four frames a second
MAX_SHOTS, MAX_BYTES = 1000, 1_000_000
MAX_CHARACTERS = 100_000  # of a prompt or a veto
_TIME = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,4}):)?(\d{1,6}(?:\.\d{0,9})?)")


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A part of a video that gets audio of its own."""

    start_s: float
    end_s: float
    prompt: str | None = None  # None: that of the whole video, or written by the captioner
    veto: str | Path | None = None  # text or a file; None: that of the whole video

    def __post_init__(self):
        if not (self.start_s >= 0 and self.end_s - self.start_s >= MIN_SHOT_S - 1e-9):
            raise SettingsError(
                f"expected a shot of at least {MIN_SHOT_S} s that starts at 0 or later, got "
                f"{self.start_s:g} to {self.end_s:g} s"
            )
        for text in (self.prompt or "", str(self.veto or "")):
            check_text(text)
            if len(text) > MAX_CHARACTERS:
                raise SettingsError(
                    f"expected at most {MAX_CHARACTERS} characters for a shot, got {len(text)}"
                )


ShotList = str | Path | Sequence[Shot]  # "auto", the path of a list, or the shots


def checked(shots: Sequence[Shot], duration_s: float, where: str) -> tuple[Shot, ...]:
    """Shots with ends inside the video, in ascending order; errors as `shots_of`."""
    if not shots:
        raise SettingsError(f"{where}: expected at least one shot, got none")
    if len(shots) > MAX_SHOTS:
        raise SettingsError(f"{where}: expected at most {MAX_SHOTS} shots, got {len(shots)}")
    for before, after in pairwise(shots):
        if after.start_s < before.end_s - 1e-9:
            raise SettingsError(
                f"{where}: expected shots in ascending order that do not overlap, got "
                f"{before.start_s:g} to {before.end_s:g} s before {after.start_s:g} to "
                f"{after.end_s:g} s"
            )
    last = shots[-1]
    # Lists are written with milliseconds, and cuts end with the last frame.
    if last.end_s > duration_s + 0.05:
        raise SettingsError(
            f"{where}: expected shots inside the video of {duration_s:.3f} s, got one that ends "
            f"at {last.end_s:g} s"
        )
    return (*shots[:-1], replace(last, end_s=min(last.end_s, duration_s)))


def read_shots(path: str | Path) -> list[Shot]:
    """Read a list of shots: a CSV file with the columns from, to, prompt and veto.

    Times are seconds, or minutes and seconds as in 1:02.5. An empty prompt or veto is that of the
    whole video. A veto is text, or the name of a media file relative to the list's folder.

    Raises:
        SettingsError: The file cannot be read, is too large, or has another format.
    """
    rows = csv.DictReader(
        io.StringIO(read_text(path, "a list of shots", MAX_BYTES), newline=""), strict=True
    )
    shots: list[Shot] = []
    try:
        _check_columns(path, rows.fieldnames or ())
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            if len(shots) == MAX_SHOTS:
                raise SettingsError(f"{path}: expected at most {MAX_SHOTS} shots, got more")
            if None in row or None in row.values():
                raise SettingsError(
                    f"{where}: expected {len(rows.fieldnames or ())} cells, got another number; "
                    "quote cells with commas"
                )
            shots.append(_shot(where, row, Path(path).parent))
    except csv.Error as error:
        raise SettingsError(f"{path}: expected a CSV file, got another format; {error}") from error
    return shots


def _check_columns(path: str | Path, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    is_complete = {"from", "to"} <= set(names) and len(set(names)) == len(names)
    if unknown or not is_complete:
        raise SettingsError(
            f"{path}: expected the columns {', '.join(COLUMNS)} (the last two are optional), got "
            f"{', '.join(names)!r:.200}; correct the first line"
        )


def _shot(where: str, row: Mapping[str, str], folder: Path) -> Shot:
    start, end = (_seconds(where, name, row[name]) for name in ("from", "to"))
    prompt, veto = ((row.get(name) or "").strip() or None for name in ("prompt", "veto"))
    try:
        return Shot(
            start_s=start,
            end_s=end,
            prompt=prompt,
            veto=folder / veto if veto and is_media_name(veto) else veto,
        )
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error


def _seconds(where: str, column: str, cell: str) -> float:
    match = _TIME.fullmatch(cell.strip())
    if match is None:
        raise SettingsError(
            f"{where}: expected seconds or minutes:seconds in the column {column}, got {cell!r:.60}"
        )
    hours, minutes, seconds = match.groups()
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes or 0) + float(seconds)


def shots_text(shots: Sequence[Shot]) -> str:
    """Shots as the text of a list that `read_shots` reads."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for shot in shots:
        times = (f"{time:.3f}" for time in (shot.start_s, shot.end_s))
        writer.writerow([*times, shot.prompt or "", str(shot.veto or "")])
    return text.getvalue()
