"""Check a ledger before anything uses it: ledgers may be damaged, or come from others.

Checks only read, so a file that is refused keeps its bytes.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from seehear.batch.list_schema import JobId, OutputName
from seehear.errors import SettingsError

WORK = ".work"  # subfolder of the output folder, with one folder per owner
ACTORS = "helpers of "  # prefix of the fact with the names of an owner's actors
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    spec TEXT NOT NULL,
    output TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    owner TEXT,
    until REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    seconds REAL,
    sha256 TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, number);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
MAX_LEASE_S = 86_400.0  # workers take leases of minutes
MAX_REASON = 100_000  # characters
_OWNER = re.compile(r".{1,255}:[0-9]{1,10}:[0-9]{1,12}\.[0-9]{1,6}", re.ASCII)


def is_owner(name: str) -> bool:
    """Whether text is the name of a process: host, process id and start time."""
    return _OWNER.fullmatch(name) is not None


def _of_an_owner(name: str) -> str:
    if not is_owner(name):
        raise ValueError("expected host:process:time")
    return name


def _of_a_lease(until: float) -> float:
    """Refuse a lease that ends in the far future: its job would never run."""
    if until > time.time() + MAX_LEASE_S:
        raise ValueError("expected a lease that ends within a day")
    return until


class _JobRow(BaseModel):
    """A row of the table of jobs."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    id: JobId
    number: int
    spec: Annotated[str, Field(max_length=1_000_000)]
    output: OutputName
    state: Literal["pending", "leased", "done", "failed"]
    owner: Annotated[str, AfterValidator(_of_an_owner)] | None
    until: Annotated[float, AfterValidator(_of_a_lease)] | None
    attempts: Annotated[int, Field(ge=0, le=10**6)]
    reason: Annotated[str, Field(max_length=MAX_REASON)] | None
    seconds: Annotated[float, Field(ge=0)] | None
    sha256: Annotated[str, Field(max_length=64)] | None


def check_ledger(path: Path) -> None:
    """Check the format and every value of a ledger.

    Raises:
        SettingsError: The file is empty, no ledger or damaged; a value has another type or range;
            or an output is outside the folder.
    """
    problem = _file_problem(path)
    if problem is None:
        db = sqlite3.connect(path, timeout=60.0, isolation_level=None)
        try:
            problem = _content_problem(db, path.parent)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            problem = f"SQLite finds it damaged: {error}"  # also in a message that is not UTF-8
        finally:
            db.close()
    if problem is not None:
        raise SettingsError(
            f"{path}: could not open it as a job database ({problem}); restore the file, or choose "
            "another folder"
        )


def _file_problem(path: Path) -> str | None:
    if not path.is_file():
        return "it is no file"
    return None if path.stat().st_size else "the file is empty"


def _content_problem(db: sqlite3.Connection, folder: Path) -> str | None:
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("BEGIN")  # one state for all checks, whatever other processes write
    if _tables(db) != _expected_tables():
        return "it has the tables of another application"
    ((state,), *_) = db.execute("PRAGMA integrity_check(1)")
    if state != "ok":
        return f"SQLite finds it damaged: {state:.100}"
    return (
        _rows_problem(db, _links_out_of(folder))
        or _facts_problem(db)
        or ("its subfolder .work is no folder in it" if _is_foreign(folder / WORK) else None)
    )


def _tables(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    found = db.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return {(str(kind), str(name), " ".join(str(sql).split())) for kind, name, sql in found}


def _expected_tables() -> set[tuple[str, str, str]]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(SCHEMA)
        return _tables(db)
    finally:
        db.close()


def _links_out_of(folder: Path) -> set[str]:
    """Names in the folder that are links to places outside it."""
    inside = folder.resolve()
    names = set()
    for path in folder.iterdir():
        if path.is_symlink() and not _is_inside(path, inside):
            names.add(path.name)
    return names


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _is_foreign(work: Path) -> bool:
    return work.is_symlink() or (work.exists() and not work.is_dir())


def _rows_problem(db: sqlite3.Connection, links: set[str]) -> str | None:
    names = tuple(_JobRow.model_fields)
    stems: dict[str, str] = {}
    for values in db.execute(f"SELECT {', '.join(names)} FROM jobs"):
        row = dict(zip(names, values, strict=True))
        problem = _type_problem(row) or _spec_problem(row)
        if problem is not None:
            return f"job {row['id']!r:.60}: {problem}"
        manifest = Path(row["output"]).with_suffix(".json")
        if links & {row["output"], manifest.name}:
            return f"job {row['id']!r:.60}: its output is a link to a place outside the folder"
        other = stems.setdefault(manifest.stem.casefold(), row["id"])
        if other != row["id"]:
            return f"the jobs {other!r:.60} and {row['id']!r:.60} have one output"
    return None


def _type_problem(row: Mapping[str, Any]) -> str | None:
    try:
        _JobRow.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        return f"{first['msg'][:100].lower()} as {name}, got {row[name]!r:.60}"
    return None


def _spec_problem(row: Mapping[str, Any]) -> str | None:
    try:
        spec = json.loads(row["spec"])
    except (ValueError, RecursionError):
        spec = None
    if not isinstance(spec, dict):
        return f"expected a spec in JSON, got {row['spec']!r:.60}"
    for name in ("id", "output"):
        if spec.get(name) != row[name]:
            return f"expected the {name} {row[name]!r:.60} in its spec, got {spec.get(name)!r:.60}"
    return None


def _facts_problem(db: sqlite3.Connection) -> str | None:
    for name, value in db.execute("SELECT name, value FROM facts"):
        if not isinstance(name, str) or not isinstance(value, str):
            return f"expected text as fact, got {value!r:.60} of {name!r:.60}"
        if name.startswith(ACTORS) and not _are_actors(name.removeprefix(ACTORS), value):
            return f"expected the actors of a process, got {name!r:.60}: {value!r:.60}"
    return None


def _are_actors(owner: str, value: str) -> bool:
    try:
        names: Iterable[Any] = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return is_owner(owner) and isinstance(names, list) and all(isinstance(n, str) for n in names)
