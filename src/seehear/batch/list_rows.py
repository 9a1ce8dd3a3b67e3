"""Read the rows of a job file in CSV or JSON Lines, with the types and ranges checked."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seehear.batch.list_schema import problem_in, value_of_cell, with_floats
from seehear.errors import SettingsError
from seehear.pipeline.texts import read_text

MAX_BYTES = 64_000_000
MAX_JOBS = 250_000
# Job files of version 0.1.0 use the old names.
NEW_NAMES = {"sound_prompt": "audio_prompt", "picture_prompt": "video_prompt"}

Row = tuple[str, dict[str, Any]]  # file and line, for messages; values by column


def rows_of_file(path: Path) -> Iterator[Row]:
    """The rows of a .csv or .jsonl file, checked by `list_schema`.

    Raises:
        SettingsError: The file is too large, not UTF-8, or of another format; it has too many
            rows; a column is unknown, a value is invalid.
    """
    read = {".csv": _rows_of_csv, ".jsonl": _rows_of_jsonl, ".ndjson": _rows_of_jsonl}
    suffix = path.suffix.lower()
    if suffix not in read:
        raise SettingsError(f"{path}: expected a .csv file, a .jsonl file or a folder of clips")
    for count, (where, row) in enumerate(
        read[suffix](path, read_text(path, "a job file", MAX_BYTES))
    ):
        if count == MAX_JOBS:
            raise SettingsError(
                f"{path}: expected at most {MAX_JOBS} jobs, got more; split the file"
            )
        values = {NEW_NAMES.get(name, name): value for name, value in row.items()}
        problem = problem_in(values)
        if problem is not None:
            raise SettingsError(f"{where}: {problem}")
        yield where, with_floats(values)


def _rows_of_csv(path: Path, text: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _refuse_doubled(f"{path}, line 1", list(reader.fieldnames or ()))
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row:
                raise SettingsError(
                    f"{where}: expected one cell per column, got more; quote cells with commas"
                )
            # An empty cell keeps the common value.
            yield where, {name: value_of_cell(name, cell) for name, cell in row.items() if cell}
    except csv.Error as error:
        raise SettingsError(f"{path}: expected a CSV file, got another format; {error}") from error


def _rows_of_jsonl(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{where}: expected a JSON object; {error}") from error
        if not isinstance(row, dict):
            raise SettingsError(f"{where}: expected a JSON object, got {line.strip()!r:.60}")
        _refuse_surrogates(where, row)
        yield where, {name: value for name, value in row.items() if value is not None}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_doubled("an object", [name for name, _ in pairs])
    return dict(pairs)


def _refuse_doubled(where: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise SettingsError(
                f"{where}: expected each column once, got {name!r:.60} {count} times"
            )


def _refuse_surrogates(where: str, row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        for text in (name, value):
            if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise SettingsError(
                    f"{where}: expected text in Unicode, got half of a surrogate pair: "
                    f"{text!r:.60}; correct it"
                )
