"""What every backbone promises, whatever model is inside."""

import pkgutil

import pytest
import torch
from tests.contracts.small import BACKBONES

import seehear.models.backbones
from seehear.guidance.diffusion import step
from seehear.guidance.protocols import Backbone

NAMES = sorted(module.name for module in pkgutil.iter_modules(seehear.models.backbones.__path__))


@pytest.fixture(scope="module", params=NAMES)
def backbone(request):
    assert request.param in BACKBONES, f"add a small {request.param} to tests/contracts/small.py"
    return BACKBONES[request.param]()


def tolerance(value):
    return 1e-9 if value.dtype == torch.float64 else 1e-4


def start(backbone, batch, seed=0):
    z = backbone.prior(backbone.native_duration_s, batch, torch.Generator().manual_seed(seed))
    return z, backbone.embed_prompt(["a dog barking"] * batch)


def test_it_has_every_method_and_attribute(backbone):
    assert isinstance(backbone, Backbone)
    assert backbone.time_axis > 0


def test_levels_run_from_noisy_to_clean(backbone):
    levels = backbone.levels(5)
    assert len(levels) == 6
    sigmas = [level.sigma for level in levels]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] < 0.1 < sigmas[0]


def test_the_same_seed_draws_the_same_latents_and_another_seed_others(backbone):
    assert torch.equal(start(backbone, 1)[0], start(backbone, 1)[0])
    assert not torch.equal(start(backbone, 1)[0], start(backbone, 1, seed=1)[0])


def test_latents_are_long_enough_and_decode_to_the_duration(backbone):
    z, _ = start(backbone, 1)
    needed = backbone.native_duration_s * backbone.latents_per_s
    assert z.shape[backbone.time_axis] >= needed - 1e-6
    with torch.no_grad():
        media = backbone.decode(z)
    assert media.shape[1] >= round(backbone.native_duration_s * backbone.sample_rate)


def test_an_empty_prompt_is_the_unconditional_one(backbone):
    uncond, cond = backbone.embed_prompt([""]).chunk(2)
    assert torch.equal(uncond, cond)


@torch.no_grad()
def test_guidance_from_nothing_to_nothing_is_no_guidance(backbone):
    z = backbone.prior(0.5, 2, torch.Generator().manual_seed(0))
    y, level = backbone.embed_prompt(["", ""]), backbone.levels(4)[1]
    plain, guided = (backbone.predict(z, level, y, scale) for scale in (1.0, 7.5))
    for mine, wanted in ((guided.x0, plain.x0), (guided.eps, plain.eps)):
        torch.testing.assert_close(mine, wanted, rtol=0, atol=tolerance(wanted))


@torch.no_grad()
def test_clean_estimate_and_noise_make_up_the_latents(backbone):
    z, y = start(backbone, 1)
    level = backbone.levels(10)[5]
    found = backbone.predict(z, level, y, 2.0)
    rebuilt = step(found, level)
    torch.testing.assert_close(rebuilt, z, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_batch_of_two_equals_two_batches_of_one(backbone):
    z = start(backbone, 2)[0]
    y = backbone.embed_prompt(["a dog barking", "rain"])
    level = backbone.levels(10)[5]
    together = backbone.predict(z, level, y, 2.5)
    media = backbone.decode(z)
    for k in range(2):
        alone = backbone.predict(z[k : k + 1], level, y[[k, k + 2]], 2.5)
        close = {"rtol": 0, "atol": tolerance(z)}
        torch.testing.assert_close(together.x0[k : k + 1], alone.x0, **close)
        torch.testing.assert_close(together.eps[k : k + 1], alone.eps, **close)
        torch.testing.assert_close(media[k : k + 1], backbone.decode(z[k : k + 1]), **close)


def test_gradients_reach_latents_and_prompt_through_denoiser_and_decoder(backbone):
    z, y = (v.requires_grad_() for v in start(backbone, 1))
    media = backbone.decode(backbone.predict(z, backbone.levels(10)[5], y, 2.0).x0)
    inputs = [z, y] if y.numel() else [z]  # an unconditional model has no prompt
    for grad in torch.autograd.grad(media.square().sum(), inputs):
        assert grad.isfinite().all()
        assert grad.abs().max() > 0


def test_finite_differences_agree_with_the_gradient(backbone):
    z, y = start(backbone, 1)
    if z.dtype != torch.float64:
        pytest.skip("finite differences need a float64 model")
    level = backbone.levels(10)[5]
    direction = torch.randn(z.shape, generator=torch.Generator().manual_seed(1), dtype=z.dtype)

    def loss(latents):
        return backbone.decode(backbone.predict(latents, level, y, 2.0).x0).square().sum()

    leaf = z.clone().requires_grad_()
    slope = (torch.autograd.grad(loss(leaf), leaf)[0] * direction).sum()
    # Not under no_grad: a model may decode otherwise there. Vocoders have kinks: a short step.
    expected = (loss(z + 1e-8 * direction) - loss(z - 1e-8 * direction)).detach() / 2e-8
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-8)
