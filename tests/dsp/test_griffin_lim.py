"""Phase retrieval: magnitudes that fit the mel, waveforms that fit the magnitudes."""

import pytest
import torch

from seehear.dsp.griffin_lim import magnitude_from_mel, refine_phase
from seehear.dsp.mel import log_mel_from_waveform, mel_filters

TIME_S = torch.arange(8000) / 16_000


@pytest.fixture
def chirp() -> torch.Tensor:
    """Half a second that rises from 300 to 1300 Hz [1, samples]."""
    return 0.3 * torch.sin(2 * torch.pi * (300 * TIME_S + 1000 * TIME_S.square()))[None]


def mel_error(waveform: torch.Tensor, mel: torch.Tensor) -> float:
    return float((log_mel_from_waveform(waveform) - mel).clamp(min=-6).abs().mean())


def test_magnitudes_have_the_mel_that_they_were_made_from(chirp):
    mel = log_mel_from_waveform(chirp)
    magnitude = magnitude_from_mel(mel, torch.rand(1, 513, 50))
    assert magnitude.shape == (1, 513, 50)
    assert magnitude.min() >= 0
    again = (mel_filters() @ magnitude).clamp(min=1e-5).log().transpose(1, 2)
    loud = mel > mel.max() - 4
    assert (again - mel)[loud].abs().mean() < 0.1


def test_the_scale_of_the_beginning_has_no_effect(chirp):
    mel, beginning = log_mel_from_waveform(chirp), torch.rand(1, 513, 50)
    quiet, loud = (magnitude_from_mel(mel, scale * beginning) for scale in (0.1, 10))
    # The last filter is almost 0 at 8 kHz, so that the mel does not determine this bin.
    assert torch.allclose(quiet[:, :512], loud[:, :512], rtol=1e-3, atol=1e-5)


def test_harmonics_that_a_mel_band_does_not_resolve_are_kept():
    tones = sum(0.1 * torch.sin(2 * torch.pi * hz * TIME_S) for hz in (5000, 5250, 5500))[None]
    refined = refine_phase(0.5 * tones, log_mel_from_waveform(tones), 8)
    spectrum = torch.fft.rfft(refined[0, 1600:6400] * torch.hann_window(4800)).abs()
    tone, gap = (spectrum[round(hz / 16_000 * 4800)] for hz in (5250, 5375))
    assert gap < 0.03 * tone


def test_no_rounds_change_nothing(chirp):
    assert refine_phase(chirp, log_mel_from_waveform(chirp), 0) is chirp


def test_wrong_levels_are_mended_and_the_true_phases_are_kept(chirp):
    mel = log_mel_from_waveform(chirp)
    spoiled = chirp * (0.2 + 1.6 * TIME_S)
    mended = refine_phase(spoiled, mel, 4)
    assert mended.shape == chirp.shape
    inside = slice(1600, 6400)
    level = lambda w: w[0, inside].unfold(0, 800, 800).square().mean(1).sqrt()  # noqa: E731
    wrong, left = (level(w) / level(chirp) - 1 for w in (spoiled, mended))
    assert left.abs().max() < 0.3 * wrong.abs().max()
    assert torch.corrcoef(torch.stack([mended[0, inside], chirp[0, inside]]))[0, 1] > 0.95


def test_more_rounds_come_closer_from_noise(chirp):
    mel = log_mel_from_waveform(chirp)
    noise = torch.randn(chirp.shape, generator=torch.Generator().manual_seed(0))
    errors = [mel_error(refine_phase(noise, mel, rounds), mel) for rounds in (1, 4, 32)]
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize("samples", [8032, 7999, 8000])
def test_odd_lengths_come_back_as_long(chirp, samples):
    waveform = torch.nn.functional.pad(chirp, (0, 32))[:, :samples]
    made = refine_phase(waveform, log_mel_from_waveform(chirp), 1)
    assert made.shape == waveform.shape
    assert made.isfinite().all()


def test_silence_stays_finite_and_silent():
    silence = torch.zeros(1, 8000)
    made = refine_phase(silence, log_mel_from_waveform(silence), 3)
    assert made.isfinite().all()
    assert made.abs().max() < 1e-3
