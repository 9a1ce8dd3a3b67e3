"""What benchmarks keep between their runs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks.kept import Kept, Made, digest

from seehear.dsp.events import Curve
from seehear.guidance.sync import SyncTerm
from seehear.pipeline.presets import preset_for, with_overrides


@pytest.fixture
def calls() -> list[int]:
    return []


def making(calls: list[int], value: float = 1.0):
    def make() -> tuple[Made, float]:
        calls.append(1)
        return {"audio": torch.full((2, 3), value)}, 0.25

    return make


def test_a_kept_batch_is_not_made_again(tmp_path: Path, calls: list[int]):
    kept = Kept(tmp_path / "new", "code and weights")
    first, _ = kept.batch(["a dog"], making(calls))
    again, seconds = kept.batch(["a dog"], making(calls, value=2.0))
    assert calls == [1]
    assert torch.equal(first["audio"], again["audio"])
    assert seconds == 0.25


def test_what_other_code_or_settings_made_is_made_again(tmp_path: Path, calls: list[int]):
    preset = preset_for("a2v", "latents")
    Kept(tmp_path, "code").batch(preset, making(calls))
    Kept(tmp_path, "code").batch(with_overrides(preset, None, lr_latents=0.06), making(calls))
    Kept(tmp_path, "other code").batch(preset, making(calls))
    assert len(calls) == 3


def test_a_batch_that_failed_is_not_kept(tmp_path: Path, calls: list[int]):
    def fail() -> tuple[Made, float]:
        raise KeyboardInterrupt

    kept = Kept(tmp_path, "code")
    with pytest.raises(KeyboardInterrupt):
        kept.batch("a dog", fail)
    kept.batch("a dog", making(calls))
    assert calls == [1]


def test_a_digest_tells_tensors_within_dataclasses_apart():
    curve = Curve(torch.zeros(1, 4), torch.arange(4) / 4)
    sync = SyncTerm(starts=curve)
    other = replace(sync, starts=replace(curve, values=torch.ones(1, 4)))
    assert digest(sync) == digest(replace(sync)) != digest(other)


def test_a_digest_tells_lists_of_as_many_letters_apart():
    assert digest([["ab"], "c"]) != digest([["a"], "bc"]) != digest([[], "abc"])
