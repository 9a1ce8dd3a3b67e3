from pathlib import Path

import pytest

from seehear.cli import main
from seehear.pipeline.manifest import read_manifest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two good jobs and a bad one, made by the shipped models."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "text.mp4").write_text("not a video")
    jobs = folder / "jobs.csv"
    jobs.write_text(
        f"input,prompt,output\n{EXAMPLES / 'rooster.mp4'},a dog,dog.mp4\n"
        f"{EXAMPLES / 'rooster.mp4'},,own.wav\ntext.mp4,,bad.wav\n"
    )
    code = main(["batch", str(jobs), "-o", str(folder / "out"), "--steps", "2", "--quiet"])
    return folder, jobs, code


def test_good_jobs_are_made_and_a_bad_one_is_told(made, capsys):
    folder, _, code = made
    assert code == 1
    names = sorted(path.name for path in (folder / "out").iterdir() if path.suffix != ".sqlite")
    assert [name for name in names if "ledger" not in name] == [
        "dog.json", "dog.mp4", "own.json", "own.wav",
    ]  # fmt: skip
    assert main(["batch", "status", str(folder / "out")]) == 0
    told = capsys.readouterr().out
    assert "3 jobs; 2 done, 0 running, 0 pending, 1 failed" in told
    assert "text.mp4" in told


def test_the_manifest_of_a_batch_replays(made):
    folder = made[0]
    record = read_manifest(folder / "out" / "dog.json")
    assert record["settings"]["prompt"] == "a dog"
    assert all("seconds" not in step for step in record["trace"])
    assert main(["replay", str(folder / "out" / "dog.json"), "--quiet"]) == 0


def test_the_same_command_again_has_nothing_to_do_and_retry_tries_failures_once_more(made, capsys):
    folder, jobs, _ = made
    before = (folder / "out" / "dog.mp4").stat().st_mtime_ns
    again = ["batch", str(jobs), "-o", str(folder / "out"), "--steps", "2", "--quiet"]
    assert main(again) == 1
    assert main(["batch", "retry", str(folder / "out")]) == 0
    assert "1 jobs are pending again" in capsys.readouterr().out
    assert main(again) == 1
    assert (folder / "out" / "dog.mp4").stat().st_mtime_ns == before


def test_other_settings_in_the_same_folder_are_refused(made, capsys):
    folder, jobs, _ = made
    assert main(["batch", str(jobs), "-o", str(folder / "out"), "--steps", "3"]) == 2
    assert "with other settings" in capsys.readouterr().err
    assert main(["batch", str(jobs), "-o", str(folder / "out"), "--threads", "2"]) == 2
    assert "the batch in this folder has other models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["batch", "nothing.csv", "-o", "out"], "expected a job file or a folder"),
        (["batch", "nothing.csv"], "and -o FOLDER"),
        (["batch", "status", "nowhere"], "expected the folder of a batch"),
        (["batch", "merge", "nowhere", "-o", "all"], "expected the folder of a batch"),
        (["joint", "x" * 300, "-o", "missing/out.wav"], "cannot write '.wav'"),
        (["batch", "retry"], "expected seehear batch retry FOLDER"),
    ],
)
def test_what_is_missing_is_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
