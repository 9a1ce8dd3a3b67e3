import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import counting_jobs
import pytest
from counting_jobs import WritesItsName, entries

from seehear.batch.ledger import Ledger
from seehear.batch.ray_workers import Worker

COORDINATOR = """
import sys
from pathlib import Path
from counting_jobs import WritesItsName
from seehear.batch.ray_workers import run_ray
run_ray(Path(sys.argv[1]), WritesItsName(seconds=float(sys.argv[2])), 2, "auto")
"""


def test_an_actor_keeps_its_last_job_for_coordinators_with_the_same_make():
    make = WritesItsName(refuses=("001",))
    num_threads = threading.active_count()
    worker = Worker(make)
    assert threading.active_count() == num_threads  # the exit thread would end the tests
    assert worker.left(repr(make)) is None
    first, second = (entry.spec for entry in entries(2))
    assert worker.files(first) == {
        "000.mp4": first.encode(), "000.json": json.dumps({"id": "000"}).encode(),
    }  # fmt: skip
    assert worker.left(repr(make)) == (first, worker.files(first))
    assert worker.files(second) == "001: cannot be made"
    assert worker.left(repr(make)) == (second, "001: cannot be made")
    with pytest.raises(ValueError, match="expected an actor with"):
        worker.left(repr(WritesItsName()))


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of two CPUs that outlives coordinators."""
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(counting_jobs.__file__).parent))  # for the actors
    ray = str(Path(sys.executable).with_name("ray"))
    subprocess.run(
        [ray, "start", "--head", "--num-cpus=2", "--object-store-memory=200000000",
         "--disable-usage-stats", "--include-dashboard=false"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    yield
    subprocess.run([ray, "stop", "--force"], check=False, stdout=subprocess.DEVNULL)


@pytest.mark.slow  # a cluster is slow to start
def test_jobs_of_actors_survive_a_killed_coordinator(cluster, tmp_path):
    from seehear.batch.ray_workers import run_ray

    ledger = Ledger(tmp_path)
    ledger.add(entries(6))
    seconds = 3.0
    coordinator = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(tmp_path), str(seconds)], env=os.environ.copy()
    )
    while ledger.counts().done < 1 or ledger.counts().leased < 2:
        assert coordinator.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    coordinator.send_signal(signal.SIGKILL)
    coordinator.wait()
    counts = run_ray(tmp_path, WritesItsName(seconds=seconds), 2, "auto")
    assert counts.done == 6
    assert [row.attempts for row in ledger.rows()] == 6 * [1]
    assert not list(tmp_path.glob(".work/*"))
    ledger.close()


@pytest.mark.slow
def test_actors_write_the_outputs_of_processes_and_report_failures(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(counting_jobs.__file__).parent))  # for the actors
    from seehear.batch.ray_workers import run_ray

    ledger = Ledger(tmp_path)
    ledger.add(entries(6))
    counts = run_ray(tmp_path, WritesItsName(refuses=("001",), breaks=("003",)), 2)
    assert (counts.done, counts.failed) == (4, 2)
    reasons = [row.reason for row in ledger.rows("failed")]
    assert reasons[0] == "001: cannot be made"
    assert "a bug" in reasons[1]
    assert (tmp_path / "005.mp4").read_text() == entries(6)[5].spec
    ledger.close()
