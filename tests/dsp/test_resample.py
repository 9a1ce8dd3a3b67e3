"""Resampling keeps what both rates can carry, and only that."""

import pytest
import torch

from seehear.dsp.resample import resample

RATES = [(44_100, 16_000), (48_000, 16_000), (16_000, 22_050), (8_000, 16_000), (22_050, 16_000)]


def tone(hz, rate, seconds=1.0):
    t = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return torch.sin(2 * torch.pi * hz * t)[None]


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_tone_keeps_its_phase_and_height(old, new):
    got = resample(tone(1000, old), old, new)
    wanted = tone(1000, new)
    assert got.shape == wanted.shape
    inside = slice(new // 10, -new // 10)  # silence is assumed beyond both ends
    error = (got - wanted)[:, inside].square().mean() / wanted.square().mean()
    assert 10 * error.log10() < -100  # dB


def test_what_the_lower_rate_cannot_carry_is_removed():
    got = resample(tone(10_000, 44_100), 44_100, 16_000)[:, 1000:-1000]
    assert got.abs().max() < 1e-5


def test_equal_rates_return_the_input_itself():
    sound = tone(440, 16_000)
    assert resample(sound, 16_000, 16_000) is sound


def test_gradients_are_those_of_a_linear_map():
    sound = tone(440, 4000, 0.05).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: resample(x, 4000, 3000), (sound,), fast_mode=True)


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive"):
        resample(tone(440, 16_000), 0, 16_000)
