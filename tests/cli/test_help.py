"""Help texts: Rich reads words in square brackets as markup, and drops them."""

import re

import pytest
from typer.testing import CliRunner

from seehear.cli.commands import COMMANDS, GROUPS, app


def shown(*arguments):
    output = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200"}).output
    return re.sub(r"[\s│]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", output))


@pytest.mark.parametrize(
    ("command", "extra"), [("eval", "eval"), ("report", "report"), ("web", "web"), ("batch", "ray")]
)
def test_help_shows_the_whole_name_of_an_extra(command, extra):
    assert f'pip install "seehear[{extra}]"' in shown(command)


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS])
def test_no_help_text_lost_the_name_of_an_extra(command):
    words = shown(command)
    assert "Usage:" in words
    assert 'install "seehear"' not in words
