"""The ledger: which jobs are pending, being made, done or failed, in a file that survives crashes.

SQLite does the hard part: every change is one transaction, so that two who want the same job at
the same time get two different ones, and a power cut leaves the state before or after, never
between. The folder has to be on a disk of this machine, where SQLite's locks work.
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
LEASE_S = 120.0  # without a sign of life from another machine
MAX_ATTEMPTS = 5  # a job that kills whoever makes it is given up then

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
    """A job that is to be made, as far as the ledger cares."""

    id: str
    spec: str  # a line of JSON, see `Entry.to_json`
    output: str  # name of a file


@dataclass(frozen=True)
class Row:
    """What the ledger knows of a job."""

    id: str
    spec: str  # a line of JSON, see `Entry.to_json`
    output: str
    state: State
    owner: str | None
    attempts: int
    reason: str | None
    seconds: float | None
    sha256: str | None


@dataclass(frozen=True)
class Counts:
    """How many jobs are in each state, and how long the finished ones took."""

    pending: int
    leased: int
    done: int
    failed: int
    seconds: float  # of all that are done, added up

    @property
    def total(self) -> int:
        """All jobs."""
        return self.pending + self.leased + self.done + self.failed


_ACTORS = "helpers of "  # how facts begin that name them
_COLUMNS = "id, spec, output, state, owner, attempts, reason, seconds, sha256"


class Ledger:
    """One row per job; safe to use from many processes of one machine at once."""

    def __init__(self, folder: Path, *, is_new_allowed: bool = True):
        """Open the ledger of an output folder, or begin one.

        Raises:
            SettingsError: There is none and none may be begun, or the file is something else.
        """
        self.folder = folder
        path = folder / FILE
        if not path.exists():
            if not is_new_allowed:
                raise SettingsError(f"{folder}: expected the folder of a batch, with {FILE} in it")
            ensure_folder(folder)
        try:
            self._db = sqlite3.connect(path, timeout=60.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # A power cut may undo the last rows, which are then made once more; the file stays
            # whole. A killed process undoes nothing.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise SettingsError(f"{path}: cannot be used as a ledger ({error})") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, jobs: Iterable[ListedJob]) -> int:
        """Take in jobs; those that are known already stay as they are.

        Returns:
            How many were new.

        Raises:
            SettingsError: A job is known by that name with other settings, or another job writes
                that output.
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
                        f"{self.folder}: holds a job {job.id} with other settings; choose "
                        "another folder, or the options that the batch was begun with"
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
        """Lease the first pending job, or one whose lease ran out; None if there is none."""
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
        """Say that `owner` is still at work on what it has."""
        self._db.execute(
            "UPDATE jobs SET until = ? WHERE state = 'leased' AND owner = ?",
            (time.time() + lease_s, owner),
        )

    def finish(self, job_id: str, owner: str, seconds: float, sha256: str | None) -> bool:
        """Write a job down as done; False if it was given to somebody else meanwhile."""
        done = self._db.execute(
            "UPDATE jobs SET state = 'done', owner = NULL, until = NULL, reason = NULL, "
            "seconds = ?, sha256 = ? WHERE id = ? AND state = 'leased' AND owner = ?",
            (seconds, sha256, job_id, owner),
        )
        return done.rowcount == 1

    def fail(self, job_id: str, owner: str, reason: str) -> bool:
        """Write a job down as failed, with the reason; False as in `finish`."""
        done = self._db.execute(
            "UPDATE jobs SET state = 'failed', owner = NULL, until = NULL, reason = ? "
            "WHERE id = ? AND state = 'leased' AND owner = ?",
            (reason, job_id, owner),
        )
        return done.rowcount == 1

    def release(
        self, owner: str, reason: str = "its worker died", job_id: str | None = None
    ) -> int:
        """Give back what a dead owner had, or one job of it; given back too often it has failed.

        Returns:
            How many jobs it had.
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
        """Give back what owners on this machine had who no longer live; returns who they were."""
        owners = self._db.execute(
            "SELECT DISTINCT owner FROM jobs WHERE state = 'leased' AND owner IS NOT NULL"
        ).fetchall()
        dead = [owner for (owner,) in owners if not is_alive(owner)]
        for owner in dead:
            self.release(owner)
        return dead

    def record_actors(self, owner: str, names: Sequence[str]) -> None:
        """Leave names of helpers that outlive an owner to whoever comes after it."""
        if names:
            self.fact(_ACTORS + owner, json.dumps(list(names)))
        else:
            self._db.execute("DELETE FROM facts WHERE name = ?", (_ACTORS + owner,))

    def adopt_actors(self, owner: str) -> list[str]:
        """Take over the helpers of dead owners of this machine, and what these had been given.

        Nobody else gets them too. Their jobs stay leased, now by `owner`.

        Returns:
            The names of the helpers.
        """
        names: list[str] = []
        with self._transaction():
            left = self._db.execute(
                "SELECT name, value FROM facts WHERE substr(name, 1, ?) = ?",
                (len(_ACTORS), _ACTORS),
            ).fetchall()
            for name, value in left:
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
        """Make failed jobs pending again; returns how many."""
        done = self._db.execute(
            "UPDATE jobs SET state = 'pending', attempts = 0, reason = NULL WHERE state = 'failed'"
        )
        return done.rowcount

    def counts(self) -> Counts:
        """How far everything is."""
        rows = dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        (seconds,) = self._db.execute(
            "SELECT coalesce(sum(seconds), 0.0) FROM jobs WHERE state = 'done'"
        ).fetchone()
        return Counts(**{state: rows.get(state, 0) for state in STATES}, seconds=seconds)

    def rows(self, state: State | None = None) -> Iterator[Row]:
        """All jobs in order, or those of a state."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        query = f"SELECT {_COLUMNS} FROM jobs {where} ORDER BY number"
        yield from (Row(*row) for row in self._db.execute(query, values))

    def copy_in(self, row: Row) -> None:
        """Take over a finished job of another ledger, in place of one that was not done here."""
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
        """Keep a fact about the whole batch under a name, or read it with no value."""
        if value is not None:
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found and found[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")  # whoever begins first goes first; the others wait
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def owner_name(pid: int | None = None) -> str:
    """Who a process is (None: this one): machine, number, and when it began.

    Numbers of processes are used again, moments are not.
    """
    pid = os.getpid() if pid is None else pid
    try:
        began = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        began = 0.0  # died at once; it had nothing
    return f"{socket.gethostname()}:{pid}:{began:.2f}"


def is_alive(owner: str) -> bool:
    """Whether an owner still runs. Of other machines nothing is known: their leases run out."""
    host, pid, began = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(pid))
        is_same = abs(process.create_time() - float(began)) < 0.1
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
