"""Do sound and picture happen at the same time? A score and an offset that need no weights.

A sound has a curve of how suddenly it grows (onsets), a picture one of how much it moves. Smoothed
by a tolerance, the two curves are correlated at every lag. All of it is differentiable in samples
and pixels, so that it can guide either stream as well as measure both.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

CURVES_PER_S = 50.0  # points of both curves per second: a lag is known to 0.02 s
TOLERANCE_S = 0.1  # what counts as the same time; people notice from about 0.1 s on
ONSET_HOP_S = 0.01
ONSET_WINDOW_S = 0.04
LOUDNESS_FLOOR = 1e-3  # of a spectral magnitude: what is fainter than -60 dBFS makes no onset
VARIANCE_FLOOR = 1e-8  # of a curve: silence and a still picture correlate with nothing


@dataclass(frozen=True, eq=False)
class Curve:
    """How much happens when: onsets of a sound, or motion of a picture."""

    values: Float[Tensor, "batch n"]  # never negative
    times_s: Float[Tensor, " n"]  # rising

    @classmethod
    def between(cls, values: Float[Tensor, "batch n"], per_s: float) -> "Curve":
        """From differences of neighbours, `per_s` to the second: each happened midway."""
        steps = torch.arange(values.shape[1], dtype=values.dtype, device=values.device)
        return cls(values, (steps + 0.5) / per_s)

    def later(self, by_s: float) -> "Curve":
        """The same, on a clock that is behind by so many seconds."""
        return Curve(self.values, self.times_s + by_s)


def onset_envelope(waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Curve:
    """How suddenly a sound grows louder, all frequencies together (spectral flux).

    Args:
        waveform: Mono, in [-1, 1], at least one hop long.
        sample_rate: In Hz.

    Returns:
        Growth of the logarithmic magnitude from one hop of 0.01 s to the next, in nepers, averaged
        over frequency and never negative; and the time of each value in seconds.
    """
    hop = max(1, round(ONSET_HOP_S * sample_rate))
    window = max(4, round(ONSET_WINDOW_S * sample_rate))
    # Zeros on both sides put the middle of hop k at sample k * hop, in the shortest sound too.
    padded = functional.pad(waveform, (window // 2, window - window // 2))
    shape = torch.hann_window(window, dtype=waveform.dtype, device=waveform.device)
    shape = shape / shape.sum() * 2  # a sine of amplitude 1 has magnitude 1
    spectrum = torch.fft.rfft(padded.unfold(1, window, hop) * shape)
    # Half the logarithm of the power: the magnitude itself has no gradient at silence.
    power = spectrum.real.square() + spectrum.imag.square()
    loudness = 0.5 * torch.log(power + LOUDNESS_FLOOR**2)
    return growth_of(loudness, sample_rate / hop)


def growth_of(loudness: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """How much a loudness in nepers grows from hop to hop, all bands together."""
    return Curve.between(functional.relu(loudness.diff(dim=1)).mean(dim=2), hops_per_s)


def mel_onsets(mel: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """`onset_envelope` of a sound that is still a log mel, in nepers: no vocoder is needed.

    The mel's hop k shows the instant k / hops_per_s.
    """
    loudness = torch.logaddexp(mel, torch.full_like(mel[:1, :1, :1], math.log(LOUDNESS_FLOOR)))
    return growth_of(loudness, hops_per_s)


def motion_energy(frames: Float[Tensor, "batch frames 3 height width"], fps: float) -> Curve:
    """How much a picture changes from frame to frame.

    Args:
        frames: RGB in [0, 1], frame k showing the instant k / fps; at least two.
        fps: Frames per second.

    Returns:
        Root mean square of the change of all pixels, in [0, 1]; and the time of each value in
        seconds: what changed between two frames happened, as far as one can know, midway.

    Raises:
        ValueError: A single frame has no motion.
    """
    if frames.shape[1] < 2:
        raise ValueError(f"motion needs at least 2 frames, got {frames.shape[1]}")
    change = frames.diff(dim=1).square().flatten(2).mean(dim=2)
    energy = (change + VARIANCE_FLOOR).sqrt() - VARIANCE_FLOOR**0.5  # a root has no slope at 0
    return Curve.between(energy, fps)


def smoothed(
    curve: Curve, wanted_s: Float[Tensor, " m"], tolerance_s: float = TOLERANCE_S
) -> Float[Tensor, "batch m"]:
    """A curve at other times: averages with Gaussian weights of that standard deviation."""
    wanted_s = wanted_s.to(curve.times_s)
    distance = (wanted_s[:, None] - curve.times_s[None, :]) / tolerance_s
    weights = torch.softmax(-0.5 * distance.square(), dim=1)  # never 0 / 0 far from all values
    return curve.values @ weights.T.to(curve.values)


def unit_curve(curve: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
    """A curve with mean 0 and length 1; one that is flat stays near 0."""
    centred = curve - curve.mean(dim=1, keepdim=True)
    energy = centred.square().sum(dim=1, keepdim=True)
    return centred / (energy + VARIANCE_FLOOR * curve.shape[1]).sqrt()


def sync_curves(
    waveform: Float[Tensor, "sounds samples"],
    sample_rate: int,
    frames: Float[Tensor, "clips frames 3 height width"],
    fps: float,
    tolerance_s: float = TOLERANCE_S,
) -> tuple[Float[Tensor, "sounds n"], Float[Tensor, "clips n"]]:
    """Onsets of the sound and motion of the picture over the time that both last.

    A batch of one on either side is shared by all samples of the other.

    Returns:
        Two curves of `CURVES_PER_S` points per second, each with mean 0 and length 1.
    """
    duration_s = min(waveform.shape[1] / sample_rate, frames.shape[1] / fps)
    onsets, motion = onset_envelope(waveform, sample_rate), motion_energy(frames, fps)
    return paired(onsets, motion, duration_s, tolerance_s)


def paired(
    onsets: Curve, motion: Curve, duration_s: float, tolerance_s: float = TOLERANCE_S
) -> tuple[Float[Tensor, "sounds n"], Float[Tensor, "clips n"]]:
    """Both curves at the same times from 0 to `duration_s`, each with mean 0 and length 1."""
    count = max(2, round(duration_s * CURVES_PER_S))
    wanted_s = (torch.arange(count, dtype=torch.float64) + 0.5) / CURVES_PER_S
    heard, seen = (smoothed(curve, wanted_s, tolerance_s) for curve in (onsets, motion))
    return unit_curve(heard), unit_curve(seen)


def sync_distance(
    waveform: Float[Tensor, "sounds samples"],
    sample_rate: int,
    frames: Float[Tensor, "clips frames 3 height width"],
    fps: float,
    tolerance_s: float = TOLERANCE_S,
) -> Float[Tensor, " pairs"]:
    """One minus the correlation of onsets and motion: 0 in step, about 1 unrelated, 2 opposite.

    The same range as a cosine distance of embeddings, so the two can be added.
    """
    return curve_distance(*sync_curves(waveform, sample_rate, frames, fps, tolerance_s))


def curve_distance(
    heard: Float[Tensor, "sounds n"], seen: Float[Tensor, "clips n"]
) -> Float[Tensor, " pairs"]:
    """One minus the correlation of two curves of mean 0 and length 1."""
    heard, seen = torch.broadcast_tensors(heard, seen.to(heard.dtype))
    return 1 - (heard * seen).sum(dim=1)


def lagged_correlation(
    heard: Float[Tensor, "batch n"], seen: Float[Tensor, "batch n"], max_lag: int
) -> Float[Tensor, "batch lags"]:
    """Correlation of `heard` at t + lag with `seen` at t, lag from -max_lag to max_lag points."""
    shifted = functional.pad(heard, (max_lag, max_lag)).unfold(1, seen.shape[1], 1)
    return (shifted * seen[:, None]).sum(dim=2)


def sync_offset_s(
    waveform: Float[Tensor, "sounds samples"],
    sample_rate: int,
    frames: Float[Tensor, "clips frames 3 height width"],
    fps: float,
    *,
    max_offset_s: float = 1.0,
    tolerance_s: float = TOLERANCE_S,
) -> Float[Tensor, " pairs"]:
    """By how many seconds the sound comes after the picture; negative when it comes before.

    The lag of the highest correlation within `max_offset_s`, between points by a parabola. The
    middle of a plateau as wide as silence or a still picture makes is 0: nothing is known then.
    """
    heard, seen = sync_curves(waveform, sample_rate, frames, fps, tolerance_s)
    return curve_offset_s(heard, seen, max_offset_s)


def curve_offset_s(
    heard: Float[Tensor, "sounds n"], seen: Float[Tensor, "clips n"], max_offset_s: float = 1.0
) -> Float[Tensor, " pairs"]:
    """`sync_offset_s` of two curves of mean 0 and length 1, `CURVES_PER_S` points per second."""
    max_lag = max(1, min(round(max_offset_s * CURVES_PER_S), heard.shape[1] - 1))
    heard, seen = torch.broadcast_tensors(heard, seen.to(heard.dtype))
    found = lagged_correlation(heard, seen, max_lag)
    is_flat = found.amax(dim=1) < 1e-3
    best = found.argmax(dim=1).clamp(1, 2 * max_lag - 1)
    left, middle, right = (found.gather(1, (best + k)[:, None])[:, 0] for k in (-1, 0, 1))
    bend = (left - 2 * middle + right).clamp(max=-1e-9)
    lag = best - max_lag + (0.5 * (left - right) / bend).clamp(-1, 1)
    return torch.where(is_flat, torch.zeros_like(lag), lag / CURVES_PER_S)
