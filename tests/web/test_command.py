"""The command `seehear web`."""

import importlib.util
import subprocess
import sys

import pytest
from tests.web.server import START, environment

from seehear.cli import main


def test_help_has_an_example(capsys):
    assert main(["web", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "\n     seehear web --host 0.0.0.0 --port 8080 --auth me:secret" in shown
    assert "[default: 127.0.0.1]" in shown


@pytest.mark.parametrize("auth", ["me", "me:", ":secret", ""])
def test_an_incomplete_auth_is_refused(auth, capsys):
    assert main(["web", "--auth", auth]) == 2
    assert "expected USER:PASSWORD" in capsys.readouterr().err


def test_quotas_below_the_size_of_a_file_are_refused(capsys):
    assert main(["web", "--max-upload-mb", "100", "--max-visitor-mb", "50"]) == 2
    message = capsys.readouterr().err
    assert "expected --max-upload-mb at most --max-visitor-mb" in " ".join(message.split())


def test_without_gradio_the_error_names_the_extra(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "gradio" else find(name)
    )
    assert main(["web"]) == 2
    assert 'pip install "seehear[web]"' in capsys.readouterr().err


@pytest.mark.long
def test_a_port_in_use_is_named(server):
    # In its own process, because Gradio leaves the sockets of its attempt open.
    port = server.url.rsplit(":", 1)[1]
    done = subprocess.run(
        [sys.executable, "-c", START, "--port", port],
        capture_output=True, text=True, timeout=120, env=environment(server.temporary),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"cannot serve at 127.0.0.1, port {port}" in done.stderr
    assert len(list(server.temporary.glob("seehear-web-*"))) == 1  # its folder is deleted
