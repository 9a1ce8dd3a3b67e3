"""The scores of outside judges in the tables of the pocket family."""

import json

import pytest
import torch
from benchmarks import outside
from training.world.things import IDS

from seehear.metrics.features.protocol import Features


class Listed:
    """Logits in the order of the calls."""

    def __init__(self, *logits):
        self.logits = list(logits)

    def from_audio(self, waveform, sample_rate):
        assert waveform.shape == (1, 8)
        assert sample_rate == 16_000
        return Features(torch.zeros(1, 1), torch.tensor([self.logits.pop(0)]))


def test_the_largest_class_of_a_thing_counts_and_unknown_things_are_left_out():
    dog, cat, rain = (IDS.index(name) for name in ("dog", "cat", "rain"))
    network = Listed([0.0, 3.0, 1.0], [2.0, 0.0, 1.0])
    judges = outside.OutsideJudges(network, {"dog": [0, 1], "cat": [2]}, None, {})
    found = judges.audio_scores(torch.zeros(3, 8), torch.tensor([dog, rain, cat]))
    assert (found["outside_count"], found["outside_things"]) == (2, 2)
    assert found["outside_top1"] == 0.5  # the second waveform is a dog by its first class
    assert found["outside_top5"] == 1.0
    assert outside.columns(found)[0].startswith("0.50 [")
    assert outside.columns({}) == ("not measured", "not measured")


def test_the_judge_of_images_knows_the_things_that_imagenet_has():
    judges = outside.load(None)
    assert judges.audio is None
    assert judges.video is not None
    assert judges.video_classes["rooster"] == (7,)
    assert "rain" not in judges.video_classes
    assert len(judges.video_classes) >= 30


def test_scores_of_images_are_within_their_range():
    judges = outside.load(None)
    labels = torch.tensor([IDS.index("rooster"), IDS.index("rain")])
    found = judges.video_scores(torch.rand(2, 4, 3, 32, 32), labels)
    assert found["outside_count"] == 1
    assert found["outside_top1"] <= found["outside_top5"] <= 1


def test_a_mapping_to_unknown_classes_is_refused(tmp_path, monkeypatch):
    class Labelled:
        labels = ("Dog",)

    monkeypatch.setattr(outside.yamnet, "load", lambda folder: Labelled())
    (tmp_path / "things.json").write_text(json.dumps({"dog": ["Dog", "Hound"]}))
    with pytest.raises(outside.SettingsError, match="Hound"):
        outside.load(tmp_path)
