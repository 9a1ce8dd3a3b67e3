import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from counting_jobs import WritesItsName, entries

from seehear.batch.ledger import Ledger
from seehear.batch.local_workers import run_processes


def batch(folder: Path, count: int) -> Path:
    ledger = Ledger(folder)
    ledger.add(entries(count))
    ledger.close()
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if "ledger" not in p.name}


@pytest.mark.long
def test_any_number_of_workers_writes_the_same_files(tmp_path):
    made = []
    for workers in (1, 2, 4):
        folder = batch(tmp_path / str(workers), 12)
        counts = run_processes(folder, WritesItsName(), workers)
        assert (counts.done, counts.failed, counts.pending, counts.leased) == (12, 0, 0, 0)
        made.append(files(folder))
    assert made[0] == made[1] == made[2]
    assert len(made[0]) == 24


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_job_leaves_no_file_and_the_others_continue(tmp_path, workers):
    folder = batch(tmp_path, 5)
    counts = run_processes(folder, WritesItsName(refuses=("001",), breaks=("003",)), workers)
    assert (counts.done, counts.failed) == (3, 2)
    ledger = Ledger(folder)
    reasons = [row.reason for row in ledger.rows("failed")]
    assert reasons == ["001: cannot be made", "ZeroDivisionError: a bug"]
    ledger.close()
    assert sorted(files(folder)) == [f"{i:03d}.{s}" for i in (0, 2, 4) for s in ("json", "mp4")]


def test_killed_workers_leave_no_partial_files(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    folder = batch(tmp_path / "out", 4)
    counts = run_processes(folder, WritesItsName(dies_once=str(marks)), 2)
    assert counts.done == 4
    ledger = Ledger(folder)
    assert [row.attempts for row in ledger.rows()] == [2, 2, 2, 2]
    ledger.close()
    plain = batch(tmp_path / "plain", 4)
    run_processes(plain, WritesItsName(), 1)
    assert files(folder) == files(plain)


def test_a_job_that_kills_every_worker_fails_and_the_others_are_done(tmp_path):
    folder = batch(tmp_path, 3)
    counts = run_processes(folder, WritesItsName(dies_always=("001",)), 2)
    assert (counts.done, counts.failed) == (2, 1)
    ledger = Ledger(folder)
    (row,) = ledger.rows("failed")
    assert row.reason == "its worker died with exit code -9, 5 times"
    ledger.close()


SLOW_BATCH = """
import sys
from pathlib import Path
from seehear.batch.local_workers import run_processes
from counting_jobs import WritesItsName
if __name__ == "__main__":
    run_processes(Path(sys.argv[1]), WritesItsName(seconds=0.2), 2)
"""


@pytest.mark.long
def test_a_second_coordinator_finishes_the_batch_of_a_killed_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SLOW_BATCH)
    folder = batch(tmp_path / "out", 16)
    tests = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)], env={**os.environ, "PYTHONPATH": str(tests)}
    )
    ledger = Ledger(folder)
    while ledger.counts().done < 3:
        time.sleep(0.02)
        assert process.poll() is None
    process.kill()
    process.wait()
    counts = run_processes(folder, WritesItsName(), 2)
    while (counts := ledger.counts()).leased:  # the first coordinator's workers may still run
        time.sleep(0.05)
    assert counts.done == 16
    # Workers outlive their coordinator and finish their current jobs, so no job runs twice.
    assert {row.attempts for row in ledger.rows()} == {1}
    ledger.close()
    plain = batch(tmp_path / "plain", 16)
    run_processes(plain, WritesItsName(), 1)
    time.sleep(0.3)
    assert files(folder) == files(plain)
