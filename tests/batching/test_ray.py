from pathlib import Path

import counting_jobs
import pytest
from counting_jobs import WritesItsName, entries

from seehear.batching.ledger import Ledger

pytestmark = pytest.mark.slow  # a cluster of its own takes a while to begin


def test_actors_make_what_processes_make_and_failures_are_told(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(counting_jobs.__file__).parent))  # for the actors
    from seehear.batching.ray_cluster import run_ray

    ledger = Ledger(tmp_path)
    ledger.add(entries(6))
    counts = run_ray(tmp_path, WritesItsName(refuses=("001",), breaks=("003",)), 2)
    assert (counts.done, counts.failed) == (4, 2)
    reasons = [row.reason for row in ledger.rows("failed")]
    assert reasons[0] == "001: cannot be made"
    assert "a bug" in reasons[1]
    assert (tmp_path / "005.mp4").read_text() == entries(6)[5].spec
    ledger.close()
