"""The job database (ledger): an SQLite file with the state of every job, which survives crashes.

Every change is one transaction. Two workers that take a job at the same time get different jobs,
and a power cut leaves the state from before or after a change. The folder must be on a local disk,
because SQLite's locks may fail on network file systems.
"""

import errno
import json
import os
import secrets
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import psutil

from seehear.batch.ledger_check import ACTORS, SCHEMA, check_ledger, is_owner
from seehear.errors import SettingsError
from seehear.media import ensure_folder

State = Literal["pending", "leased", "done", "failed"]
STATES: tuple[State, ...] = ("pending", "leased", "done", "failed")
FILE = "ledger.sqlite"
LEASE_S = 120.0  # a lease expires unless its owner extends it
MAX_ATTEMPTS = 5  # a job that is released after so many leases has failed


@dataclass(frozen=True)
class ListedJob:
    """A job to add to the ledger."""

    id: str
    spec: str  # from `Entry.to_json_line`
    output: str  # file name


@dataclass(frozen=True)
class Row:
    """One job in the ledger."""

    id: str
    spec: str  # from `Entry.to_json_line`
    output: str
    state: State
    owner: str | None
    attempts: int
    reason: str | None
    seconds: float | None
    sha256: str | None


@dataclass(frozen=True)
class Counts:
    """Number of jobs in each state, and the run time of finished jobs."""

    pending: int
    leased: int
    done: int
    failed: int
    seconds: float  # sum over the jobs that are done
    missing: tuple[str, ...] = ()  # of `final_counts`: outputs of done jobs, not in the folder
    is_in_place: bool = True  # of `final_counts`: as `Ledger.is_in_place`

    @property
    def is_complete(self) -> bool:
        """Whether no job has failed, no output is missing, and nothing is left to do here."""
        return self.is_in_place and not (self.pending or self.failed or self.missing)

    @property
    def total(self) -> int:
        """All jobs."""
        return self.pending + self.leased + self.done + self.failed


_COLUMNS = "id, spec, output, state, owner, attempts, reason, seconds, sha256"


class Ledger:
    """One row per job; several processes of one machine can use it at once."""

    def __init__(self, folder: Path, *, is_new_allowed: bool = True):
        """Open the ledger of an output folder, or create it. `checked` also checks its content.

        Raises:
            SettingsError: The ledger does not exist and must not be created, or is invalid.
        """
        self.folder, self.path = folder, folder / FILE
        if not self.path.exists():
            if not is_new_allowed:
                raise SettingsError(
                    f"{folder}: expected the folder of a batch, got one without {FILE}"
                )
            ensure_folder(folder)
            with _errors_of(self.path):
                _create(self.path)
        with _errors_of(self.path):
            self._db = sqlite3.connect(self.path, timeout=60.0, isolation_level=None)
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                # A power cut may lose the last commits, so those jobs run again. The file stays
                # valid, and a killed process loses nothing.
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("SELECT state FROM jobs LIMIT 1")
            except sqlite3.Error:
                self._db.close()
                raise
            self._file = _identity(self.path)

    @classmethod
    def checked(cls, folder: Path, *, is_new_allowed: bool = True) -> "Ledger":
        """Open a ledger that may be damaged or come from others, or create one.

        Raises:
            SettingsError: As the constructor; a value of the ledger is invalid, or an output is
                outside the folder.
        """
        path = folder / FILE
        if path.exists() or path.is_symlink():
            check_ledger(path)
        return cls(folder, is_new_allowed=is_new_allowed)

    def is_in_place(self) -> bool:
        """Whether the folder still has the file; False if someone deleted or replaced it."""
        try:
            return _identity(self.path) == self._file
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, jobs: Iterable[ListedJob]) -> int:
        """Add jobs; known jobs keep their state.

        Returns:
            The number of new jobs.

        Raises:
            SettingsError: A job has a known id but other settings, or another job has that
                output.
        """
        added = 0
        with self._transaction():
            ((number,),) = self._execute("SELECT coalesce(max(number), -1) FROM jobs")
            known = dict(self._execute("SELECT id, spec FROM jobs"))
            outputs = dict(self._execute("SELECT output, id FROM jobs"))
            for job in jobs:
                if known.get(job.id) == job.spec:
                    continue
                if job.id in known:
                    raise SettingsError(
                        f"{self.folder}: job {job.id} exists with other settings; choose another "
                        "folder or the original options"
                    )
                if job.output in outputs:
                    raise SettingsError(
                        f"{self.folder}: {job.output} belongs to the job "
                        f"{outputs[job.output]}; choose another folder"
                    )
                number += 1
                added += 1
                self._execute(
                    "INSERT INTO jobs (id, number, spec, output) VALUES (?, ?, ?, ?)",
                    (job.id, number, job.spec, job.output),
                )
        return added

    def take(self, owner: str, lease_s: float = LEASE_S) -> Row | None:
        """Lease the first pending job, else one with an expired lease; None if there is none."""
        now = time.time()
        with self._transaction():
            found = self._execute(
                "SELECT id FROM jobs WHERE state = 'pending' ORDER BY number LIMIT 1"
            )
            if not found:
                found = self._execute(
                    "SELECT id FROM jobs WHERE state = 'leased' AND until < ? "
                    "ORDER BY number LIMIT 1",
                    (now,),
                )
            if not found:
                return None
            (row,) = self._execute(
                "UPDATE jobs SET state = 'leased', owner = ?, until = ?, attempts = attempts + 1 "
                f"WHERE id = ? RETURNING {_COLUMNS}",
                (owner, now + lease_s, found[0][0]),
            )
        return Row(*row)

    def extend(self, owner: str, lease_s: float = LEASE_S) -> None:
        """Extend all leases of `owner`."""
        self._execute(
            "UPDATE jobs SET until = ? WHERE state = 'leased' AND owner = ?",
            (time.time() + lease_s, owner),
        )

    def finish(self, job_id: str, owner: str, seconds: float, sha256: str | None) -> bool:
        """Mark a job as done; False if `owner` no longer has its lease."""
        changed = self._change(
            "UPDATE jobs SET state = 'done', owner = NULL, until = NULL, reason = NULL, "
            "seconds = ?, sha256 = ? WHERE id = ? AND state = 'leased' AND owner = ?",
            (seconds, sha256, job_id, owner),
        )
        return changed == 1

    def fail(self, job_id: str, owner: str, reason: str) -> bool:
        """Mark a job as failed, with the reason; False as in `finish`."""
        changed = self._change(
            "UPDATE jobs SET state = 'failed', owner = NULL, until = NULL, reason = ? "
            "WHERE id = ? AND state = 'leased' AND owner = ?",
            (_in_utf8(reason), job_id, owner),
        )
        return changed == 1

    def release(
        self, owner: str, reason: str = "its worker died", job_id: str | None = None
    ) -> int:
        """Set the leased jobs of an owner, or one of them, back to pending.

        A job with `MAX_ATTEMPTS` attempts becomes failed instead.

        Returns:
            The number of jobs.
        """
        return self._change(
            "UPDATE jobs SET owner = NULL, until = NULL, "
            "reason = CASE WHEN attempts >= :most THEN :reason || ', ' || attempts || ' times' END,"
            " state = CASE WHEN attempts >= :most THEN 'failed' ELSE 'pending' END "
            "WHERE state = 'leased' AND owner = :owner AND coalesce(:job_id, id) = id",
            {"most": MAX_ATTEMPTS, "reason": reason, "owner": owner, "job_id": job_id},
        )

    def give_back(self, owner: str) -> int:
        """Set the leased jobs of an owner back to pending as if it had not taken them.

        Returns:
            The number of jobs.
        """
        return self._change(
            "UPDATE jobs SET state = 'pending', owner = NULL, until = NULL, "
            "attempts = max(attempts - 1, 0) WHERE state = 'leased' AND owner = ?",
            (owner,),
        )

    def release_dead(self) -> list[str]:
        """Release the jobs of dead owners on this machine; returns these owners."""
        owners = self._execute(
            "SELECT DISTINCT owner FROM jobs WHERE state = 'leased' AND owner IS NOT NULL"
        )
        dead = [owner for (owner,) in owners if not is_alive(owner)]
        for owner in dead:
            self.release(owner)
        return dead

    def record_actors(self, owner: str, names: Sequence[str]) -> None:
        """Record an owner's detached actors so that the next coordinator can adopt them."""
        if names:
            self.fact(ACTORS + owner, json.dumps(list(names)))
        else:
            self._execute("DELETE FROM facts WHERE name = ?", (ACTORS + owner,))

    def adopt_actors(self, owner: str) -> list[str]:
        """Transfer the actors and leases of dead owners on this machine to `owner`.

        Only one caller adopts each actor. The jobs stay leased, now by `owner`.

        Returns:
            The names of the actors.
        """
        names: list[str] = []
        with self._transaction():
            recorded = self._execute(
                "SELECT name, value FROM facts WHERE substr(name, 1, ?) = ?",
                (len(ACTORS), ACTORS),
            )
            for name, value in recorded:
                dead = name.removeprefix(ACTORS)
                if is_alive(dead):
                    continue
                names += json.loads(value)
                self._execute("DELETE FROM facts WHERE name = ?", (name,))
                self._execute(
                    "UPDATE jobs SET owner = ?, until = ? WHERE state = 'leased' AND owner = ?",
                    (owner, time.time() + LEASE_S, dead),
                )
            if names:
                self.record_actors(owner, names)
        return names

    def retry(self) -> int:
        """Set failed jobs, and done jobs without output, back to pending; returns their number."""
        with self._transaction():
            for name in self.missing_outputs():
                self._execute("UPDATE jobs SET state = 'failed' WHERE output = ?", (name,))
            return self._change(
                "UPDATE jobs SET state = 'pending', attempts = 0, reason = NULL, seconds = NULL, "
                "sha256 = NULL WHERE state = 'failed'"
            )

    def missing_outputs(self) -> list[str]:
        """Outputs of done jobs that are not in the folder: someone deleted or moved them."""
        names = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        done = self._execute("SELECT output FROM jobs WHERE state = 'done' ORDER BY number")
        return [output for (output,) in done if output not in names]

    def counts(self) -> Counts:
        """Number of jobs in each state."""
        rows = dict(self._execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        ((seconds,),) = self._execute(
            "SELECT coalesce(sum(seconds), 0.0) FROM jobs WHERE state = 'done'"
        )
        return Counts(**{state: rows.get(state, 0) for state in STATES}, seconds=seconds)

    def final_counts(self) -> Counts:
        """The counts at the end of a run, with what the folder lacks."""
        missing = tuple(self.missing_outputs())
        return replace(self.counts(), missing=missing, is_in_place=self.is_in_place())

    def rows(self, state: State | None = None) -> Iterator[Row]:
        """All jobs, or the jobs in one state, in the order of the list."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        query = f"SELECT {_COLUMNS} FROM jobs {where} ORDER BY number"
        yield from (Row(*row) for row in self._execute(query, values))

    def copy_in(self, row: Row) -> None:
        """Copy a finished job from another ledger; it replaces a job that is not done here."""
        with self._transaction():
            ((number,),) = self._execute("SELECT coalesce(max(number), -1) FROM jobs")
            self._execute(
                "INSERT INTO jobs (id, number, spec, output, state, attempts, reason, seconds, "
                "sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "state = excluded.state, owner = NULL, attempts = excluded.attempts, "
                "reason = excluded.reason, seconds = excluded.seconds, sha256 = excluded.sha256 "
                "WHERE state <> 'done'",
                (
                    row.id, number + 1, row.spec, row.output, row.state, row.attempts, row.reason,
                    row.seconds, row.sha256,
                ),
            )  # fmt: skip

    def fact(self, name: str, value: str | None = None) -> str | None:
        """Write a named value about the whole batch, or read it when `value` is None."""
        if value is not None:
            self._execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        found = self._execute("SELECT value FROM facts WHERE name = ?", (name,))
        return found[0][0] if found else None

    def _execute(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        with _errors_of(self.path):
            return self._db.execute(sql, values).fetchall()

    def _change(self, sql: str, values: Any = ()) -> int:
        """Execute a change; returns the number of changed rows."""
        with _errors_of(self.path):
            return self._db.execute(sql, values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._execute("BEGIN IMMEDIATE")  # take the write lock now; other writers wait
        try:
            yield
            self._execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.rollback()


def _in_utf8(text: str) -> str:
    """Text for SQLite; a message may quote the name of a file that is not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _create(path: Path) -> None:
    """Create an empty ledger in one step, so that no other process finds an unfinished one."""
    temporary = path.with_name(f".{FILE}-{secrets.token_hex(4)}")
    db = sqlite3.connect(temporary)
    try:
        db.executescript(SCHEMA)
        db.close()
        try:
            os.link(temporary, path)
        except FileExistsError:  # another coordinator was faster
            pass
        except OSError:  # a file system without hard links
            temporary.rename(path)
    finally:
        db.close()
        temporary.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into user errors."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_disk_full(error) or _has_no_space(path.parent):
            raise SettingsError(disk_full_text(path.parent)) from error
        raise SettingsError(
            f"{path}: could not open it as a job database, or write it ({error}); check its "
            "permissions, the space on the disk and other programs that use it"
        ) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # messages may quote damaged text
        raise SettingsError(
            f"{path}: could not open it as a job database ({error}); restore the file, or choose "
            "another folder"
        ) from error


def _has_no_space(folder: Path) -> bool:
    """Whether SQLite has no space for a page; it then reports an I/O error of its index, too."""
    try:
        return shutil.disk_usage(folder).free < 2**16
    except OSError:
        return False


def disk_full_text(folder: Path) -> str:
    """What to do when the disk is full."""
    return (
        f"{folder}: expected free space on the disk, got none; free some and repeat the command, "
        "which continues with the jobs that are not done"
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, says that a disk or quota is full."""
    while error is not None:
        is_sqlite = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        # libsndfile, which only writes here, has one code for all errors of the system.
        is_soundfile = type(error).__name__ == "LibsndfileError" and error.args[:1] == (2,)
        is_system = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        if is_sqlite or is_soundfile or is_system:
            return True
        error = error.__cause__ or error.__context__
    return False


def owner_name(pid: int | None = None) -> str:
    """Name of a process (None: this one): host, process id and start time.

    The start time is needed because the system reuses process ids.
    """
    pid = os.getpid() if pid is None else pid
    try:
        began = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        began = 0.0  # died at once, before it took a job
    return f"{socket.gethostname()}:{pid}:{began:.2f}"


def is_alive(owner: str) -> bool:
    """Whether an owner still runs. True for other machines; their leases expire instead."""
    if not is_owner(owner):
        return False
    host, pid, began = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(pid))
        is_same = abs(process.create_time() - float(began)) < 0.1
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
