"""The last touch on a generated sound: no offset, no clicks at its ends, room at the top."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_FADE_S = 0.005
_DRIFT_WINDOW_S = 0.05


def peak_dbfs(waveform: Float[Tensor, "*channels samples"]) -> float:
    """The largest magnitude in decibels, where 1.0 is 0 dBFS; -inf for silence."""
    peak = waveform.abs().max().item() if waveform.numel() else 0.0
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def finish_level(
    waveform: Float[Tensor, "*channels samples"], sample_rate: int, *, max_dbfs: float = -1.0
) -> Float[Tensor, "*channels samples"]:
    """Remove offset and drift, fade the ends over 5 ms and turn down to `max_dbfs` if louder.

    Never turns up. The drift removed is the mean under a triangle of 0.1 s that glides along, a
    high-pass of about 11 Hz (-3 dB) that shifts no phase.

    Raises:
        ValueError: a sample is not a finite number.
    """
    if not waveform.isfinite().all():
        raise ValueError("the waveform has samples that are not finite numbers")
    window = max(1, round(_DRIFT_WINDOW_S * sample_rate))
    level = _gliding_mean(_gliding_mean(waveform.double(), window), window)
    finished = (waveform.double() - level) * _fades(waveform.shape[-1], sample_rate).to(level)
    finished = finished - finished.mean(-1, keepdim=True) if waveform.shape[-1] else finished
    peak, limit = finished.abs().max().item() if finished.numel() else 0.0, 10 ** (max_dbfs / 20)
    # A hair below, so that rounding to float32 or 16 bits cannot exceed the limit.
    finished = finished * (limit * (1 - 1e-4) / peak) if peak > limit * (1 - 1e-4) else finished
    return finished.to(waveform.dtype)


def _gliding_mean(x: Float[Tensor, "*channels n"], window: int) -> Float[Tensor, "*channels n"]:
    """Mean over `window` samples around each one; fewer at the ends, where they are missing."""
    total = torch.nn.functional.pad(x.cumsum(-1), (1, 0))
    index = torch.arange(x.shape[-1], device=x.device)
    first = (index - window // 2).clamp(min=0)
    last = (index + (window + 1) // 2).clamp(max=x.shape[-1])
    return (total[..., last] - total[..., first]) / (last - first)


def _fades(num_samples: int, sample_rate: int) -> Float[Tensor, " n"]:
    """Half-cosine rise at the start and fall at the end; a quarter of very short sounds each."""
    length = min(round(_FADE_S * sample_rate), num_samples // 4)
    rise = 0.5 - 0.5 * torch.cos(
        math.pi * (torch.arange(length, dtype=torch.float64) + 0.5) / length
    )
    gain = torch.ones(num_samples, dtype=torch.float64)
    gain[:length], gain[num_samples - length :] = rise, rise.flip(0)
    return gain
