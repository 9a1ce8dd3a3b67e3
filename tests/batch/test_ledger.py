import itertools
import multiprocessing
import subprocess
import sys

import pytest
from counting_jobs import entries

from seehear.batch.ledger import MAX_ATTEMPTS, Ledger, ListedJob, is_alive, owner_name
from seehear.batch.merge import Merge, merged
from seehear.cli import main
from seehear.errors import SettingsError


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "out")
    ledger.add(entries(3))
    yield ledger
    ledger.close()


def dead_owner() -> str:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = owner_name(child.pid)
    child.communicate(b"\n")
    return name


def test_jobs_are_leased_in_order_and_only_once(ledger):
    assert [ledger.take("a").id, ledger.take("b").id, ledger.take("a").id] == ["000", "001", "002"]
    assert ledger.take("b") is None


def test_adding_the_same_list_again_changes_nothing(ledger):
    ledger.take("a")
    assert ledger.add(entries(4)) == 1
    assert ledger.counts().leased == 1
    assert ledger.counts().total == 4


def test_a_job_with_a_known_id_and_other_settings_is_refused(ledger):
    (other,) = entries(1, text="other")
    with pytest.raises(SettingsError, match="with other settings"):
        ledger.add([other])
    same_file = ListedJob("new", "{}", "001.mp4")
    with pytest.raises(SettingsError, match=r"001\.mp4 belongs to the job 001"):
        ledger.add([same_file])
    assert ledger.counts().total == 3


def test_only_jobs_of_dead_owners_are_released(ledger):
    dead, living = dead_owner(), owner_name()
    assert not is_alive(dead)
    assert is_alive(living)
    ledger.take(dead)
    ledger.take(living)
    assert ledger.release_dead() == [dead]
    assert ledger.take("x").id == "000"
    assert ledger.take("x").id == "002"


def test_one_job_of_an_owner_can_be_released_alone(ledger):
    ledger.take("a")
    ledger.take("a")
    assert ledger.release("a", job_id="001") == 1
    assert [row.id for row in ledger.rows("leased")] == ["000"]


def test_actors_of_dead_owners_are_adopted_once_with_their_jobs(ledger):
    dead, living = dead_owner(), owner_name()
    ledger.take(dead)
    ledger.record_actors(dead, ["actor 0", "actor 1"])
    ledger.take(living)
    ledger.record_actors(living, ["actor 2"])
    heirs = [dead_owner(), dead_owner()]  # each dies before it starts its own actors
    for heir in heirs:
        assert ledger.adopt_actors(heir) == ["actor 0", "actor 1"]
    assert {row.id: row.owner for row in ledger.rows("leased")} == {"000": heirs[1], "001": living}
    ledger.record_actors(heirs[1], [])
    assert ledger.adopt_actors(living) == []


def test_a_job_that_kills_its_workers_fails(ledger):
    for _ in range(MAX_ATTEMPTS):
        assert ledger.take("a").id == "000"
        ledger.release("a", "its worker died with exit code -9")
    assert ledger.take("a").id == "001"
    (failed,) = ledger.rows("failed")
    assert failed.reason == f"its worker died with exit code -9, {MAX_ATTEMPTS} times"


def test_an_expired_lease_passes_to_another_owner_and_the_first_cannot_finish(ledger):
    for _ in range(3):
        ledger.take("elsewhere:1:0.0", lease_s=-1.0)
    assert ledger.take("b").id == "000"
    assert not ledger.finish("000", "elsewhere:1:0.0", 1.0, "x")
    assert ledger.finish("000", "b", 1.0, "x")


def test_retry_makes_failed_jobs_pending(ledger):
    ledger.take("a")
    ledger.fail("000", "a", "the audio is silent")
    assert ledger.counts().failed == 1
    assert ledger.retry() == 1
    assert ledger.take("a").attempts == 1


def _take_all(folder) -> list[str]:
    ledger = Ledger(folder)
    taken = []
    while row := ledger.take(owner_name()):
        taken.append(row.id)
    return taken


@pytest.mark.long
def test_four_processes_at_once_never_get_the_same_job(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add(entries(400))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        taken = pool.map(_take_all, [tmp_path] * 4, chunksize=1)
    assert sorted(itertools.chain(*taken)) == [entry.id for entry in entries(400)]
    ledger.close()


def test_a_missing_ledger_and_an_invalid_ledger_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="expected the folder of a batch"):
        Ledger(tmp_path, is_new_allowed=False)
    (tmp_path / "ledger.sqlite").write_text("not a database, but long enough to look like one" * 9)
    with pytest.raises(SettingsError, match="could not open it as a job database"):
        Ledger(tmp_path)


def _finished(folder, jobs: list[ListedJob], text: str = "") -> None:
    ledger = Ledger(folder)
    ledger.add(jobs)
    while row := ledger.take("a"):
        (folder / row.output).write_text(row.id + text)
        (folder / row.output).with_suffix(".json").write_text("{}")
        ledger.finish(row.id, "a", 1.0, row.id + text)
    ledger.close()


def test_merging_copies_files_and_rows(tmp_path):
    _finished(tmp_path / "a", entries(2))
    _finished(tmp_path / "b", entries(2, first=1))
    assert merged([tmp_path / "a", tmp_path / "b"], tmp_path / "all") == Merge(copied=3, known=1)
    assert (tmp_path / "all" / "002.mp4").read_text() == "002"
    assert len(list((tmp_path / "all").glob("*.json"))) == 3
    assert merged([tmp_path / "a"], tmp_path / "all") == Merge(copied=0, known=2)


def test_merging_again_replaces_failures_that_are_done_now(tmp_path):
    ledger = Ledger(tmp_path / "a")
    ledger.add(entries(1))
    ledger.take("a")
    ledger.fail("000", "a", "broken")
    ledger.close()
    assert merged([tmp_path / "a"], tmp_path / "all") == Merge(copied=1, known=0)
    ledger = Ledger(tmp_path / "a")
    ledger.retry()
    ledger.close()
    _finished(tmp_path / "a", [])
    assert merged([tmp_path / "a"], tmp_path / "all") == Merge(copied=1, known=0)
    assert (tmp_path / "all" / "000.mp4").read_text() == "000"
    ledger = Ledger(tmp_path / "all")
    assert [(row.id, row.state, row.reason) for row in ledger.rows()] == [("000", "done", None)]
    ledger.close()


def test_merging_names_all_missing_outputs_and_copies_the_rest(tmp_path, capsys):
    _finished(tmp_path / "a", entries(3))
    _finished(tmp_path / "b", entries(1, first=2))
    for name in ("000.mp4", "001.json", "002.mp4"):
        (tmp_path / "a" / name).unlink()
    folders = [str(tmp_path / name) for name in ("a", "b", "all")]
    assert main(["batch", "merge", *folders[:2], "-o", folders[2]]) == 1
    shown = capsys.readouterr()
    assert "1 jobs merged, 0 were already there" in shown.out
    missing = [line.split(": ")[2] for line in shown.err.splitlines()]
    assert missing == [f"{folders[0]}/000.mp4", f"{folders[0]}/001.json"]
    assert (tmp_path / "all" / "002.mp4").read_text() == "002"
    assert not (tmp_path / "all" / "001.mp4").exists()


def test_merging_different_outputs_of_one_job_is_refused(tmp_path):
    _finished(tmp_path / "a", entries(1))
    _finished(tmp_path / "b", entries(1), text="!")
    with pytest.raises(SettingsError, match="different outputs of 000"):
        merged([tmp_path / "a", tmp_path / "b"], tmp_path / "all")
