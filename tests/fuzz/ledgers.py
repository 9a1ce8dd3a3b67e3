"""Mutations of job databases: `cases` yields them, `check` reads one with the product's reader."""

import contextlib
import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seehear.batch.ledger import FILE, Ledger, ListedJob
from seehear.batch.merge import merged
from seehear.errors import SeehearError

COLUMNS = (
    "id", "number", "spec", "output", "state", "owner", "until", "attempts", "reason", "seconds",
    "sha256",
)  # fmt: skip
VALUES = (
    None, -1, 0, 1, 5, 1.5, 2**62, 1e308, float("inf"), "", "a", "x" * 300, "y" * 200_000, b"",
    b"\xff\xfe", b"\0", "a\0b", "../escaped.sh", "/tmp/escaped.mp4", "a.mp4", "A.wav", "b.png",
    ".work", FILE, "done", "pending", "leased", "failed", "lost", "here:1:1.00", "a:b:c", ":::",
    "h:99999999999:1.0", "[]", "{}", "[" * 5000, '{"id": "a"}', '{"id": "a", "output": "a.mp4"}',
    '{"id": "b", "output": "../b.sh"}', "nan", "\n",
)  # fmt: skip
STATEMENTS = (
    "DROP TABLE facts", "DROP INDEX by_state", "DELETE FROM jobs", "DROP TABLE jobs",
    "ALTER TABLE jobs RENAME COLUMN spec TO request", "ALTER TABLE facts ADD COLUMN more",
    "CREATE TRIGGER t AFTER UPDATE ON jobs BEGIN DELETE FROM jobs; END",
    "CREATE VIEW v AS SELECT * FROM jobs", "PRAGMA user_version = 7", "CREATE TABLE t (x)",
    "PRAGMA application_id = 1", "PRAGMA encoding = 'UTF-16'", "VACUUM",
)  # fmt: skip


def cases(seed: int) -> Iterator[bytes]:
    """Mutated ledgers, endless and the same for one seed."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        good = _good(Path(temporary))
        path = Path(temporary) / "mutated.sqlite"
        while True:
            kind = rng.randrange(10)
            if kind < 5:
                path.write_bytes(good)
                _change(path, rng)
                yield path.read_bytes()
            elif kind < 9:
                yield _damaged(good, rng)
            else:
                yield good[: rng.randrange(len(good))]


def _good(folder: Path) -> bytes:
    """A ledger with jobs in every state, without a write-ahead log, so that one file holds all."""
    ledger = Ledger(folder)
    ledger.add(_job(name) for name in "abcdefgh")
    ledger.fact("models", '["pocket"]')
    for name, finish in zip("abcd", (True, True, False, None), strict=True):
        ledger.take("here:1:1.00")
        if finish:
            ledger.finish(name, "here:1:1.00", 1.5, "0" * 64)
        elif finish is False:
            ledger.fail(name, "here:1:1.00", "cannot be read")
    ledger.record_actors("here:1:1.00", ["here:1:1.00 0"])
    ledger.close()
    db = sqlite3.connect(folder / FILE)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    return (folder / FILE).read_bytes()


def _job(name: str) -> ListedJob:
    order = {"task": "v2a", "source": f"/clips/{name}.mp4", "seed": 3, "prompt": None}
    spec = json.dumps({"id": name, "output": f"{name}.mp4", "order": order})
    return ListedJob(name, spec, f"{name}.mp4")


def _change(path: Path, rng: random.Random) -> None:
    """Change values, tables or both; a statement that SQLite refuses changes nothing."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            if rng.random() < 0.2:
                db.execute(rng.choice(STATEMENTS))
            elif rng.random() < 0.2:
                names = ("models", "helpers of here:1:1.00", "helpers of x", "other")
                values = (rng.choice(names), rng.choice(VALUES))
                db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", values)
            else:
                sql = f"UPDATE jobs SET {rng.choice(COLUMNS)} = ? WHERE id = ?"
                db.execute(sql, (rng.choice(VALUES), rng.choice("abcdefgh")))
        except sqlite3.Error:
            continue
    db.close()


def _damaged(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 10, 100))):
        place = rng.choice((rng.randrange(100), rng.randrange(len(data)), rng.randrange(len(data))))
        kind = rng.randrange(4)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[place : place + 8] = rng.randbytes(8)
        else:
            other = rng.randrange(len(data))
            data[place : place + 64] = data[other : other + 64]
    return bytes(data)


def check(data: bytes, folder: Path) -> None:
    """Use a case as the commands do; anything but a `SeehearError` raises.

    A refused ledger must keep its bytes, and no file may appear outside the folder.
    """
    batch, target = folder / "batch", folder / "all"
    for old in (batch, target):
        shutil.rmtree(old, ignore_errors=True)
    batch.mkdir()
    (batch / FILE).write_bytes(data)
    for name in "ab":
        for suffix in ("mp4", "json"):
            (batch / f"{name}.{suffix}").write_text(name)
    try:
        ledger = Ledger.checked(batch)
    except SeehearError:
        assert (batch / FILE).read_bytes() == data
        assert len(list(batch.iterdir())) == 5
        return
    with contextlib.suppress(SeehearError):
        _use(ledger)
    ledger.close()
    with contextlib.suppress(SeehearError):
        merged([batch], target)
    assert {path.name for path in folder.iterdir()} <= {"batch", "all"}


def _use(ledger: Ledger) -> None:
    ledger.add([_job("new")])
    ledger.counts()
    list(ledger.rows())
    ledger.missing_outputs()
    ledger.release_dead()
    ledger.adopt_actors("here:2:2.00")
    row = ledger.take("here:2:2.00")
    if row is not None:
        ledger.finish(row.id, row.owner or "", 1.0, "0" * 64)
    ledger.retry()
