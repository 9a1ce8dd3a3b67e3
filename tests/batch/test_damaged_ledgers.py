"""Ledgers may be damaged or come from others: one sentence, and no file changes."""

import itertools
import json
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.fuzz import ledgers

from seehear.batch.ledger import FILE, Ledger, ListedJob
from seehear.batch.merge import merged
from seehear.cli import main
from seehear.errors import SeehearError, SettingsError

GOOD = Path(__file__).parents[1] / "data" / "version_0.1.0" / FILE
DAMAGED = Path(__file__).parents[1] / "data" / "damaged_ledgers"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(folder: Path) -> str:
    """The sentence that each command gives for the ledger of a folder."""
    before = contents(folder)
    messages = []
    for use in (
        lambda: Ledger.checked(folder),
        lambda: merged([folder], folder.parent / "all"),
        lambda: merged([], folder),
    ):
        with pytest.raises(SettingsError) as caught:
            use()
        messages.append(str(caught.value))
    assert contents(folder) == before
    assert not (folder.parent / "all").exists()
    assert len(set(messages)) == 1
    assert "\n" not in messages[0]
    assert len(messages[0]) < 500
    return messages[0]


@pytest.fixture
def folder(tmp_path):
    """A batch with a job that is done and a job that is pending."""
    folder = tmp_path / "out"
    ledger = Ledger(folder)
    ledger.add([listed("a"), listed("b")])
    ledger.take("here:1:1.00")
    ledger.finish("a", "here:1:1.00", 1.0, "0" * 64)
    ledger.close()
    (folder / "a.mp4").write_text("a")
    (folder / "a.json").write_text("{}")
    return folder


def listed(name: str, output: str | None = None) -> ListedJob:
    output = output or f"{name}.mp4"
    order = {"task": "v2a", "source": "/x.mp4"}
    spec = json.dumps({"id": name, "output": output, "order": order})
    return ListedJob(name, spec, output)


def changed(folder: Path, sql: str, *values) -> Path:
    db = sqlite3.connect(folder / FILE)
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute(sql, values)
    db.commit()
    db.close()
    return folder


def test_a_ledger_of_version_0_1_0_is_accepted(tmp_path):
    shutil.copy(GOOD, tmp_path)
    ledger = Ledger.checked(tmp_path)
    assert ledger.counts().total > 0
    ledger.close()


@pytest.mark.parametrize("state", ["pending", "done", "failed", "leased"])
@pytest.mark.parametrize("output", ["../escaped.sh", "/tmp/escaped.mp4", "x/../../a.mp4", "a.sh"])
def test_an_output_outside_the_folder_is_refused(folder, state, output):
    spec = listed("b", output).spec
    sql = "UPDATE jobs SET output = ?, spec = ?, state = ? WHERE id = 'b'"
    assert "expected" in refused(changed(folder, sql, output, spec, state))
    # The spec and the row disagree.
    sql = "UPDATE jobs SET output = 'b.mp4' WHERE id = 'b'"
    assert "in its spec" in refused(changed(folder, sql))


@pytest.mark.parametrize("name", ["a.mp4", "b.mp4", "b.json", ".work"])
def test_a_link_out_of_the_folder_is_refused(folder, tmp_path, name):
    (folder / name).unlink(missing_ok=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / name).symlink_to(elsewhere if name == ".work" else "/etc/passwd")
    assert "outside the folder" in refused(folder) or name == ".work"
    assert ".work is no folder" in refused(folder) or name != ".work"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", b"\xff"), ("id", ""), ("id", "x" * 300), ("number", "first"), ("spec", "{"),
        ("spec", "[" * 100_000), ("spec", "{}"), ("spec", b"\x00"), ("output", 3.5),
        ("output", ""), ("state", "lost"), ("owner", "someone"), ("owner", "a:1:x"),
        ("until", "late"), ("until", float("inf")), ("attempts", -1), ("attempts", 1.5),
        ("reason", b"\xff"), ("seconds", -1.0), ("seconds", "x"), ("sha256", b"\x00"),
    ],
)  # fmt: skip
def test_values_of_other_types_are_refused(folder, column, value):
    changed(folder, f"UPDATE jobs SET {column} = ? WHERE id = 'b'", value)
    assert "job " in refused(folder)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER UPDATE ON jobs BEGIN DELETE FROM jobs; END",
        "DROP TABLE facts",
        "ALTER TABLE jobs ADD COLUMN more",
        "DROP INDEX by_state",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_other_tables_are_refused(folder, sql):
    assert "another application" in refused(changed(folder, sql))


def test_a_lease_that_ends_in_the_far_future_is_refused(folder):
    owner = "host:1:1.0"
    changed(folder, "UPDATE jobs SET state = 'leased', owner = ?, until = 1e308", owner)
    assert "until" in refused(folder)


def test_two_jobs_with_one_output_are_refused(folder):
    sql = "UPDATE jobs SET output = 'A.wav', spec = ? WHERE id = 'b'"
    assert "have one output" in refused(changed(folder, sql, listed("b", "A.wav").spec))


def test_actors_of_no_process_are_refused(folder):
    changed(folder, "INSERT INTO facts VALUES ('helpers of me', '[]')")
    assert "expected the actors of a process" in refused(folder)


def test_files_that_are_no_ledger_are_refused(folder):
    path = folder / FILE
    good = path.read_bytes()
    for content in (b"", b"no ledger" * 999, good[:5000], good[:100], good[:16], b"\0" * 8192):
        path.write_bytes(content)
        assert f"{path}: could not open it as a job database" in refused(folder)
    path.unlink()
    path.mkdir()
    assert "it is no file" in refused(folder)
    path.rmdir()
    path.symlink_to("nowhere")
    assert "it is no file" in refused(folder)


def test_a_database_of_another_application_is_refused_and_keeps_its_bytes(folder):
    (folder / FILE).unlink()
    db = sqlite3.connect(folder / FILE)
    db.execute("CREATE TABLE bookmarks (url)")
    db.close()
    assert "another application" in refused(folder)


def test_flipped_bits_give_a_sentence_or_a_ledger(folder):
    changed(folder, "UPDATE facts SET value = value")  # out of WAL mode: all in one file
    good, rng = (folder / FILE).read_bytes(), random.Random(5)
    num_refused = 0
    for _ in range(100):
        content = bytearray(good)
        for _ in range(rng.choice((1, 3, 20))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (folder / FILE).write_bytes(content)
        try:
            ledger = Ledger.checked(folder)
            list(ledger.rows())
            ledger.close()
        except SeehearError:
            num_refused += 1
            assert (folder / FILE).read_bytes() == content
    assert num_refused > 10


@pytest.mark.parametrize("command", ["run", "status", "retry", "merge"])
def test_commands_end_with_code_2(folder, tmp_path, capsys, command):
    changed(folder, "UPDATE jobs SET state = 'lost'")
    before = contents(folder)
    (tmp_path / "jobs.csv").write_text("input\na.mp4\n")
    arguments = {
        "run": [str(tmp_path / "jobs.csv"), "-o", str(folder)],
        "merge": ["merge", str(folder), "-o", str(tmp_path / "all")],
    }.get(command, [command, str(folder)])
    assert main(["batch", *arguments]) == 2
    error = capsys.readouterr().err
    assert "could not open it as a job database" in error
    assert error.count("\n") == 1
    assert contents(folder) == before


def test_merging_two_jobs_with_one_output_is_refused(tmp_path):
    for name in ("x", "y"):
        ledger = Ledger(tmp_path / name)
        ledger.add([listed(name, "a.mp4")])
        ledger.take("w")
        ledger.finish(name, "w", 1.0, name)
        ledger.close()
        (tmp_path / name / "a.mp4").write_text(name)
        (tmp_path / name / "a.json").write_text("{}")
    with pytest.raises(
        SettingsError, match=r"another output than a\.mp4 for y, which belongs to x"
    ):
        merged([tmp_path / "x", tmp_path / "y"], tmp_path / "all")
    assert (tmp_path / "all" / "a.mp4").read_text() == "x"


def test_a_reason_may_quote_a_name_that_is_no_utf8(folder):
    ledger = Ledger(folder)
    ledger.take("w")
    ledger.fail("b", "w", os.fsdecode(b"\xff.mp4: no such file"))
    assert [row.reason for row in ledger.rows("failed")] == [r"\udcff.mp4: no such file"]
    ledger.close()


@pytest.mark.parametrize("path", sorted(DAMAGED.iterdir()), ids=lambda path: path.stem)
def test_a_damaged_ledger_gives_one_sentence(folder, path):
    (folder / FILE).write_bytes(path.read_bytes())
    assert "could not open it as a job database" in refused(folder)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_mutations_give_a_sentence_or_a_ledger(tmp_path, seed):
    for case in itertools.islice(ledgers.cases(seed), 100):
        ledgers.check(case, tmp_path)
