"""Files that crash, hang or fill a decoder cost one job, never the server."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

httpx = pytest.importorskip("httpx", reason="httpx comes with gradio, which is not installed")

from tests.web.server import ROOT, START, started  # noqa: E402
from tests.web.test_access import CLIP, Caller  # noqa: E402

pytestmark = pytest.mark.slow  # a real server
DAMAGED = ROOT / "tests" / "data" / "damaged"
FAULTY = f"""
import sys
sys.path.append({str(ROOT)!r})
from seehear.media import isolated
from seehear.web import server
isolated.PRELOADED += ("tests.faulty_decoder",)
server.DECODE_S = 6.0
server.DECODE_S_PER_S = 0.0
"""


def resident_mb(server) -> float:
    """Memory of the server's process, without its children."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096 / 2**20


def fields(task, path, steps):
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    return [task, file, "rain", False, 0, 1.0, steps, "default", "pocket", 1.0]


def status_after(caller, task, name, content, steps=2):
    """What the page shows for a file, as JSON."""
    (path,) = caller.upload(name, content).json()
    assert caller.join(caller.button(0), fields(task, path, steps)).status_code == 200
    return json.dumps([event.get("output") for event in caller.outputs()])


def test_faulty_files_cost_one_job_and_the_other_visitor_gets_the_clip(tmp_path):
    eight = tmp_path / "surround71.wav"
    soundfile.write(eight, np.full((16_000, 8), 0.1), 16_000)
    cases = (
        ("a2v", "surround71.wav", eight.read_bytes(), "Done."),
        ("i2a", "p9400.png", (DAMAGED / "p9400.png").read_bytes(), "Done."),
        ("a2v", "lie12000.flv", (DAMAGED / "lie12000.flv").read_bytes(), "the file is damaged"),
        ("v2a", "crash.mp4", CLIP, "the decoder crashed (signal 11)"),
        ("v2a", "hang.mp4", CLIP, "expected a file that is decoded within 6 s"),
        ("v2a", "bomb.mp4", CLIP, "expected a file that is decoded in 2 GB of memory"),
    )
    with started(tmp_path, start=FAULTY + START) as server:
        other = Caller(server)
        for task in ("a2v", "i2a", "v2a"):  # models are loaded once
            name = {"a2v": "dog.wav", "i2a": "rooster.jpg", "v2a": "rooster.mp4"}[task]
            content = (ROOT / "examples" / name).read_bytes()
            shown = status_after(other, task, name, content, 20)  # as long as the clip below
            assert "Done." in shown, shown[-1000:]
        base_mb = resident_mb(server)

        clips = []
        meanwhile = threading.Thread(
            target=lambda: clips.append(status_after(other, "v2a", "clip.mp4", CLIP, 20))
        )
        meanwhile.start()
        caller = Caller(server)
        for task, name, content, sentence in cases:
            assert sentence in status_after(caller, task, name, content), name
        meanwhile.join(120)
        assert "Done." in clips[0]
        # The visitor whose files were faulty can go on.
        assert "Done." in status_after(caller, "v2a", "clip.mp4", CLIP)
        time.sleep(1)
        assert server.process.poll() is None
        assert resident_mb(server) < 1.1 * base_mb
        assert "Traceback" not in server.log.read_text()
        for visitor in (caller, other):
            visitor.http.close()
