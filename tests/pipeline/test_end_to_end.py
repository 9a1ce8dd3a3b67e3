"""The shipped models, end to end, heard by a judge that guidance never sees."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seehear.dsp.events import motion_energy, motion_starts, onset_envelope
from seehear.guidance.sampling import sample
from seehear.guidance.settings import SamplingSettings
from seehear.guidance.sync import align_curves, curve_offset_s
from seehear.metrics.features import judge as pocket_judge
from seehear.pipeline.presets import DEFAULT
from seehear.pipeline.studio import load

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rooster.mp4"
SHIPPED = Path(pocket_judge.SHIPPED).parent


@pytest.fixture(scope="module")
def studio():
    return load("pocket")


@pytest.fixture(scope="module")
def judge():
    return pocket_judge.load()


def named(judge, waveform, count=3):
    logits = judge.sound_logits(waveform.view(1, -1))[0]
    return [judge.classes[k] for k in logits.topk(count).indices.tolist()]


def test_the_sample_clip_gets_the_sound_of_what_it_shows(studio, judge):
    result = studio.video_to_audio(SAMPLE, seed=0)
    assert result.waveform is not None
    assert result.waveform.shape == (1, 64_000)
    assert "rooster" in (result.caption or "")
    assert "rooster" in named(judge, result.waveform)


@pytest.mark.long
def test_guidance_alone_turns_noise_towards_the_picture(studio, judge):
    """No prompt: what is heard comes from the gradient of the binder alone."""
    result = studio.video_to_audio(SAMPLE, prompt="", seed=1)
    first, last = (step["losses"] for step in (_guided(result)[0], _guided(result)[-1]))
    assert sum(last.values()) < 0.8 * sum(first.values())
    assert not any(step["dead_gradient"] for step in result.trace)


def _guided(result):
    return [step for step in result.trace if step["is_guided"]]


def test_the_fast_preset_guides_without_decoding(studio, judge, monkeypatch):
    audio = studio.family.audio
    calls = []
    predict = type(audio).predict
    monkeypatch.setattr(type(audio), "predict", lambda *a: calls.append(1) or predict(*a))
    result = studio.video_to_audio(SAMPLE, seed=0, preset="fast")
    num_steps = len(result.trace)
    assert len(calls) == num_steps  # no further prediction in a guided step
    losses = [sum(step["losses"].values()) for step in _guided(result)]
    assert len(losses) >= 20
    assert losses[-1] < 0.8 * losses[0]
    assert "rooster" in named(judge, result.waveform)
    names = {weight["name"] for weight in result.weights}
    assert "latent_encoders/audio/model.safetensors" in names


@pytest.mark.long
def test_prompts_are_heard(studio, judge):
    """Without any picture: of 16 prompts, most are among the judge's first three of 56 names."""
    prompts = {
        "dog": "a dog barking", "cow": "a cow mooing", "wolf": "a wolf howling",
        "train": "a steam train chugging", "airplane": "an airplane flying over",
        "thunder": "thunder rumbling", "drops": "water drops dripping", "rain": "rain falling",
        "door": "a door being knocked on", "clock": "a clock ticking", "drum": "a drum playing",
        "violin": "a violin playing", "siren": "a siren wailing", "baby": "a baby crying",
        "footsteps": "footsteps walking", "applause": "applause clapping",
    }  # fmt: skip
    audio = studio.family.audio
    latents = audio.prior(2.56, len(prompts), torch.Generator().manual_seed(0))
    y = audio.embed_prompt(list(prompts.values()))
    settings = SamplingSettings(num_steps=30, guidance_scale=4.0)
    sampled = sample({"audio": audio}, {"audio": latents}, {"audio": y}, None, settings)
    with torch.no_grad():
        waves = audio.decode(sampled.latents["audio"])
    hits = [thing in named(judge, wave) for thing, wave in zip(prompts, waves, strict=True)]
    assert sum(hits) >= 11


def test_shipped_weights_fit_the_budget_and_hold_no_pickle():
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert not [p for p in files if p.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}]
    sizes = {p.relative_to(SHIPPED): p.stat().st_size for p in files if p.suffix == ".safetensors"}
    of_pictures = {p for p in sizes if p.parts[0] == "video" or p.name == "eye.safetensors"}
    assert sum(size for p, size in sizes.items() if p not in of_pictures) <= 75e6  # the audio half
    assert sum(sizes.values()) <= 100e6


def test_every_weight_file_has_a_licence_in_the_manifest(studio):
    weights = studio.family.weights()
    assert len(weights) >= 6
    assert all(entry["licence"] for entry in weights)


@pytest.mark.long
def test_sounds_begin_when_the_picture_begins_to_move(studio):
    """Two taps of something that jumps at times that no seed would hit."""
    jumps_s, fps = (0.6, 1.8), 12.5
    frames = np.full((32, 64, 64, 3), 90, np.uint8)
    for k in range(32):
        left = 4 + 20 * sum(k / fps >= s for s in jumps_s)
        frames[k, 24:44, left : left + 16] = (230, 60, 40)
    motion = motion_starts(
        motion_energy(torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() / 255, fps)
    )

    def in_step(sync_weight):
        made = studio.video_to_audio(
            frames, prompt="a door being knocked on", fps=fps, seed=3,
            preset=replace(DEFAULT, sync_weight=sync_weight),
        )  # fmt: skip
        heard, seen = align_curves(
            onset_envelope(made.waveform[:1], made.sample_rate), motion, 2.56
        )
        return float((heard * seen).sum()), float(curve_offset_s(heard, seen))

    without, _ = in_step(0.0)
    with_term, offset_s = in_step(0.5)
    assert without < 0.5 < with_term
    assert abs(offset_s) < 0.1
