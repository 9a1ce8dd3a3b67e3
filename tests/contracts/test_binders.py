"""What every binder promises, whatever network is inside."""

import pkgutil

import pytest
import torch
from tests.contracts.small import BINDERS

import seehear.models.binders
from seehear.guidance.protocols import Binder

NAMES = sorted(module.name for module in pkgutil.iter_modules(seehear.models.binders.__path__))
RATE = 16_000


@pytest.fixture(scope="module", params=NAMES)
def binder(request):
    assert request.param in BINDERS, f"add a small {request.param} to tests/contracts/small.py"
    return BINDERS[request.param]()


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def wave(batch, seconds=1.0):
    return 0.2 * noise(batch, round(RATE * seconds)) - 0.1


def test_it_has_every_method(binder):
    assert isinstance(binder, Binder)


@torch.no_grad()
def test_every_embedding_is_one_unit_vector_of_the_same_size(binder):
    audio = binder.embed_audio(wave(2), RATE)
    video = binder.embed_video(noise(2, 3, 3, 32, 32))
    text = binder.embed_text(["a dog barking", "rain"])
    assert audio.shape == video.shape == text.shape
    for embedding in (audio, video, text):
        norms = embedding.norm(dim=1).double()
        torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-4)


@torch.no_grad()
def test_sounds_from_a_tenth_of_a_second_and_single_pictures_are_accepted(binder):
    for seconds in (0.1, 0.37, 2.5):
        assert binder.embed_audio(wave(1, seconds), RATE).isfinite().all()
    for shape in ((1, 1, 3, 40, 64), (1, 5, 3, 24, 24)):
        assert binder.embed_video(noise(*shape)).isfinite().all()


@torch.no_grad()
def test_a_batch_of_two_equals_two_batches_of_one(binder):
    waves, frames = wave(2), noise(2, 2, 3, 32, 32)
    audio = torch.cat([binder.embed_audio(waves[k : k + 1], RATE) for k in range(2)])
    video = torch.cat([binder.embed_video(frames[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(binder.embed_audio(waves, RATE), audio, rtol=0, atol=1e-4)
    torch.testing.assert_close(binder.embed_video(frames), video, rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_same_input_gives_the_same_embedding_and_others_differ(binder):
    first, again, other = (binder.embed_text([p]) for p in ("rain", "rain", "a violin playing"))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_gradients_reach_samples_and_pixels(binder):
    target = binder.embed_text(["rain"])
    waves, frames = wave(1).requires_grad_(), noise(1, 2, 3, 32, 32).requires_grad_()
    for embedding, leaf in (
        (binder.embed_audio(waves, RATE), waves),
        (binder.embed_video(frames), frames),
    ):
        (grad,) = torch.autograd.grad((embedding.to(target) * target).sum(), leaf)
        assert grad.isfinite().all()
        assert grad.abs().max() > 0


def test_finite_differences_agree_with_the_gradient(binder):
    target = binder.embed_text(["rain"])
    waves = wave(1).to(target.dtype)
    if waves.dtype != torch.float64:
        pytest.skip("finite differences need a float64 model")
    direction = torch.randn_like(waves)

    def score(samples):
        return (binder.embed_audio(samples, RATE) * target).sum()

    leaf = waves.clone().requires_grad_()
    slope = (torch.autograd.grad(score(leaf), leaf)[0] * direction).sum()
    with torch.no_grad():
        expected = (score(waves + 1e-6 * direction) - score(waves - 1e-6 * direction)) / 2e-6
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-7)
