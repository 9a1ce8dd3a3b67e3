"""The binder's ear: what it hears, and what makes no difference to it."""

import pytest
import torch

from seehear.dsp.mel import log_mel_from_waveform
from seehear.models.binders.pocket.mel_encoder import (
    BLOCK_FRAMES,
    MelEncoder,
    mel_blocks,
    mel_encoder_input,
)


@pytest.fixture(scope="module")
def ear() -> MelEncoder:
    torch.manual_seed(0)
    return MelEncoder().eval()


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(seed))


def blocks_of_sound(waveform: torch.Tensor) -> torch.Tensor:
    return mel_blocks(log_mel_from_waveform(waveform))


def test_loudness_makes_no_difference(ear):
    mel = blocks_of_sound(noise(40_960))[:, 0]
    assert torch.allclose(ear(mel), ear(mel + 1.3), atol=1e-5)


def test_what_lies_far_below_the_loudest_cell_is_not_heard():
    mel = torch.full((1, 64, 64), -11.5)
    mel[:, 20, 20] = 0.0
    quieter = mel.clone()
    quieter[:, 40:] = -10.0
    assert torch.equal(mel_encoder_input(mel), mel_encoder_input(quieter))


@pytest.mark.parametrize(
    ("seconds", "blocks", "frames"), [(0.1, 1, 64), (1.0, 1, 100), (2.56, 1, 256), (10.0, 4, 256)]
)
def test_blocks_cover_a_sound_of_any_length(seconds, blocks, frames):
    found = blocks_of_sound(noise(round(16_000 * seconds)))
    assert found.shape == (2, blocks, frames, 64)


def test_blocks_reach_from_the_first_frame_to_the_last():
    waveform = noise(16_000 * 6)
    whole, blocks = blocks_of_sound(waveform[:, : 160 * BLOCK_FRAMES]), blocks_of_sound(waveform)
    inside = slice(4, BLOCK_FRAMES - 4)  # the ends of a sound are mirrored
    assert torch.allclose(blocks[:, 0, inside], whole[:, 0, inside], atol=1e-4)
    assert blocks.shape[1] * BLOCK_FRAMES >= 600


def test_gradients_reach_the_waveform_and_stay_finite_in_silence(ear):
    for waveform in (noise(20_000), torch.zeros(2, 20_000)):
        waveform.requires_grad_(True)
        ear(blocks_of_sound(waveform)[:, 0])[:, 0].sum().backward()
        assert waveform.grad.isfinite().all()
    loud = noise(20_000).requires_grad_(True)
    ear(blocks_of_sound(loud)[:, 0])[:, 0].sum().backward()
    assert loud.grad.abs().sum() > 0


def test_sounds_of_a_batch_do_not_influence_each_other(ear):
    mel = blocks_of_sound(noise(40_960))[:, 0]
    assert torch.allclose(ear(mel)[:1], ear(mel[:1]), atol=1e-6)
