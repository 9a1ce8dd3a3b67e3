"""Manifests and ledgers of version 0.1.0 are still read: names on disk have not changed."""

import json
import shutil
from pathlib import Path

import pytest

from seehear.batch.ledger import Ledger
from seehear.cli import main
from seehear.models.load_options import LoadOptions
from seehear.pipeline.presets import presets_of
from seehear.pipeline.replay import recorded_preset

DATA = Path(__file__).parents[1] / "data" / "version_0.1.0"
BATCH = ["--task", "joint", "--steps", "2", "--duration", "0.5"]


def test_a_manifest_is_read_as_the_preset_that_wrote_it():
    record = json.loads((DATA / "bell.json").read_text())
    preset, duration_s = recorded_preset(record, "bell.json")
    own = presets_of("joint")["default"]
    assert preset.settings.aligner == own.settings.aligner
    assert (preset.image_augmentation, preset.mel_augmentation, preset.frames) == (
        own.image_augmentation,
        own.mel_augmentation,
        own.frames,
    )
    assert preset.settings.steps_each == 2
    assert duration_s == record["settings"]["duration_s"]
    loaded = LoadOptions.from_json("pocket", record["settings"]["loaded"])
    assert loaded == LoadOptions()


@pytest.mark.long
def test_a_manifest_is_replayed(tmp_path, capsys):
    # Another processor may round otherwise; then the code is 1 and the difference is printed.
    assert main(["replay", str(DATA / "bell.json"), "-o", str(tmp_path / "again.mp4")]) in (0, 1)
    assert (tmp_path / "again.mp4").stat().st_size > 10_000
    assert "media" in capsys.readouterr().out


@pytest.mark.long
def test_an_unfinished_batch_is_resumed_and_finished_jobs_are_kept(tmp_path):
    for name in ("bell.json", "bell.mp4", "ledger.sqlite"):
        shutil.copy(DATA / name, tmp_path)
    before = (tmp_path / "bell.mp4").stat().st_mtime_ns
    assert main(["batch", str(DATA / "jobs.csv"), "-o", str(tmp_path), "-q", *BATCH]) == 0
    assert (tmp_path / "rain.mp4").stat().st_size > 10_000
    assert (tmp_path / "bell.mp4").stat().st_mtime_ns == before
    ledger = Ledger(tmp_path, is_new_allowed=False)
    assert ledger.counts().done == 2
    ledger.close()


@pytest.mark.parametrize("change", [["--steps", "3"], ["--commercial"]])
def test_a_batch_that_was_begun_with_other_settings_is_refused(tmp_path, capsys, change):
    shutil.copy(DATA / "ledger.sqlite", tmp_path)
    command = ["batch", str(DATA / "jobs.csv"), "-o", str(tmp_path), "-q", *BATCH, *change]
    assert main(command) == 2
    assert "other" in capsys.readouterr().err
