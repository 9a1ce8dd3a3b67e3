"""The commands of the container files, run without a container."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from seehear import __version__

FOLDER = Path(__file__).parents[2] / "integrations"
BIN = Path(sys.executable).parent


def instruction(path: Path, name: str) -> list[str]:
    """The arguments of an instruction in JSON form."""
    joined = path.read_text().replace("\\\n", " ")
    line = re.search(rf"^{name}[^\[\n]*(\[.*\])$", joined, re.MULTILINE)
    return json.loads(line.group(1))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def status(port: int, host: str | None = None) -> int:
    """The HTTP status of the page; 0 if nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/")
    if host is not None:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture
def started():
    """Start a server and wait until it answers; it is stopped after the test."""
    processes = []

    def start(command: list[str], port: int, **variables: str) -> None:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **variables}
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 120
        while not status(port):
            assert time.monotonic() < deadline
            assert processes[-1].poll() is None
            time.sleep(0.5)

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.long
def test_the_health_check_fails_before_the_server_answers_and_passes_then(started):
    port = free_port()
    dockerfile = FOLDER / "Dockerfile"
    check = [part.replace("7860", str(port)) for part in instruction(dockerfile, "HEALTHCHECK")]
    check[0] = sys.executable
    assert subprocess.run(check, stderr=subprocess.DEVNULL).returncode != 0
    started(
        [part.replace("7860", str(port)) for part in instruction(dockerfile, "ENTRYPOINT")], port
    )
    assert subprocess.run(check).returncode == 0


@pytest.mark.long
def test_a_space_answers_to_its_own_name_only(started):
    port = free_port()
    command = instruction(FOLDER / "space" / "Dockerfile", "CMD")
    command[-1] = command[-1].replace("7860", str(port))
    started(command, port, SPACE_HOST="someone-seehear.example")
    assert status(port, "someone-seehear.example") == 200
    assert status(port, "another.example") == 421


def test_the_files_that_the_image_copies_exist():
    text = (FOLDER / "Dockerfile").read_text()
    copied = [shlex.split(line)[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    assert copied
    assert all((FOLDER.parent / name).exists() for names in copied for name in names)
    assert f"seehear[web]>={__version__}" in (FOLDER / "space" / "Dockerfile").read_text()
