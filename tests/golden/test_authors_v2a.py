"""The `authors` preset reproduces the released video-to-audio loop: float64, random tiny models.

As the original does, only these are in float32: alpha-bar and its roots, the UNet's sinusoids and
the mel filter bank.
"""

from dataclasses import dataclass, replace
from functools import cache

import golden_numbers as golden
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import SpeechT5HifiGan

from seehear.guidance.aligner import StepTrace
from seehear.guidance.conditions import Targets
from seehear.guidance.objective import Agreement
from seehear.guidance.sampling import sample
from seehear.models.backbones.audioldm import AudioLDM
from seehear.pipeline import presets

SCALARS = {
    "t": "timesteps",
    "alpha": "sqrt_alpha_t",
    "sigma": "sqrt_one_minus_alpha_t",
    "inv_alpha": "inv_sqrt_alpha_t",
}
# The root after the last step is not recorded. Of those within an ulp of the true one, this is the
# only one that the recorded latents follow from.
LAST_ALPHA = 0.9992497563362122
ATOL = 1e-9  # of latents after every step, free running


class Recording(AudioLDM):
    """Keeps the latents that every step starts from."""

    wanted = None  # what the original recorded

    def levels(self, num_steps):
        """With the roots that were recorded: processors differ by an ulp in float32's."""
        *levels, last = super().levels(num_steps)
        recorded = {name: self.wanted[key].double().tolist() for name, key in SCALARS.items()}
        return (
            *(
                replace(level, **{name: values[i] for name, values in recorded.items()})
                for i, level in enumerate(levels)
            ),
            replace(last, alpha=LAST_ALPHA),
        )

    def predict(self, z, level, y, guidance_scale):
        self.latents.append(z)
        prediction = super().predict(z, level, y, guidance_scale)
        self.noise.append(prediction.eps)
        return prediction


def audioldm() -> Recording:
    folder, double = golden.FOLDER / "v2a", torch.float64
    model = Recording(
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=double),
        vae=AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=double),
        vocoder=SpeechT5HifiGan.from_pretrained(folder / "vocoder", dtype=double),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
    )
    model.latents, model.noise = [], []
    return model


@dataclass(frozen=True)
class Run:
    latents: Tensor  # (steps, ...) after every step
    noise: Tensor  # (steps, ...) predicted at every step
    trace: tuple[StepTrace, ...]
    wanted: dict[str, Tensor]
    backbone: AudioLDM


@cache
def run(name: str) -> Run:
    setting, given = golden.settings("v2a/runs.json")[name], golden.arrays("v2a/inputs.npz")
    settings = replace(
        presets.AUTHORS.settings,
        num_steps=setting["steps"],
        guidance_scale=setting["guidance_scale"],
        aligner=replace(
            presets.AUTHORS.settings.aligner,
            lr_latents=setting["lr"],
            num_updates=setting["inner"],
            start=setting["warmup"],
        ),
    )
    wanted = golden.arrays(f"v2a/{name}.npz")
    backbone = audioldm()
    backbone.wanted = wanted
    binder = golden.imagebind(float(setting["clip_duration"]), setting["clips"])
    targets = {
        "video": binder.towers.embed_vision(golden.pixels(setting["pixels"])),
        "text": binder.towers.embed_text(given["text_ids"]),
    }
    assert_near(targets["video"][0], wanted["emb_vision"], 1e-10)
    assert_near(targets["text"][0], wanted["emb_text"], 1e-10)
    result = sample(
        {"audio": backbone},
        {"audio": given[f"latents_0_{name}"]},
        {"audio": torch.cat([given["negative_prompt_embeds"], given["prompt_embeds"]])},
        Agreement(
            backbones={"audio": backbone},
            binder=binder,
            pairs=presets.AUTHORS.pairs,
            weights=presets.AUTHORS.weights,
            targets=Targets((), targets),
        ),
        settings,
    )
    latents = torch.stack([*backbone.latents[1:], result.latents["audio"]])
    return Run(latents, torch.stack(backbone.noise), result.trace, wanted, backbone)


def assert_near(got, wanted, atol):
    torch.testing.assert_close(got, wanted, rtol=0, atol=atol)


@pytest.mark.long
def test_latents_after_every_step_equal_the_originals():
    assert_near(run("run_a").latents, run("run_a").wanted["latents"], ATOL)


@pytest.mark.long
def test_latents_with_two_updates_a_step_equal_the_originals():
    made = run("run_b")
    assert_near(made.latents[..., ::4, :], made.wanted["latents_sub"], ATOL)
    assert_near(made.latents[-1], made.wanted["latents_final"], ATOL)


@pytest.mark.parametrize("name", ["run_a", "run_b"])
def test_the_same_steps_are_guided_with_the_same_losses_and_gradient_norms(name):
    made = run(name)
    assert [step.is_guided for step in made.trace] == made.wanted["guided"].tolist()
    guided = [step for step in made.trace if step.is_guided]
    for term, key in (("audio-text", "loss_text_audio"), ("audio-video", "loss_vision_audio")):
        losses = torch.tensor([step.losses[term] for step in guided], dtype=torch.float64)
        assert_near(losses, made.wanted[key][:, 0], 1e-12)
    norms = torch.tensor([step.gradient_norm["audio"] for step in guided], dtype=torch.float64)
    assert_near(norms, made.wanted["grad_norm"][:, 0], 1e-12)


def test_the_combined_noise_equals_the_originals():
    made = run("run_a")
    assert_near(made.noise[0][..., ::4, :], made.wanted["eps_step0"], 1e-10)
    assert_near(made.noise[3], made.wanted["eps_first_guided"], ATOL)
    assert_near(made.noise.flatten(1).norm(dim=1), made.wanted["eps_norm"], ATOL)


@pytest.mark.parametrize("name", ["run_a", "run_b"])
def test_the_schedules_float32_scalars_equal_the_originals(name):
    made = run(name)
    levels = AudioLDM.levels(made.backbone, len(made.trace))
    found = {key: [getattr(level, name) for level in levels[:-1]] for name, key in SCALARS.items()}
    assert found["timesteps"] == made.wanted["timesteps"].double().tolist()
    # The original's formulas, with every root rounded once to float32.
    alpha_bar = [np.float32(a) for a in made.wanted["alpha_t"].tolist()]
    expected = {
        "sqrt_alpha_t": [np.sqrt(a).item() for a in alpha_bar],
        "sqrt_one_minus_alpha_t": [np.sqrt(np.float32(1) - a).item() for a in alpha_bar],
        "inv_sqrt_alpha_t": [(np.float32(1) / np.sqrt(a)).item() for a in alpha_bar],
    }
    assert {key: found[key] for key in expected} == expected
    # The processor that recorded them rounded some roots the other way: an ulp of float32.
    for key, roots in expected.items():
        assert made.wanted[key].double().tolist() == pytest.approx(roots, rel=2e-7, abs=0)


@torch.no_grad()
def test_the_final_sound_equals_the_originals():
    made = run("run_a")
    mel = made.backbone.mel_from_latents(made.latents[-1])
    assert_near(mel, made.wanted["mel_final"], ATOL)
    waveform = made.backbone.waveform_from_mel(mel)
    assert waveform.shape == (1, 64_032)
    assert_near(waveform[:, ::3], made.wanted["wave_final"], 1e-10)
    kept = waveform[0, :64_000]
    sums = torch.stack([kept.sum(), kept.square().sum()])
    torch.testing.assert_close(sums, made.wanted["wave_final_sums"])
