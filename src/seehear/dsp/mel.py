"""Differentiable log-mel spectrogram of AudioLDM, as used by its autoencoder and vocoder."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

SAMPLE_RATE = 16_000
HOP_SAMPLES = 160
WINDOW_SAMPLES = 1024
NUM_MELS = 64
LOG_FLOOR = 1e-5


def hz_from_slaney_mel(mel: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Convert Slaney mels to Hz: linear below 1 kHz (15 mel), logarithmic above."""
    linear = mel * (200.0 / 3)
    log_step = torch.log(torch.tensor(6.4, dtype=mel.dtype)) / 27.0
    return torch.where(mel < 15, linear, 1000.0 * torch.exp(log_step * (mel - 15).clamp(min=0)))


def slaney_mel_from_hz(hz: float) -> float:
    """Convert Hz to Slaney mels, the inverse of `hz_from_slaney_mel`."""
    if hz < 1000.0:
        return hz * 3 / 200.0
    return 15.0 + 27.0 * float(torch.log(torch.tensor(hz / 1000.0)) / torch.log(torch.tensor(6.4)))


@lru_cache(maxsize=8)
def mel_filters(
    num_mels: int = NUM_MELS,
    fft_samples: int = WINDOW_SAMPLES,
    sample_rate: int = SAMPLE_RATE,
    low_hz: float = 0.0,
    high_hz: float = 8000.0,
) -> Float[Tensor, "mels bins"]:
    """Triangular Slaney filters with unit area in Hz, one row per mel band, float32."""
    points = torch.linspace(
        slaney_mel_from_hz(low_hz), slaney_mel_from_hz(high_hz), num_mels + 2, dtype=torch.float64
    )
    edges_hz = hz_from_slaney_mel(points)
    bins_hz = torch.linspace(0, sample_rate / 2, fft_samples // 2 + 1, dtype=torch.float64)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * 2.0 / (high - low)).float()


def log_mel_from_waveform(
    waveform: Float[Tensor, "batch samples"],
) -> Float[Tensor, "batch frames mels"]:
    """Natural log of the mel magnitude spectrum, 100 frames per second, 64 bands.

    Args:
        waveform: Mono at 16 kHz, in [-1, 1].

    Returns:
        `samples // 160` frames, floored at ln(1e-5) = -11.5. Magnitudes, not powers.

    Source: AudioLDM's front end (arXiv:2301.12503, 5.1): 1024-sample Hann window, hop 160,
    0 to 8000 Hz; frames are centred as in HiFi-GAN: reflection padding of (1024 - 160) / 2.
    """
    pad = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
    padded = torch.nn.functional.pad(waveform[:, None], (pad, pad), mode="reflect")[:, 0]
    window = torch.hann_window(WINDOW_SAMPLES, dtype=waveform.dtype, device=waveform.device)
    spectrum = torch.stft(
        padded, WINDOW_SAMPLES, HOP_SAMPLES, window=window, center=False, return_complex=True
    )
    magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-9)
    filters = mel_filters().to(waveform)
    return torch.log((filters @ magnitude).clamp(min=LOG_FLOOR)).transpose(1, 2)
