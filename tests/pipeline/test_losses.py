"""Distances and loss terms by name, by function, and from packages outside."""

import json
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
from small_family import moving_frames, small_family, write_small

from seehear.errors import SettingsError
from seehear.guidance.losses import cosine_distance
from seehear.models import plugins
from seehear.pipeline.inputs import as_video
from seehear.pipeline.manifest import to_json
from seehear.pipeline.presets import DEFAULT, Preset, preset_from_json, with_overrides
from seehear.pipeline.studio import Studio

QUICK = with_overrides(DEFAULT, num_steps=4)


def halved(a, b):
    """A distance of this module, as a user would write one."""
    return cosine_distance(a, b) / 2


class Loudness:
    """A loss term of another package: how loud the audio is."""

    reads_all_frames = False

    def __init__(self, weight):
        self.weight = weight

    def for_window(self, start_s):
        return self

    def losses(self, media):
        waveform = media["audio"].samples
        return {"loudness": self.weight * waveform.square().mean(dim=1)}


class LoudnessFactory:
    def for_job(self, weight, context):
        return Loudness(weight) if context.task.makes_audio else None


FACTORY = LoudnessFactory()


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(small_family(write_small(tmp_path_factory.mktemp("models"))))


@pytest.fixture
def outside(monkeypatch):
    """Entry points of seehear.losses, as a package outside would register them."""
    found = {
        name: EntryPoint(name, f"{__name__}:{value}", plugins.LOSSES)
        for name, value in (("halved", "halved"), ("loudness", "FACTORY"))
    }
    monkeypatch.setattr(plugins, "external", lambda group: found if group == plugins.LOSSES else {})
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value.split(":")[1]])


def losses_of(studio, preset):
    result = studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=preset)
    return next(step["losses"] for step in result.trace if step["losses"]), result


def test_a_preset_may_hold_a_function(studio):
    ours, _ = losses_of(studio, QUICK)
    halves, result = losses_of(studio, replace(QUICK, distance=halved))
    for name, value in ours.items():
        assert halves[name] == pytest.approx(value / 2, rel=1e-5)
    assert result.settings["preset"]["distance"].endswith("test_losses:halved")


def test_a_distance_of_another_package_is_found_by_name(studio, outside):
    ours, _ = losses_of(studio, QUICK)
    halves, result = losses_of(studio, replace(QUICK, distance="halved"))
    assert halves["audio-video whole"] == pytest.approx(ours["audio-video whole"] / 2, rel=1e-5)
    assert preset_from_json(result.settings["preset"]) == replace(QUICK, distance="halved")


def test_a_loss_term_of_another_package_is_found_by_name(studio, outside):
    preset = replace(QUICK, terms={"loudness": 3.0})
    losses, result = losses_of(studio, replace(preset, mel_bridge=False))
    assert losses["loudness"] > 0
    assert result.settings["preset"]["terms"] == {"loudness": 3.0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"distance": "euclid"}, r"no distance is called 'euclid'; choose one of cosine, names"),
        ({"distance": "os:system"}, "which a manifest may not import"),
        ({"distance": lambda a, b: a}, "cannot be recorded in a manifest"),
        ({"terms": {"loud": 1.0}}, "no loss term is called 'loud'; choose one of sync"),
        ({"terms": {"sync": -1.0}}, "finite weights of loss terms of at least 0"),
        ({"target_temperature": object()}, "cannot record"),
    ],
)
def test_what_cannot_be_computed_or_recorded_is_refused_before_sampling(studio, changes, sentence):
    fields = {f: getattr(QUICK, f) for f in QUICK.__dataclass_fields__} | changes
    preset = object.__new__(Preset)
    for name, value in fields.items():
        object.__setattr__(preset, name, value)
    with pytest.raises(SettingsError, match=sentence):
        studio.job("v2a", as_video(moving_frames(), fps=25.0), prompt="rain", preset=preset)


def test_every_preset_can_be_recorded():
    assert preset_from_json(json.loads(json.dumps(to_json(QUICK)))) == QUICK
