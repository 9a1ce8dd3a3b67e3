"""The real server in its own process."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = "import sys; from seehear.cli import main; sys.exit(main(['web', *sys.argv[1:]]))"


def environment(temporary: Path) -> dict[str, str]:
    """Environment of a server whose files stay in the test's folder."""
    return {
        **os.environ,
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_HEARTBEAT_INTERVAL": "0.3",  # detects a closed page at once
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@dataclass
class Server:
    process: subprocess.Popen
    url: str
    temporary: Path  # folder of uploads and outputs
    log: Path

    def folder(self) -> Path:
        (found,) = self.temporary.glob("seehear-web-*")
        return found

    def files(self) -> list[Path]:
        return [path for path in self.folder().rglob("*") if path.is_file()]


@contextmanager
def started(workplace: Path, *options: str, start: str = START) -> Iterator[Server]:
    """Start `seehear web`, wait until it answers, and end it by SIGTERM."""
    temporary = workplace / "temporary"
    temporary.mkdir()
    log = workplace / "log.txt"
    port = free_port()
    command = [sys.executable, "-c", start, "--port", str(port), *options]
    with log.open("w") as file:
        process = subprocess.Popen(
            command,
            cwd=workplace,
            env=environment(temporary),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, f"http://127.0.0.1:{port}", temporary, log)
    try:
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(server: Server) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if server.process.poll() is not None:
            raise AssertionError(f"the server ended: {server.log.read_text()}")
        if "seehear is at" in server.log.read_text():
            urllib.request.urlopen(server.url, timeout=10).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"the server did not answer: {server.log.read_text()}")
