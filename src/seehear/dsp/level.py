"""Finish generated audio: remove offset, fade the ends, limit the peak."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_FADE_S = 0.005
_DRIFT_WINDOW_S = 0.05


def peak_dbfs(waveform: Float[Tensor, "*channels samples"]) -> float:
    """Peak magnitude in dBFS (1.0 is 0 dBFS); -inf for silence."""
    peak = waveform.abs().max().item() if waveform.numel() else 0.0
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def finish_level(
    waveform: Float[Tensor, "*channels samples"], sample_rate: int, *, max_dbfs: float = -1.0
) -> Float[Tensor, "*channels samples"]:
    """Remove offset and drift, fade the ends over 5 ms and limit the peak to `max_dbfs`.

    The gain is never above 1. Drift is removed by subtracting a moving average with a triangular
    window of 0.1 s: a zero-phase high-pass at about 11 Hz (-3 dB).

    Raises:
        ValueError: a sample is NaN or infinite.
    """
    if not waveform.isfinite().all():
        raise ValueError("expected finite samples, got a waveform with NaN or inf")
    window = max(1, round(_DRIFT_WINDOW_S * sample_rate))
    level = _moving_average(_moving_average(waveform.double(), window), window)
    finished = (waveform.double() - level) * _fades(waveform.shape[-1], sample_rate).to(level)
    finished = finished - finished.mean(-1, keepdim=True) if waveform.shape[-1] else finished
    peak, limit = finished.abs().max().item() if finished.numel() else 0.0, 10 ** (max_dbfs / 20)
    # Slightly below the limit, so that rounding to float32 or 16 bits cannot exceed it.
    finished = finished * (limit * (1 - 1e-4) / peak) if peak > limit * (1 - 1e-4) else finished
    return finished.to(waveform.dtype)


def _moving_average(x: Float[Tensor, "*channels n"], window: int) -> Float[Tensor, "*channels n"]:
    """Moving average over `window` samples; the window is truncated at the ends."""
    total = torch.nn.functional.pad(x.cumsum(-1), (1, 0))
    index = torch.arange(x.shape[-1], device=x.device)
    first = (index - window // 2).clamp(min=0)
    last = (index + (window + 1) // 2).clamp(max=x.shape[-1])
    return (total[..., last] - total[..., first]) / (last - first)


def _fades(num_samples: int, sample_rate: int) -> Float[Tensor, " n"]:
    """Half-cosine fade-in and fade-out, each at most a quarter of the audio."""
    length = min(round(_FADE_S * sample_rate), num_samples // 4)
    rise = 0.5 - 0.5 * torch.cos(
        math.pi * (torch.arange(length, dtype=torch.float64) + 0.5) / length
    )
    gain = torch.ones(num_samples, dtype=torch.float64)
    gain[:length], gain[num_samples - length :] = rise, rise.flip(0)
    return gain
