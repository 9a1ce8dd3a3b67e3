"""Validation of requests and of replayed JSON."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_family import moving_frames, small_picture_family
from tests.media_files import make_sound, make_video

from seehear.errors import Cancelled, MediaError, SettingsError
from seehear.media import probe, write_image
from seehear.pipeline import studio as studio_module
from seehear.pipeline.manifest import read_manifest
from seehear.web.make import RunJob
from seehear.web.model_pool import ModelPool
from seehear.web.requests import MAX_STEPS, ReplayRequest, WebRequest, presets_offered
from seehear.web.run_thread import Run, StepEvent

TASKS = ("v2a", "i2a", "a2v", "a2i", "joint")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_picture_family(tmp_path_factory.mktemp("models"))


@pytest.fixture
def studios(monkeypatch, family):
    """The small family in place of the packaged one; counts loads."""
    loads = []

    def load_family(options):
        loads.append(options.models)
        return replace(family, name=options.models)

    monkeypatch.setattr(studio_module, "load_family", load_family)
    found = ModelPool(("pocket",))
    found.loads = loads
    return found


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    make_video(folder / "clip.mp4")
    make_sound(folder / "clip.wav", 0.1 * np.ones((1, 16_000), np.float32), "pcm_s16le")
    write_image(folder / "clip.png", torch.from_numpy(moving_frames(1)[0]).permute(2, 0, 1))
    kinds = {"v2a": "clip.mp4", "i2a": "clip.png", "a2v": "clip.wav", "a2i": "clip.wav"}
    return {task: folder / name for task, name in kinds.items()} | {"joint": None}


def asked(inputs, task="v2a", **changes):
    fields = {"prompt": "rain", "steps": 3, "duration_s": 1.0} | changes
    return WebRequest(task=task, input_file=inputs[task], **fields)


def made(studios, folder, *requests, run=None):
    folder.mkdir()
    events = []
    job = RunJob(asked=requests, folder=folder, studios=studios, run=run or Run())
    return job(events.append), events


def test_a_joint_model_adds_its_task():
    assert set(ModelPool(("pocket",)).tasks) == set(TASKS)
    assert set(ModelPool(("pocket",), backbone="x").tasks) == {*TASKS, "joint-model"}


@pytest.mark.long
@pytest.mark.parametrize("task", TASKS)
def test_every_task_writes_files_that_play_and_replay(studios, inputs, tmp_path, task):
    done, events = made(studios, tmp_path / "out", ("made", asked(inputs, task)))
    (output,) = done.outputs
    suffix = {"i2a": ".wav", "a2i": ".png"}.get(task, ".mp4")
    kind = {"i2a": "audio", "a2i": "image"}.get(task, "video")
    assert output.media.suffix == suffix
    assert probe(output.media).kind == kind
    assert (output.audio is None) == (task == "a2i")
    assert (output.drawing is None) == (task == "a2i")
    turns = 4 if task == "joint" else 3  # audio and video start one after the other
    assert [event.step for event in events] == list(range(turns + 1))
    previews = [event.preview for event in events if event.preview]
    assert previews
    assert all(preview.is_frames == (task in ("a2v", "a2i", "joint")) for preview in previews)
    assert all((preview.audio is None) == (task in ("a2v", "a2i")) for preview in previews)

    record = read_manifest(output.manifest)
    assert str(tmp_path) not in str(record["inputs"])
    again = ReplayRequest(record=record, input_file=inputs[task])
    done, _ = made(studios, tmp_path / "again", ("replay", again))
    assert done.verdict == ("Same media, bit for bit.",)
    assert studios.loads == ["pocket"]


def test_a_negative_prompt_reaches_the_job_and_is_replayed(studios, inputs, tmp_path):
    done, _ = made(studios, tmp_path / "out", ("made", asked(inputs, negative="music")))
    record = read_manifest(done.outputs[0].manifest)
    assert record["settings"]["negative"] == "music"
    again = ReplayRequest(record=record, input_file=inputs["v2a"])
    done, _ = made(studios, tmp_path / "again", ("replay", again))
    assert done.verdict == ("Same media, bit for bit.",)
    with pytest.raises(SettingsError, match="a prompt of at most 500 characters"):
        asked(inputs, negative="x" * 501)
    with pytest.raises(SettingsError, match="prompts: expected text of up to 500 characters"):
        ReplayRequest(
            record=record | {"settings": record["settings"] | {"negative": "x" * 501}},
            input_file=inputs["v2a"],
        )


def test_reference_files_of_a_manifest_are_not_read(studios, inputs, tmp_path):
    done, _ = made(studios, tmp_path / "out", ("made", asked(inputs)))
    record = read_manifest(done.outputs[0].manifest)

    def with_veto(reference):
        settings = record["settings"] | {"references": {"veto": reference}}
        return ReplayRequest(record=record | {"settings": settings}, input_file=inputs["v2a"])

    with_veto({"text": "wind"})
    with pytest.raises(SettingsError, match="prompts: expected text of up to 500 characters"):
        with_veto({"text": "x" * 501})
    with pytest.raises(SettingsError, match="has reference files"):
        with_veto({"input": {"file": "a.wav", "path": "/etc/a.wav", "sha256": ""}})


def test_unguided_and_guided_start_from_the_same_noise(studios, inputs, tmp_path):
    request = asked(inputs, strength=4.0)
    pair = (("unguided", replace(request, strength=0.0)), ("guided", request))
    done, events = made(studios, tmp_path / "out", *pair)
    assert [output.title for output in done.outputs] == ["unguided", "guided"]
    unguided, guided = (read_manifest(output.manifest) for output in done.outputs)
    assert unguided["seed"] == guided["seed"]
    assert unguided["samples_sha256"] != guided["samples_sha256"]
    assert not any(step["is_guided"] for step in unguided["trace"])
    assert events[-1].step == events[-1].num_steps == 6


def test_strength_scales_the_presets_rates(inputs):
    for preset in presets_offered("v2a"):
        one, two = (
            asked(inputs, preset=preset, strength=s).chosen.settings.aligner for s in (1.0, 2.0)
        )
        assert (two.lr_latents, two.lr_prompt) == (2 * one.lr_latents, 2 * one.lr_prompt)


def test_a_stopped_run_runs_no_further_step(studios, inputs, tmp_path):
    run, events = Run(), []

    def tell(event):
        events.append(event)
        if isinstance(event, StepEvent) and event.step == 2:
            run.stop()

    (tmp_path / "out").mkdir()
    requests = (("made", asked(inputs, steps=50)),)
    with pytest.raises(Cancelled):
        RunJob(asked=requests, folder=tmp_path / "out", studios=studios, run=run)(tell)
    assert events[-1].step == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": MAX_STEPS + 1}, "steps: expected 1 to 100"),
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed: expected 0"),
        ({"strength": float("nan")}, "strength"),
        ({"duration_s": 1e9}, "duration in seconds: expected 0.1 to 60"),
        ({"prompt": "x" * 501}, "at most 500 characters"),
    ],
)
def test_values_beyond_the_limits_are_refused(inputs, changes, sentence):
    fields = {"task": "v2a", "input_file": inputs["v2a"]} | changes
    with pytest.raises(SettingsError, match=sentence):
        WebRequest(**fields)


@pytest.mark.parametrize("task", ["v2a", "i2a", "a2v", "a2i"])
def test_a_file_of_the_wrong_kind_is_refused_by_name(studios, inputs, task):
    other = inputs["a2v"] if task in ("v2a", "i2a") else inputs["i2a"]
    with (
        studios.use("pocket") as studio,
        pytest.raises(MediaError, match=f"^{other.name}: expected a"),
    ):
        WebRequest(task=task, input_file=other).job(studio)


def test_only_offered_families_and_presets_can_be_used(studios, inputs):
    with (
        pytest.raises(SettingsError, match="expected one of the models pocket"),
        studios.use("paper"),
    ):
        pass
    with pytest.raises(SettingsError, match="has no preset 'paper-v2a' in the web interface"):
        asked(inputs, preset="paper-v2a").chosen  # noqa: B018


@pytest.fixture
def record(studios, inputs, tmp_path):
    done, _ = made(studios, tmp_path / "first", ("made", asked(inputs)))
    return read_manifest(done.outputs[0].manifest)


def test_the_input_path_in_a_json_is_not_read(record, inputs, tmp_path):
    secret = tmp_path / "secret.mp4"
    shutil.copy(inputs["v2a"], secret)
    record["inputs"][0]["path"] = str(secret)
    with pytest.raises(MediaError, match="expected the input file as well; drop clip"):
        ReplayRequest(record=record, input_file=None)
    with pytest.raises(MediaError, match="its content differs"):
        ReplayRequest(record=record, input_file=inputs["a2v"])


def _with(record, path, value):
    changed = copy.deepcopy(record)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("settings", "loaded"), {"audio": "/etc"}, "custom models or load options"),
        (("settings", "loaded"), {"captioner": "blip"}, "custom models or load options"),
        (("settings", "preset", "settings", "num_steps"), 1000, "steps: expected 1 to 100"),
        (("settings", "preset", "settings", "own_steps"), {"audio": 10**9}, "steps"),
        (("settings", "preset", "settings", "aligner", "num_updates"), 999, "num_updates"),
        (("settings", "preset", "overlap"), 0.999, "overlap"),
        (("settings", "preset", "image_augmentation", "per_step"), 200, "views per step"),
        (("settings", "preset", "mel_augmentation", "per_step"), 200, "views per step"),
        (("settings", "preset", "settings"), {"x": 1}, "not in the format of this version"),
        (("settings", "preset"), [1], "not in the format of this version"),
        (("settings", "duration_s"), 1e6, "duration"),
        (("settings", "prompts"), {"audio": 3}, "expected text of up to 500"),
        (("caption",), ["a"], "expected text of up to 500"),
        (("caption",), "x" * 501, "expected text of up to 500"),
        (("seed",), 2**70, "seed"),
        (("task",), "../v2a", "expected one of"),
        (("inputs",), [], "arrays in Python"),
        (("samples_sha256",), None, "expected one of samples_sha256"),
    ],
)
def test_a_json_beyond_the_limits_is_refused(record, inputs, path, value, sentence):
    with pytest.raises((SettingsError, MediaError), match=sentence):
        ReplayRequest(record=_with(record, path, value), input_file=inputs["v2a"])


def test_a_replay_that_differs_is_reported(studios, record, inputs, tmp_path):
    changed = _with(record, ("seed",), 1)
    again = ReplayRequest(record=changed, input_file=inputs["v2a"])
    done, _ = made(studios, tmp_path / "again", ("replay", again))
    assert done.verdict[0] == "It differs from the original."
