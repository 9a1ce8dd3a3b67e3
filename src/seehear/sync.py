"""Do sound and picture happen at the same time? A score and an offset that need no weights.

A sound has a curve of how suddenly it grows, a picture one of how suddenly it moves more than it
did: both tell when something begins. Smoothed by a tolerance, they are correlated at every lag. All
of it is differentiable in samples and pixels, so that it can guide either stream as well as measure
both.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.mel import WINDOW_SAMPLES, mel_filters

CURVES_PER_S = 50.0  # points of both curves per second: a lag is known to 0.02 s
TOLERANCE_S = 0.1  # what counts as the same time; people notice from about 0.1 s on
ONSET_HOP_S = 0.01
ONSET_WINDOW_S = 0.04
ONSET_BANDS = 8  # growth is counted band by band, so that a quiet thing is heard beside a loud one
ONSET_SPREAD_S = 0.02  # loudness is averaged so first: noise, voices and beating partials flicker
RELATIVE_FLOOR = 1e-4  # of the loudest moment's power: what is 40 dB fainter makes no onset
POWER_FLOOR = 1e-6  # of a band: what is fainter than -60 dBFS makes no onset anywhere
MOTION_SPREAD_S = 0.05  # the same for motion: drawings that change every second frame flicker
JUST_BEFORE_S = 0.16  # how far back motion is compared: a frame of the slowest videos
VARIANCE_FLOOR = 1e-8  # of a curve: silence and a still picture correlate with nothing


@dataclass(frozen=True, eq=False)
class Curve:
    """How much happens when: onsets of a sound, or motion of a picture."""

    values: Float[Tensor, "batch n"]
    times_s: Float[Tensor, " n"]  # rising

    @classmethod
    def between(cls, values: Float[Tensor, "batch n"], per_s: float) -> "Curve":
        """From differences of neighbours, `per_s` to the second: each happened midway."""
        steps = torch.arange(values.shape[1], dtype=values.dtype, device=values.device)
        return cls(values, (steps + 0.5) / per_s)

    def later(self, by_s: float) -> "Curve":
        """The same, on a clock that is behind by so many seconds."""
        return Curve(self.values, self.times_s + by_s)

    def to(self, device: torch.device) -> "Curve":
        """The same on another device."""
        return Curve(self.values.to(device), self.times_s)

    def is_flat(self) -> bool:
        """Whether it says nothing of when anything happens, in every clip."""
        return bool((self.values.var(dim=1, correction=0) < VARIANCE_FLOOR).all())

    def after(self, start_s: float) -> "Curve":
        """The same with nothing happening before `start_s`."""
        return Curve(self.values * (self.times_s >= start_s).to(self.values), self.times_s)


def onset_envelope(waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Curve:
    """How suddenly a sound grows louder (spectral flux in a few wide bands).

    Args:
        waveform: Mono, in [-1, 1], at least one hop long.
        sample_rate: In Hz.

    Returns:
        Growth of the logarithmic magnitude from one hop of 0.01 s to the next, in nepers, averaged
        over bands and never negative; and the time of each value in seconds.
    """
    hop = max(1, round(ONSET_HOP_S * sample_rate))
    window = max(4, round(ONSET_WINDOW_S * sample_rate))
    # Zeros on both sides put the middle of hop k at sample k * hop, in the shortest sound too.
    padded = functional.pad(waveform, (window // 2, window - window // 2))
    shape = torch.hann_window(window, dtype=waveform.dtype, device=waveform.device)
    shape = shape / shape.sum() * 2  # a sine of amplitude 1 has magnitude 1
    spectrum = torch.fft.rfft(padded.unfold(1, window, hop) * shape)
    power = spectrum.real.square() + spectrum.imag.square()  # smooth at silence; magnitude is not
    filters = mel_filters(ONSET_BANDS, window, sample_rate, 0.0, min(8000.0, sample_rate / 2))
    # Filters of area 1 become filters of height 1: a band holds the power of all that is in it.
    shares = (filters / filters.amax(dim=1, keepdim=True)).to(power)
    return growth_of(power @ shares.T, sample_rate / hop)


def mel_onsets(mel: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """`onset_envelope` of a sound that is still a log mel, in nepers: no vocoder is needed.

    The mel's hop k shows the instant k / hops_per_s. Its filters have area 1: without the height
    of each, high frequencies would count for less than in `onset_envelope`.
    """
    heights = mel_filters().amax(dim=1).to(mel) * (WINDOW_SAMPLES / 4)  # of a sine of amplitude 1
    power = torch.exp(2 * (mel - heights.log())).unflatten(2, (ONSET_BANDS, -1)).sum(dim=3)
    return growth_of(power, hops_per_s)


def growth_of(power: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """How much a sound grows from hop to hop in nepers, all bands together, from its power."""
    loudest = power.sum(dim=2, keepdim=True).amax(dim=1, keepdim=True)
    floor = RELATIVE_FLOOR / power.shape[2] * loudest + POWER_FLOOR
    loudness = 0.5 * torch.log1p(power / floor).transpose(1, 2)  # above the floor: silence is 0
    steady = averaged(loudness, ONSET_SPREAD_S * hops_per_s)
    return Curve.between(functional.relu(steady.diff(dim=2)).mean(dim=1), hops_per_s)


def averaged(values: Float[Tensor, "*batch n"], spread: float) -> Float[Tensor, "*batch n"]:
    """Each value with its neighbours, by Gaussian weights with a standard deviation of `spread`."""
    reach = math.ceil(3 * spread)
    beside = torch.arange(-reach, reach + 1, dtype=values.dtype, device=values.device)
    weights = torch.exp(-0.5 * (beside / spread).square())[None, None]

    def summed(v: Tensor) -> Tensor:
        return functional.conv1d(v.reshape(-1, 1, v.shape[-1]), weights, padding=reach)

    return (summed(values) / summed(torch.ones_like(values))).reshape(values.shape)


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


def motion_starts(motion: Curve) -> Curve:
    """How much more a picture moves than just before; its motion comes from `motion_energy`.

    A picture that moves all the time tells when things begin only by moving more. What moves at
    the very beginning is compared with the calmest moment, since it has just begun.
    """
    if len(motion.times_s) < 2:
        return motion
    per_s = (len(motion.times_s) - 1) / float(motion.times_s[-1] - motion.times_s[0])
    steady = averaged(motion.values, MOTION_SPREAD_S * per_s)
    back = min(max(1, round(JUST_BEFORE_S * per_s)), steady.shape[1])
    calmest = steady.amin(dim=1, keepdim=True).expand(-1, back)
    before = torch.cat([calmest, steady[:, :-back]], dim=1)
    # To calm down is the opposite, a little: without a slope nothing could begin there.
    return Curve(functional.leaky_relu(steady - before, 0.1), motion.times_s)


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
    """Onsets of the sound and starts of motion in the picture over the time that both last.

    A batch of one on either side is shared by all samples of the other.

    Returns:
        Two curves of `CURVES_PER_S` points per second, each with mean 0 and length 1.
    """
    duration_s = min(waveform.shape[1] / sample_rate, frames.shape[1] / fps)
    starts = motion_starts(motion_energy(frames, fps))
    return paired(onset_envelope(waveform, sample_rate), starts, duration_s, tolerance_s)


def paired(
    onsets: Curve, starts: Curve, duration_s: float, tolerance_s: float = TOLERANCE_S
) -> tuple[Float[Tensor, "sounds n"], Float[Tensor, "clips n"]]:
    """Both curves at the same times from 0 to `duration_s`, each with mean 0 and length 1."""
    count = max(2, round(duration_s * CURVES_PER_S))
    wanted_s = (torch.arange(count, dtype=torch.float64) + 0.5) / CURVES_PER_S
    heard, seen = (smoothed(curve, wanted_s, tolerance_s) for curve in (onsets, starts))
    return unit_curve(heard), unit_curve(seen)


def sync_distance(
    waveform: Float[Tensor, "sounds samples"],
    sample_rate: int,
    frames: Float[Tensor, "clips frames 3 height width"],
    fps: float,
    tolerance_s: float = TOLERANCE_S,
) -> Float[Tensor, " pairs"]:
    """One minus the correlation of onsets and starts of motion.

    0 in step, about 1 unrelated, 2 opposite: the same range as a cosine distance of embeddings, so
    the two can be added.
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
