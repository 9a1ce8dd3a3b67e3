"""Plug-ins are found by file name, by the class of a checkpoint, and by entry point."""

import importlib
import json
import pkgutil
from importlib.metadata import EntryPoint
from inspect import signature
from types import SimpleNamespace

import pytest
from small_family import moving_frames, small_family, write_small, write_small_video

from seehear.errors import SettingsError, WeightsError
from seehear.models import backbones, binders, plugins
from seehear.models.backbones import animatediff
from seehear.models.backbones.animatediff import AnimateDiff
from seehear.models.binders.linear import RandomLinearBinder
from seehear.models.families import load_family
from seehear.models.load_options import LoadOptions
from seehear.pipeline import studio as studio_module
from seehear.pipeline.inputs import as_image


def test_every_backbone_and_binder_offers_what_the_registry_calls():
    for module in pkgutil.iter_modules(backbones.__path__):
        found = importlib.import_module(f"seehear.models.backbones.{module.name}")
        if hasattr(found, "STREAMS"):  # a joint model
            assert set(found.STREAMS) == {"audio", "video"}
            assert module.name.replace("_", "-") in backbones.joint_names()
            continue
        assert found.STREAM in ("audio", "video")
        assert isinstance(found.PIPELINES, tuple)
    for module in pkgutil.iter_modules(binders.__path__):
        found = importlib.import_module(f"seehear.models.binders.{module.name}")
        assert {"source", "device", "dtype", "lean"} <= signature(found.load).parameters.keys()


def test_a_checkpoint_is_read_by_the_backbone_of_its_class(tmp_path):
    assert backbones.name_for(write_small(tmp_path)) == "audioldm"
    assert backbones.name_for(write_small_video(tmp_path)) == "animatediff"


def test_a_checkpoint_of_an_unknown_class_is_refused_by_name(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(WeightsError, match=r"AudioLDMPipeline.*index.json has 'FluxPipeline'"):
        backbones.name_for(tmp_path)


def test_an_unknown_joint_model_is_refused_by_name(tmp_path):
    with pytest.raises(SettingsError, match=r"name of a joint model \(mm-diffusion\)"):
        backbones.load_joint("audioldm", tmp_path)


def test_a_video_model_as_audio_is_refused_by_what_it_generates(tmp_path):
    family = load_family(LoadOptions(audio=write_small_video(tmp_path)))
    with pytest.raises(WeightsError, match=r"expected a model that generates audio.*--video"):
        family.backbone("audio")


def test_another_package_adds_a_backbone_and_a_binder(monkeypatch, tmp_path):
    small = write_small_video(tmp_path)
    flux = SimpleNamespace(
        STREAM="video",
        PIPELINES=("FluxPipeline",),
        load=lambda source, **options: animatediff.load(small, **options),
    )
    mine = SimpleNamespace(load=lambda source=None, **options: binders.load("linear"))
    found = {
        plugins.BACKBONES: {"flux": EntryPoint("flux", "flux", plugins.BACKBONES)},
        plugins.BINDERS: {"mine": EntryPoint("mine", "mine", plugins.BINDERS)},
    }
    monkeypatch.setattr(plugins, "external", lambda group: found.get(group, {}))
    monkeypatch.setattr(EntryPoint, "load", lambda self: {"flux": flux, "mine": mine}[self.name])
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    family = load_family(LoadOptions(video=tmp_path, binder="mine"))
    assert isinstance(family.video, AnimateDiff)
    assert isinstance(family.binder, RandomLinearBinder)


def test_a_plug_in_that_cannot_be_imported_is_one_sentence(monkeypatch):
    broken = {"broken": EntryPoint("broken", "no_such_package.module", plugins.BINDERS)}
    monkeypatch.setattr(plugins, "external", lambda group: broken)
    with pytest.raises(SettingsError, match=r"no_such_package.*install its package again"):
        plugins.find(plugins.BINDERS, "broken")
    with pytest.raises(
        SettingsError,
        match=r"expected a plug-in of seehear.binders \(.*pocket.*, got 'none'; choose",
    ):
        plugins.find(plugins.BINDERS, "none")


def test_another_package_adds_a_captioner(monkeypatch, tmp_path):
    class Painter:
        def caption_image(self, pixels):
            return "a red square"

    painter = SimpleNamespace(load=lambda **options: Painter())
    entry = {"painter": EntryPoint("painter", "painter", plugins.CAPTIONERS)}
    monkeypatch.setattr(plugins, "external", lambda g: entry if g == plugins.CAPTIONERS else {})
    monkeypatch.setattr(EntryPoint, "load", lambda self: painter)
    monkeypatch.setattr(studio_module, "load_family", lambda options: small_family(audio))
    audio = write_small(tmp_path)
    studio = studio_module.load(captioner="painter")
    job = studio.job("i2a", as_image(moving_frames(1)[0]), duration_s=0.5)
    assert (job.prompt, job.captioned_by) == ("a red square", "Painter")
