"""Differentiable resampling in pure PyTorch."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

ZERO_CROSSINGS = 32  # half length of the filter; more is sharper and slower
ROLLOFF = 0.95  # pass band as a fraction of the lower Nyquist frequency
KAISER_BETA = 12.0  # about 118 dB of stop-band attenuation


@lru_cache(maxsize=16)
def _filters(old: int, new: int) -> tuple[Float[Tensor, "new 1 taps"], int]:
    """One windowed-sinc filter per output phase, and the number of samples before the block.

    Source: Smith, "Digital Audio Resampling", ccrma.stanford.edu/~jos/resample.
    """
    cutoff = ROLLOFF * min(old, new) / old  # fraction of the input Nyquist frequency
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    taps = torch.arange(-reach, old + reach, dtype=torch.float64)
    # Output phase p lies at p * old / new input samples after the block's first sample.
    phases = torch.arange(new, dtype=torch.float64) * old / new
    distance = taps[None] - phases[:, None]
    inside = (1 - (distance / reach).square()).clamp(min=0)
    window = torch.special.i0(KAISER_BETA * inside.sqrt()) / torch.special.i0(
        torch.tensor(KAISER_BETA, dtype=torch.float64)
    )
    kernel = cutoff * torch.sinc(cutoff * distance) * window * (distance.abs() <= reach)
    return kernel[:, None], reach


def resample(
    waveform: Float[Tensor, "batch samples"], from_rate: int, to_rate: int
) -> Float[Tensor, "batch resampled"]:
    """Resample audio with an anti-aliasing low-pass filter.

    Args:
        waveform: Mono waveforms, zero-padded at both ends.
        from_rate: Input sample rate in Hz.
        to_rate: Output sample rate in Hz.

    Returns:
        `ceil(samples * to_rate / from_rate)` samples; sample 0 keeps its time. The input itself if
        the rates are equal.

    Raises:
        ValueError: a rate is not positive.
    """
    if min(from_rate, to_rate) <= 0:
        raise ValueError(f"expected positive sample rates, got {from_rate} and {to_rate} Hz")
    if from_rate == to_rate:
        return waveform
    divisor = math.gcd(from_rate, to_rate)
    old, new = from_rate // divisor, to_rate // divisor
    kernel, reach = _filters(old, new)
    samples = waveform.shape[-1]
    num_samples = -(-samples * new // old)
    blocks = -(-samples // old)
    padded = functional.pad(waveform[:, None], (reach, reach + blocks * old - samples))
    phases = functional.conv1d(padded, kernel.to(waveform), stride=old)
    return phases.transpose(1, 2).flatten(1)[:, :num_samples]
