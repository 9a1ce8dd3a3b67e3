import re

import pytest
from typer.testing import CliRunner

from seehear.cli import app


@pytest.mark.parametrize(
    ("command", "extra"), [("eval", "eval"), ("report", "report"), ("web", "web"), ("batch", "ray")]
)
def test_help_shows_the_whole_name_of_an_extra(command, extra, monkeypatch):
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    arguments = [command, "run", "--help"] if command == "batch" else [command, "--help"]
    shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}).output
    words = re.sub(r"[\s│]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", shown))
    assert f'pip install "seehear[{extra}]"' in words
