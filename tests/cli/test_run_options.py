"""Options are declared once: every row has a field, and every task the options that it needs."""

import dataclasses
import subprocess
import sys

import pytest

from seehear.cli.commands import COMMANDS
from seehear.cli.run_options import OutputOptions, RunOptions, rows_for, run_options
from seehear.models.load_options import LoadOptions
from seehear.pipeline.request import Request
from seehear.pipeline.task import TASKS

PARTS = {"request": Request, "load": LoadOptions, "output": OutputOptions, "run": RunOptions}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_option_has_a_field(task):
    for row in rows_for(task):
        fields = {field.name for field in dataclasses.fields(PARTS[row.part])}
        assert row.target in fields | {"no_prompt"}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_options_left_out_give_the_defaults(task):
    rows = rows_for(task)
    options = run_options(task.name, rows, {row.name: row.default for row in rows})
    assert options.load == LoadOptions()
    assert options.output == OutputOptions()
    assert (options.request.task, options.request.seed) == (task.name, 0)


def test_every_task_is_a_command():
    assert {task.command or name for name, task in TASKS.items()} <= COMMANDS.keys()


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["v2a", "--help"], 0, "--sync"),
        (["presets"], 0, "wordless"),
        (["models", "list"], 0, "audioldm-m-full"),
        (["v2a", "missing.mp4", "-o", "out.mp4"], 2, "no such file"),
        (["v2a", "clip.txt", "-o", "clip.wav"], 2, "exists already"),
        (["joint", "rain", "-o", "out.gif"], 2, "cannot write"),
        (["v2a", "clip.txt", "-o", "out.mp4", "--preset", "loud"], 2, "loud"),
    ],
)
def test_cheap_checks_answer_before_pytorch_is_imported(tmp_path, arguments, code, expected):
    (tmp_path / "clip.txt").write_text("text")
    (tmp_path / "clip.wav").write_text("a file of the user's")
    script = (
        "import sys; from seehear.cli import main; code = main(sys.argv[1:]); "
        "print(f'{code} {\"torch\" in sys.modules}')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout.splitlines()[-1] == f"{code} False"
    assert expected in ran.stdout + ran.stderr
