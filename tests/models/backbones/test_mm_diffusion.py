"""MM-Diffusion without golden numbers: files, configs, streams and the second stage."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tests.contracts.small import small_mm_diffusion

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.diffusion import NoiseLevel
from seehear.guidance.sampling import sample
from seehear.guidance.settings import SamplingSettings
from seehear.models.backbones import mm_diffusion
from seehear.models.backbones.mm_diffusion import STREAMS, MMDiffusion, MMDiffusionConfig
from seehear.models.coupled_unet import CoupledUNet, CoupledUNetConfig
from seehear.models.image_upsampler import (
    ImageUpsampler,
    ImageUpsamplerConfig,
    clipped_prediction,
    upsampled_frames,
)


@pytest.fixture(scope="module")
def conditioned():
    return small_mm_diffusion()


@pytest.fixture(scope="module")
def model(conditioned):
    return conditioned.model


def priors(model, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {s: model.stream(s).prior(0.0, batch, generator) for s in STREAMS}


def predicted(model, z, level):
    return model.predict(z, level, {}, {})


def test_a_folder_is_read_back_with_its_sizes_and_rates(model, tmp_path):
    mm_diffusion.save(model.network, model.config, tmp_path)
    restored = mm_diffusion.load(tmp_path, dtype=torch.float64)
    assert restored.config == model.config
    z, level = priors(model), model.levels(5)[2]
    for s in STREAMS:
        before, after = (predicted(m, z, level)[s].x0 for m in (model, restored))
        torch.testing.assert_close(after, before, rtol=0.05, atol=0.05)  # weights are in float16


def test_a_released_file_with_other_shapes_is_refused_in_one_sentence(model, tmp_path):
    path = tmp_path / "Landscape.pt"
    torch.save(model.network.state_dict(), path)
    with pytest.raises(WeightsError, match=r"Landscape.pt: expected the weights of MM-Diffusion"):
        mm_diffusion.load(path)


def test_a_missing_file_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match="expected a weight file, found none"):
        mm_diffusion.load(tmp_path / "Landscape.pt")


@pytest.mark.parametrize(
    "changes",
    [
        {"network": 3},
        {"network": {"frames": 10**9}},
        {"network": {"frames": True}},
        {"network": {"other": 1}},
        {"network": {"channel_mult": []}},
        {"network": {"channel_mult": [1] * 99}},
        {"network": {"base_channels": 33}},
        {"network": {"samples": 1001}},
        {"network": {"cross_attention_windows": [1, 4, 99]}},
        {"sample_rate": "16000"},
        {"sample_rate": 1},
        {"fps": float("nan")},
        {"sampler": "euler"},
        {"shift_seed": -1},
        {"other": 1},
    ],
)
def test_a_config_that_describes_no_network_is_refused(changes, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"network": {}} | changes))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="copy or download"):
        mm_diffusion.load(tmp_path)


def test_predictions_at_a_level_use_the_same_shifts_and_another_seed_other_ones(model):
    z, level = priors(model), model.levels(5)[2]
    first, again = predicted(model, z, level), predicted(model, z, level)
    other = MMDiffusion(
        model.network, MMDiffusionConfig(network=model.network.config, shift_seed=1)
    )
    assert torch.equal(first["video"].x0, again["video"].x0)
    draws = [other.shifts_at(level) for level in model.levels(5)]
    assert len(set(map(tuple, draws))) > 1
    assert draws != [model.shifts_at(level) for level in model.levels(5)]


def test_one_stream_of_a_joint_model_cannot_be_predicted_alone(model):
    stream = model.stream("audio")
    z = stream.prior(0.0, 1, torch.Generator().manual_seed(0))
    with pytest.raises(SettingsError, match="expected the video and the audio"):
        stream.predict(z, model.levels(5)[0], stream.embed_prompt([""]), 1.0)


def test_a_clip_longer_than_the_model_is_refused(model):
    with pytest.raises(SettingsError, match=r"at most 0.8 s"):
        model.stream("audio").prior(1.0, 1, torch.Generator())


def test_more_steps_than_the_schedule_are_refused(model):
    with pytest.raises(SettingsError, match="expected 1 to 1000 steps"):
        model.levels(1001)


def test_a_conditioning_stream_is_at_the_level_of_the_other_one(conditioned, monkeypatch):
    seen = []
    predict = conditioned.model.predict
    monkeypatch.setattr(
        conditioned.model, "predict", lambda z, *rest: seen.append(z["video"]) or predict(z, *rest)
    )
    z = conditioned.prior(0.0, 2, torch.Generator().manual_seed(0))
    for level in conditioned.levels(4):
        conditioned.predict(z, level, conditioned.embed_prompt(["", ""]), 1.0)
        known = level.alpha * conditioned.latents + level.sigma * conditioned.noise
        assert torch.equal(seen[-1], known.expand(2, -1, -1, -1, -1))


def test_given_latents_of_another_size_are_refused(model):
    with pytest.raises(SettingsError, match="cut and resize the audio"):
        model.conditioned_on("audio", torch.zeros(1, 1, 7), torch.Generator())


def test_encoding_inverts_decoding(model):
    z = {s: v.tanh() for s, v in priors(model).items()}
    for s in STREAMS:
        stream = model.stream(s)
        torch.testing.assert_close(stream.encode(stream.decode(z[s])), z[s], rtol=0, atol=1e-12)


def test_streams_of_one_model_need_the_same_steps(model):
    streams = {s: model.stream(s) for s in STREAMS}
    settings = SamplingSettings(num_steps=4, own_steps={"audio": 3, "video": 4})
    with pytest.raises(SettingsError, match="expected the same steps for video and audio"):
        sample(
            streams, priors(model), {s: b.embed_prompt([""]) for s, b in streams.items()}, None,
            settings,
        )  # fmt: skip


def test_a_clamped_estimate_has_the_noise_that_belongs_to_it_and_a_gradient_everywhere():
    z = torch.linspace(-3, 3, 7, dtype=torch.float64).requires_grad_()
    level = NoiseLevel(t=500.0, alpha=0.6, sigma=0.8)
    found = clipped_prediction(z, torch.zeros_like(z), level)
    assert found.x0.abs().max() <= 1
    torch.testing.assert_close(level.alpha * found.x0 + level.sigma * found.eps, z)
    assert torch.equal(torch.autograd.grad(found.x0.sum(), z)[0], torch.full_like(z, 1 / 0.6))


@torch.no_grad()
def test_frames_of_a_clip_are_enlarged_from_the_same_noise():
    torch.manual_seed(0)
    sizes = ImageUpsamplerConfig(
        base_channels=32, channel_mult=(1, 2), num_res_blocks=1, num_heads=2, attention_at=(2,)
    )
    network = ImageUpsampler(sizes).double().requires_grad_(False).eval()
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    levels = mm_diffusion.levels_at(
        mm_diffusion.linear_alphas_cumprod(), mm_diffusion.kept_timesteps(3, "ddim")
    )
    small = torch.rand(1, 3, 4, 4, dtype=torch.float64).expand(3, -1, -1, -1) * 2 - 1
    large = upsampled_frames(network, small, levels, torch.Generator().manual_seed(0), max_batch=2)
    assert large.shape == (3, 3, 16, 16)
    assert large.abs().max() <= 1
    for k in (1, 2):
        torch.testing.assert_close(large[k], large[0], rtol=0, atol=1e-12)


def test_bfloat16_keeps_latents_in_float32_and_stays_close():
    torch.manual_seed(0)
    sizes = CoupledUNetConfig(
        frames=8, height=8, width=8, samples=1024, base_channels=32, channel_mult=(1, 1, 1, 1),
        num_res_blocks=1, head_channels=16,
    )  # fmt: skip
    network = CoupledUNet(sizes)
    for parameter in network.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    config = MMDiffusionConfig(network=sizes, sample_rate=1280)
    wide = MMDiffusion(network, config)
    z, level = priors(wide), wide.levels(10)[5]
    with torch.no_grad():
        expected = predicted(wide, z, level)
    narrow = MMDiffusion(network.bfloat16(), config)
    leaves = {s: v.clone().requires_grad_() for s, v in z.items()}
    found = predicted(narrow, leaves, level)
    for s in STREAMS:
        assert found[s].x0.dtype == torch.float32
        close = {"rtol": 0, "atol": 0.05}
        torch.testing.assert_close(found[s].x0.detach(), expected[s].x0, **close)
        (grad,) = torch.autograd.grad(found[s].x0.square().sum(), leaves[s], retain_graph=True)
        assert grad.isfinite().all()
        assert grad.abs().max() > 0
