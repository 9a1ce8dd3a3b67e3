"""Read a job file (CSV or JSON Lines) or a folder of clips as one `Entry` per output."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from seehear.batch.ledger import FILE, ListedJob
from seehear.batch.list_rows import NEW_NAMES, Row, rows_of_file
from seehear.batch.list_schema import problem_in
from seehear.errors import SeehearError, SettingsError
from seehear.media.suffixes import is_media_name
from seehear.media.track import stem_paths
from seehear.pipeline.request import Request
from seehear.pipeline.shot_list import AUTO
from seehear.pipeline.task import TASKS, TaskName

_OLD_NAMES = {new: old for old, new in NEW_NAMES.items()}  # of ledgers
# Version 0.1.0 did not have these fields. A ledger without them goes on while they have defaults.
_NEW_FIELDS = (
    "lufs", "reencode", "negative", "veto", "like", "like_strength", "gain", "duck", "stereo",
    "pcm", "audio_rate", "from_s", "to_s", "shots", "stems",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One job: its id, its request and its output file."""

    id: str
    request: Request
    output: str  # file name in the output folder

    def to_json_line(self) -> str:
        """The job as one line of JSON; equal jobs give equal lines."""
        request = asdict(self.request) | {
            "source": self.request.source and str(self.request.source)
        }
        request = {_OLD_NAMES.get(name, name): value for name, value in request.items()}
        defaults = {field.name: field.default for field in fields(Request)}
        for name in _NEW_FIELDS:
            if request[name] == defaults[name]:
                del request[name]
        return json.dumps({"id": self.id, "output": self.output, "order": request}, sort_keys=True)

    def listed(self) -> ListedJob:
        """The job as the ledger stores it."""
        return ListedJob(self.id, self.to_json_line(), self.output)

    @classmethod
    def from_json_line(cls, line: str) -> "Entry":
        """The inverse of `to_json_line`.

        Raises:
            SettingsError: The line is no such job; ledgers may come from others.
        """
        try:
            record = json.loads(line)
            request = {NEW_NAMES.get(name, name): value for name, value in record["order"].items()}
            source = request.pop("source")
            values = {**request, "input": source, "id": record["id"], "output": record["output"]}
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"{FILE}: expected a job in JSON, got {line!r:.60}; it was damaged or edited"
            ) from error
        values = {name: value for name, value in values.items() if value is not None}
        problem = problem_in(values)
        if problem is None and not {"id", "output", "task"} <= values.keys():
            problem = "expected an id, an output and a task"
        if problem is not None:
            raise SettingsError(f"{FILE}: the job {line!r:.60} was damaged or edited: {problem}")
        # None has a meaning for `upscale`; elsewhere it is the default, or damage.
        request = {name: v for name, v in request.items() if v is not None or name == "upscale"}
        request["source"] = source and Path(source)
        return cls(id=record["id"], output=record["output"], request=Request(**request))


def seed_of(base: int, job_id: str) -> int:
    """Seed of a job, independent of the order of the list and the number of workers."""
    digest = hashlib.sha256(f"{base}:{job_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def entries_of(path: Path, common: Request, suffix: str | None = None) -> list[Entry]:
    """Read a job file or a folder of inputs.

    Args:
        path: A .csv file with a header, a .jsonl file with one object per line (columns:
            `list_schema.COLUMNS`; paths are relative to the file), or a folder of input files.
        common: Values for empty cells. Jobs without a seed derive theirs from its seed.
        suffix: Default suffix of the outputs, with the dot; None: the task's.

    Raises:
        SettingsError: Not a job file, an unknown column, an invalid value or a duplicate id.
    """
    if path.is_dir():
        rows = list(_rows_of_folder(path, common.task))
    elif path.is_file():
        rows = list(rows_of_file(path))
    else:
        raise SettingsError(f"{path}: expected a job file or a folder, found neither")
    if not rows:
        raise SettingsError(f"{path}: expected at least one job, found none")
    _refuse_repeated(rows)
    folder = path if path.is_dir() else path.parent
    names = _names(rows)
    # A resumed batch may start in another folder.
    common = replace(common, **_absolute(vars(common), Path()))
    entries = [
        _entry(where, row, name, folder, common, suffix)
        for (where, row), name in zip(rows, names, strict=True)
    ]
    _check_names(entries)
    return entries


def _absolute(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields that name other files in a folder, with absolute paths."""
    veto, shots = values.get("veto"), values.get("shots")
    paths = {
        "like": values.get("like"),
        "veto": veto if veto and is_media_name(veto) else None,
        "shots": None if shots == AUTO else shots,
    }
    return {name: str((folder / path).absolute()) for name, path in paths.items() if path}


def _rows_of_folder(folder: Path, task: TaskName) -> Iterator[Row]:
    if not TASKS[task].reads:
        raise SettingsError(f"{folder}: joint reads no files; pass a job file with prompts")
    for path in sorted(folder.iterdir()):
        is_input = path.suffix.lower() in TASKS[task].reads and not path.name.startswith(".")
        if is_input and path.is_file():
            yield str(path), {"input": path.name}


def _refuse_repeated(rows: Iterable[Row]) -> None:
    lines: dict[str, str] = {}
    for where, row in rows:
        other = lines.setdefault(json.dumps(row, sort_keys=True), where)
        if other != where:
            raise SettingsError(f"{where}: expected another job, got that of {other}; remove one")


def _names(rows: Sequence[Row]) -> list[str]:
    """The id of each row: as listed, or the stem of its output or input.

    Rows with the same input and their own seeds get the seed in their id, in any order of rows.
    """
    names = [_name(row) for _, row in rows]
    times = Counter(names)
    return [
        f"{name}_seed_{row['seed']}"
        if times[name] > 1 and "seed" in row and not row.keys() & {"id", "output"}
        else name
        for name, (_, row) in zip(names, rows, strict=True)
    ]


def _name(row: Mapping[str, Any]) -> str:
    if "id" in row:
        return row["id"]
    name = Path(row.get("output") or row.get("input") or "").stem
    # SQLite and manifests hold text in UTF-8.
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _entry(
    where: str,
    row: Mapping[str, Any],
    name: str,
    folder: Path,
    common: Request,
    suffix: str | None,
) -> Entry:
    named = row.get("task", common.task)
    if named not in TASKS:
        raise SettingsError(f"{where}: expected one of the tasks {', '.join(TASKS)}, got {named!r}")
    task = TASKS[named]
    settings = {f.name: row[f.name] for f in fields(Request) if f.name in row}
    if "input" in row:
        settings["source"] = (folder / row["input"]).absolute()
    settings |= _absolute(row, folder)
    request = replace(common, **settings)
    if task.reads_file and request.source is None:
        raise SettingsError(f"{where}: {named} needs an input file; set the column input")
    if task.input_kind == "text" and request.prompt is None:
        raise SettingsError(f"{where}: joint needs a prompt; set the column prompt")
    if not name:
        raise SettingsError(f"{where}: expected an id, an output or an input, got none")
    output = row.get("output") or name + (suffix or task.suffix_for(request.source))
    if problem := problem_in({"output": output}):
        raise SettingsError(f"{where}: {problem}")
    if Path(output).suffix.lower() not in task.writes:
        raise SettingsError(f"{where}: {named} writes {', '.join(task.writes)}, got {output!r}")
    if "seed" not in row:
        request = replace(request, seed=seed_of(common.seed, name))
    try:
        # Refuse them before the batch starts.
        request.check(Path(output).suffix)
        request.preset_settings()
    except SeehearError as error:
        raise SettingsError(f"{where}: {error}") from error
    return Entry(id=name, request=request, output=output)


def _check_names(entries: Iterable[Entry]) -> None:
    ids: set[str] = set()
    files: dict[str, str] = {}
    for entry in entries:
        if entry.id in ids:
            raise SettingsError(f"two jobs have the id {entry.id}; set different ids")
        ids.add(entry.id)
        # The manifest shares the stem of the media, so stems must differ, not only file names.
        manifest = Path(entry.output).with_suffix(".json")
        stems = stem_paths(Path(entry.output), entry.request.track)
        for path in (manifest, *(stem.with_suffix(".json") for stem in stems)):
            other = files.setdefault(path.name.casefold(), entry.id)
            if other != entry.id:
                raise SettingsError(
                    f"the jobs {other} and {entry.id} would both write {path.stem}; set different "
                    "outputs"
                )
