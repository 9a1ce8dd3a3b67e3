import math

import pytest
import torch

from seehear.media.loudness import loudness, normalise_loudness

RATE = 48_000


def sine(dbfs, hz=1000.0, duration_s=3.0, rate=RATE):
    t = torch.arange(round(duration_s * rate), dtype=torch.float64) / rate
    return (10 ** (dbfs / 20) * torch.sin(2 * math.pi * hz * t)).float()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_sine_of_1_khz_has_the_loudness_of_the_standard(rate):
    # EBU Tech 3341: a stereo sine of 1 kHz at -23 dBFS has -23 LUFS; one channel has 3.01 less.
    found = loudness(sine(-23.0, rate=rate), rate)
    assert found.lufs == pytest.approx(-26.0, abs=0.1)
    assert found.peak_dbtp == pytest.approx(-23.0, abs=0.1)


def test_silence_between_is_gated():
    # As in the standard's cases with pauses: the mean is over what is loud enough.
    tone = sine(-20.0, duration_s=10.0)
    alone = loudness(tone, RATE).lufs
    paused = loudness(torch.cat([tone, torch.zeros(10 * RATE)]), RATE).lufs
    assert paused == pytest.approx(alone, abs=0.2)


def test_the_true_peak_lies_between_the_samples():
    # A quarter of the sampling rate, sampled 45 degrees off its peaks.
    t = torch.arange(RATE)
    wave = 0.5 * torch.sin(2 * math.pi * t / 4 + math.pi / 4) * torch.hann_window(RATE)
    assert loudness(wave, RATE).peak_dbtp == pytest.approx(20 * math.log10(0.5), abs=0.2)
    assert 20 * math.log10(wave.abs().max()) < -8.9


@pytest.mark.parametrize("dbfs", [-45.0, -20.0, -3.0])
def test_the_result_has_the_wanted_loudness(dbfs):
    wave = normalise_loudness(sine(dbfs), RATE, -23.0)
    assert loudness(wave, RATE).lufs == pytest.approx(-23.0, abs=0.1)


def test_the_true_peak_limits_the_gain():
    clicks = torch.zeros(3 * RATE)
    clicks[:: RATE // 2] = 0.5
    found = loudness(normalise_loudness(clicks, RATE, -14.0), RATE)
    assert found.peak_dbtp == pytest.approx(-1.0, abs=0.1)
    assert found.lufs < -14.0


def test_silence_and_nearly_silent_noise_are_not_amplified_without_limit():
    assert not normalise_loudness(torch.zeros(RATE), RATE, -23.0).any()
    hiss = 1e-4 * torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0))
    gained = normalise_loudness(hiss, RATE, -23.0)
    assert 20 * math.log10(gained.norm() / hiss.norm()) <= 40.01
    assert torch.equal(normalise_loudness(1e-6 * hiss, RATE, -23.0), 1e-6 * hiss)


def test_short_audio_has_a_loudness():
    assert loudness(sine(-23.0, duration_s=0.1), RATE).lufs == pytest.approx(-26.0, abs=0.3)
    assert loudness(torch.zeros(0), RATE).lufs == -math.inf


def test_nan_is_refused():
    with pytest.raises(ValueError, match="finite"):
        loudness(torch.tensor([0.0, math.nan]), RATE)
