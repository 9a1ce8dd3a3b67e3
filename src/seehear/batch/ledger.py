"""The ledger: an SQLite file with the state of every job, which survives crashes.

Every change is one transaction. Two workers that take a job at the same time get different jobs,
and a power cut leaves the state from before or after a change. The folder must be on a local disk,
because SQLite's locks may fail on network file systems.
"""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from seehear.errors import SettingsError
from seehear.media import ensure_folder

State = Literal["pending", "leased", "done", "failed"]
STATES: tuple[State, ...] = ("pending", "leased", "done", "failed")
FILE = "ledger.sqlite"
LEASE_S = 120.0  # a lease expires unless its owner extends it
MAX_ATTEMPTS = 5  # a job that is released after so many leases has failed

_SCHEMA = """
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

    @property
    def total(self) -> int:
        """All jobs."""
        return self.pending + self.leased + self.done + self.failed


_ACTORS = "helpers of "  # prefix of the fact with the names of an owner's actors
_COLUMNS = "id, spec, output, state, owner, attempts, reason, seconds, sha256"


class Ledger:
    """One row per job; several processes of one machine can use it at once."""

    def __init__(self, folder: Path, *, is_new_allowed: bool = True):
        """Open the ledger of an output folder, or create it.

        Raises:
            SettingsError: The ledger does not exist and must not be created, or is invalid.
        """
        self.folder = folder
        path = folder / FILE
        if not path.exists():
            if not is_new_allowed:
                raise SettingsError(
                    f"{folder}: expected the folder of a batch, got one without {FILE}"
                )
            ensure_folder(folder)
        try:
            self._db = sqlite3.connect(path, timeout=60.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # A power cut may lose the last commits, so those jobs run again. The file stays
            # valid, and a killed process loses nothing.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise SettingsError(f"{path}: could not open it as a ledger ({error})") from error

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
            (number,) = self._db.execute("SELECT coalesce(max(number), -1) FROM jobs").fetchone()
            known = dict(self._db.execute("SELECT id, spec FROM jobs"))
            outputs = dict(self._db.execute("SELECT output, id FROM jobs"))
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
                self._db.execute(
                    "INSERT INTO jobs (id, number, spec, output) VALUES (?, ?, ?, ?)",
                    (job.id, number, job.spec, job.output),
                )
        return added

    def take(self, owner: str, lease_s: float = LEASE_S) -> Row | None:
        """Lease the first pending job, else one with an expired lease; None if there is none."""
        now = time.time()
        with self._transaction():
            found = self._db.execute(
                "SELECT id FROM jobs WHERE state = 'pending' ORDER BY number LIMIT 1"
            ).fetchone()
            if found is None:
                found = self._db.execute(
                    "SELECT id FROM jobs WHERE state = 'leased' AND until < ? "
                    "ORDER BY number LIMIT 1",
                    (now,),
                ).fetchone()
            if found is None:
                return None
            row = self._db.execute(
                "UPDATE jobs SET state = 'leased', owner = ?, until = ?, attempts = attempts + 1 "
                f"WHERE id = ? RETURNING {_COLUMNS}",
                (owner, now + lease_s, found[0]),
            ).fetchone()
        return Row(*row)

    def extend(self, owner: str, lease_s: float = LEASE_S) -> None:
        """Extend all leases of `owner`."""
        self._db.execute(
            "UPDATE jobs SET until = ? WHERE state = 'leased' AND owner = ?",
            (time.time() + lease_s, owner),
        )

    def finish(self, job_id: str, owner: str, seconds: float, sha256: str | None) -> bool:
        """Mark a job as done; False if `owner` no longer has its lease."""
        done = self._db.execute(
            "UPDATE jobs SET state = 'done', owner = NULL, until = NULL, reason = NULL, "
            "seconds = ?, sha256 = ? WHERE id = ? AND state = 'leased' AND owner = ?",
            (seconds, sha256, job_id, owner),
        )
        return done.rowcount == 1

    def fail(self, job_id: str, owner: str, reason: str) -> bool:
        """Mark a job as failed, with the reason; False as in `finish`."""
        done = self._db.execute(
            "UPDATE jobs SET state = 'failed', owner = NULL, until = NULL, reason = ? "
            "WHERE id = ? AND state = 'leased' AND owner = ?",
            (reason, job_id, owner),
        )
        return done.rowcount == 1

    def release(
        self, owner: str, reason: str = "its worker died", job_id: str | None = None
    ) -> int:
        """Set the leased jobs of an owner, or one of them, back to pending.

        A job with `MAX_ATTEMPTS` attempts becomes failed instead.

        Returns:
            The number of jobs.
        """
        done = self._db.execute(
            "UPDATE jobs SET owner = NULL, until = NULL, "
            "reason = CASE WHEN attempts >= :most THEN :reason || ', ' || attempts || ' times' END,"
            " state = CASE WHEN attempts >= :most THEN 'failed' ELSE 'pending' END "
            "WHERE state = 'leased' AND owner = :owner AND coalesce(:job_id, id) = id",
            {"most": MAX_ATTEMPTS, "reason": reason, "owner": owner, "job_id": job_id},
        )
        return done.rowcount

    def release_dead(self) -> list[str]:
        """Release the jobs of dead owners on this machine; returns these owners."""
        owners = self._db.execute(
            "SELECT DISTINCT owner FROM jobs WHERE state = 'leased' AND owner IS NOT NULL"
        ).fetchall()
        dead = [owner for (owner,) in owners if not is_alive(owner)]
        for owner in dead:
            self.release(owner)
        return dead

    def record_actors(self, owner: str, names: Sequence[str]) -> None:
        """Record an owner's detached actors so that the next coordinator can adopt them."""
        if names:
            self.fact(_ACTORS + owner, json.dumps(list(names)))
        else:
            self._db.execute("DELETE FROM facts WHERE name = ?", (_ACTORS + owner,))

    def adopt_actors(self, owner: str) -> list[str]:
        """Transfer the actors and leases of dead owners on this machine to `owner`.

        Only one caller adopts each actor. The jobs stay leased, now by `owner`.

        Returns:
            The names of the actors.
        """
        names: list[str] = []
        with self._transaction():
            recorded = self._db.execute(
                "SELECT name, value FROM facts WHERE substr(name, 1, ?) = ?",
                (len(_ACTORS), _ACTORS),
            ).fetchall()
            for name, value in recorded:
                dead = name.removeprefix(_ACTORS)
                if is_alive(dead):
                    continue
                names += json.loads(value)
                self._db.execute("DELETE FROM facts WHERE name = ?", (name,))
                self._db.execute(
                    "UPDATE jobs SET owner = ?, until = ? WHERE state = 'leased' AND owner = ?",
                    (owner, time.time() + LEASE_S, dead),
                )
            if names:
                self.record_actors(owner, names)
        return names

    def retry(self) -> int:
        """Set failed jobs back to pending; returns their number."""
        done = self._db.execute(
            "UPDATE jobs SET state = 'pending', attempts = 0, reason = NULL WHERE state = 'failed'"
        )
        return done.rowcount

    def counts(self) -> Counts:
        """Number of jobs in each state."""
        rows = dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        (seconds,) = self._db.execute(
            "SELECT coalesce(sum(seconds), 0.0) FROM jobs WHERE state = 'done'"
        ).fetchone()
        return Counts(**{state: rows.get(state, 0) for state in STATES}, seconds=seconds)

    def rows(self, state: State | None = None) -> Iterator[Row]:
        """All jobs, or the jobs in one state, in the order of the list."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        query = f"SELECT {_COLUMNS} FROM jobs {where} ORDER BY number"
        yield from (Row(*row) for row in self._db.execute(query, values))

    def copy_in(self, row: Row) -> None:
        """Copy a finished job from another ledger; it replaces a job that is not done here."""
        with self._transaction():
            (number,) = self._db.execute("SELECT coalesce(max(number), -1) FROM jobs").fetchone()
            self._db.execute(
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
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found and found[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")  # take the write lock now; other writers wait
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


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
    host, pid, began = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(pid))
        is_same = abs(process.create_time() - float(began)) < 0.1
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
