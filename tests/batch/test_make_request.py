"""Jobs of a batch with real models."""

import shutil
from pathlib import Path

import pytest
from tests.media_files import write_surround

from seehear.batch.job_list import entries_of
from seehear.batch.ledger import Ledger
from seehear.batch.local_workers import run_processes
from seehear.batch.make_request import RequestMaker
from seehear.media import isolated
from seehear.pipeline.request import Request

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rooster.mp4"


@pytest.fixture
def faulty(monkeypatch):
    """Decoders that crash or hang for some file names."""
    monkeypatch.setattr(isolated, "PRELOADED", (*isolated.PRELOADED, "tests.faulty_decoder"))
    isolated._SERVER.end()
    yield
    isolated._SERVER.end()


@pytest.mark.long
@pytest.mark.usefixtures("faulty")
def test_a_file_that_crashes_the_decoder_fails_its_job_and_the_others_are_done(tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a.mp4", "crash.mp4", "z.mp4"):
        shutil.copy(EXAMPLE, clips / name)
    ledger = Ledger(tmp_path / "out")
    ledger.add(entry.listed() for entry in entries_of(clips, Request(task="v2a", steps=1)))
    ledger.close()
    counts = run_processes(tmp_path / "out", RequestMaker(), 1)
    assert (counts.done, counts.failed) == (2, 1)
    ledger = Ledger(tmp_path / "out")
    (row,) = ledger.rows("failed")
    ledger.close()
    assert "crash.mp4: expected media that can be decoded, but the decoder crashed" in row.reason
    assert {p.name for p in (tmp_path / "out").glob("*.mp4")} == {"a.mp4", "z.mp4"}


@pytest.mark.long
def test_surround_audio_is_a_job_like_others(tmp_path):
    (tmp_path / "clips").mkdir()
    write_surround(tmp_path / "clips" / "surround71.wav", 8)
    ledger = Ledger(tmp_path / "out")
    request = Request(task="a2i", steps=1, prompt="rain")
    ledger.add(entry.listed() for entry in entries_of(tmp_path / "clips", request))
    ledger.close()
    counts = run_processes(tmp_path / "out", RequestMaker(), 1)
    assert (counts.done, counts.failed) == (1, 0)
    assert (tmp_path / "out" / "surround71.png").is_file()
