"""Job lists: read a CSV file, a JSON Lines file or a folder of clips, one `Entry` per output."""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from seehear.batch.ledger import ListedJob
from seehear.errors import SettingsError
from seehear.pipeline.request import Request
from seehear.pipeline.task import TASKS, TaskName


def _column_types() -> dict[str, type]:
    """Columns of a job list and their types: the fields of `Request` except `source`."""
    columns: dict[str, type] = {"id": str, "input": str, "output": str, "task": str}
    for name, hint in get_type_hints(Request).items():
        kinds = [kind for kind in get_args(hint) or (hint,) if isinstance(kind, type)]
        if name not in (*columns, "source"):
            columns[name] = next(kind for kind in kinds if kind is not NoneType)
    return columns


_COLUMNS = _column_types()
# Ledgers, and lists of version 0.1.0, use the old names.
_OLD_NAMES = {"audio_prompt": "sound_prompt", "video_prompt": "picture_prompt"}
_NEW_NAMES = {old: new for new, old in _OLD_NAMES.items()}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One job of a list: its id, its request and its output file."""

    id: str
    request: Request
    output: str  # file name in the output folder

    def to_json_line(self) -> str:
        """The job as one line of JSON; equal jobs give equal lines."""
        request = asdict(self.request) | {
            "source": self.request.source and str(self.request.source)
        }
        request = {_OLD_NAMES.get(name, name): value for name, value in request.items()}
        if request["lufs"] is None:  # as in ledgers of version 0.1.0
            del request["lufs"]
        return json.dumps({"id": self.id, "output": self.output, "order": request}, sort_keys=True)

    def listed(self) -> ListedJob:
        """The job as the ledger stores it."""
        return ListedJob(self.id, self.to_json_line(), self.output)

    @classmethod
    def from_json_line(cls, line: str) -> "Entry":
        """The inverse of `to_json_line`."""
        record = json.loads(line)
        request = {_NEW_NAMES.get(name, name): value for name, value in record["order"].items()}
        request["source"] = request["source"] and Path(request["source"])
        return cls(id=record["id"], output=record["output"], request=Request(**request))


def seed_of(base: int, job_id: str) -> int:
    """Seed of a job, independent of the order of the list and the number of workers."""
    digest = hashlib.sha256(f"{base}:{job_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def entries_of(path: Path, common: Request, suffix: str | None = None) -> list[Entry]:
    """Read a list of jobs.

    Args:
        path: A .csv file with a header, a .jsonl file with one object per line (columns:
            `_COLUMNS`; paths are relative to the list), or a folder of input files.
        common: Values for empty cells. Jobs without a seed derive theirs from its seed.
        suffix: Default suffix of the outputs, with the dot; None: the task's.

    Raises:
        SettingsError: Not a job list, an unknown column, an invalid value or a duplicate id.
    """
    if path.is_dir():
        rows: Iterable[tuple[str, Mapping[str, Any]]] = _rows_of_folder(path, common.task)
    elif not path.is_file():
        raise SettingsError(f"{path}: expected a job list or a folder, found neither")
    elif path.suffix.lower() == ".csv":
        rows = _rows_of_csv(path)
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        rows = _rows_of_jsonl(path)
    else:
        raise SettingsError(f"{path}: expected a .csv file, a .jsonl file or a folder of clips")
    folder = path if path.is_dir() else path.parent
    entries = [_entry(where, row, folder, common, suffix) for where, row in rows]
    if not entries:
        raise SettingsError(f"{path}: expected at least one job, found none")
    _check_names(entries)
    return entries


def _rows_of_folder(folder: Path, task: TaskName) -> Iterator[tuple[str, dict[str, Any]]]:
    if not TASKS[task].reads_file:
        raise SettingsError(f"{folder}: joint reads no files; pass a list of prompts")
    for path in sorted(folder.iterdir()):
        is_input = path.suffix.lower() in TASKS[task].reads and not path.name.startswith(".")
        if is_input and path.is_file():
            yield str(path), {"input": path.name}


def _rows_of_csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row:
                    raise SettingsError(f"{where}: expected one cell per column, got more")
                # An empty cell keeps the common value.
                yield where, {key: cell for key, cell in row.items() if cell}
        except (csv.Error, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: expected a CSV file in UTF-8; {error}") from error


def _rows_of_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise SettingsError(f"{where}: expected a JSON object; {error}") from error
            if not isinstance(row, dict):
                raise SettingsError(f"{where}: expected a JSON object, got {line.strip():.60}")
            yield where, {key: value for key, value in row.items() if value is not None}


def _entry(
    where: str, row: Mapping[str, Any], folder: Path, common: Request, suffix: str | None
) -> Entry:
    row = {_NEW_NAMES.get(name, name): cell for name, cell in row.items()}
    values = {name: _value(where, name, cell) for name, cell in row.items()}
    task = values.get("task", common.task)
    if task not in TASKS:
        raise SettingsError(f"{where}: expected one of the tasks {', '.join(TASKS)}, got {task!r}")
    named = {f.name for f in fields(Request)} & values.keys()
    request = replace(common, **{name: values[name] for name in named})
    if "input" in values:
        request = replace(request, source=(folder / values["input"]).absolute())
    task = TASKS[request.task]
    if task.reads_file and request.source is None:
        raise SettingsError(f"{where}: {request.task} needs an input file; set the column input")
    if not task.reads_file and request.prompt is None:
        raise SettingsError(f"{where}: joint needs a prompt; set the column prompt")
    output = values.get("output", "")
    name = values.get("id") or Path(output).stem or (request.source.stem if request.source else "")
    if not name:
        raise SettingsError(f"{where}: expected an id, an output or an input, got none")
    output = output or name + (suffix or task.suffix_for(request.source))
    if Path(output).name != output or output.startswith("."):
        raise SettingsError(f"{where}: expected a plain file name as output, got {output!r}")
    if Path(output).suffix.lower() not in task.writes:
        raise SettingsError(
            f"{where}: {request.task} writes {', '.join(task.writes)}, got {output!r}"
        )
    if request.upscale is not None and request.upscale < 1:
        raise SettingsError(f"{where}: expected upscale of at least 1, got {request.upscale}")
    if "seed" not in values:
        request = replace(request, seed=seed_of(common.seed, name))
    request.preset_settings()  # refuse an unknown preset before the batch starts
    return Entry(id=name, request=request, output=output)


def _value(where: str, name: str, cell: Any) -> Any:
    kind = _COLUMNS.get(name)
    if kind is None:
        raise SettingsError(
            f"{where}: unknown column {name!r}; expected one of {', '.join(_COLUMNS)}"
        )
    try:
        if kind is bool:
            return cell if isinstance(cell, bool) else _BOOLEANS[str(cell).lower()]
        if kind is str and not isinstance(cell, str):
            raise ValueError
        return kind(cell)
    except (KeyError, TypeError, ValueError):
        raise SettingsError(
            f"{where}: expected {name} of type {kind.__name__}, got {cell!r}"
        ) from None


def _check_names(entries: Iterable[Entry]) -> None:
    ids: set[str] = set()
    files: dict[str, str] = {}
    for entry in entries:
        if entry.id in ids:
            raise SettingsError(f"two jobs have the id {entry.id}; set different ids")
        ids.add(entry.id)
        # The manifest shares the stem of the media, so stems must differ, not only file names.
        stem = Path(entry.output).stem.casefold()
        other = files.setdefault(stem, entry.id)
        if other != entry.id:
            raise SettingsError(
                f"the jobs {other} and {entry.id} would both write {Path(entry.output).stem}.json; "
                "set different outputs"
            )
