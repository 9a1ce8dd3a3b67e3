"""The server's temporary folder."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.web.server import ROOT

from seehear.web.temporary import temporary_folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


HOLD = """
import sys, tempfile
sys.path.insert(0, sys.argv[2])
tempfile.tempdir = sys.argv[1]
from seehear.web.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "upload.mp4").write_bytes(b"private")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_killed_server_is_removed_at_the_next_start(place):
    command = [sys.executable, "-c", HOLD, str(place), str(ROOT / "src")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        folder = Path(process.stdout.readline().strip())
        with temporary_folder() as other:
            assert (folder / "upload.mp4").exists()  # its server still runs
            assert other != folder
        process.kill()
    assert (folder / "upload.mp4").exists()
    with temporary_folder() as other:
        assert list(place.iterdir()) == [other.parent]
    assert list(place.iterdir()) == []


def test_folders_that_no_server_made_are_left_alone(place, tmp_path_factory):
    private = tmp_path_factory.mktemp("private")
    (private / "server.lock").write_bytes(b"")
    (private / "letter.txt").write_text("private")
    (place / "seehear-web-notes").mkdir()
    (place / "seehear-web-notes" / "note.txt").write_text("mine")
    (place / "seehear-web-link").symlink_to(private)
    (place / "seehear-web-file").write_text("mine")
    (place / "seehear-web-locklink").mkdir()
    (place / "seehear-web-locklink" / "server.lock").symlink_to(private / "server.lock")
    before = sorted(place.rglob("*"))
    with temporary_folder():
        pass
    assert sorted(place.rglob("*")) == before
    assert (private / "letter.txt").exists()
