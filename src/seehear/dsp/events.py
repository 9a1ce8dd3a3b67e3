"""Onset and motion curves: when audio grows louder and when frames begin to move."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.dsp.mel import WINDOW_SAMPLES, mel_filters

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
    return spectral_flux(power @ shares.T, sample_rate / hop)


def mel_onsets(mel: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """`onset_envelope` of a sound that is still a log mel, in nepers: no vocoder is needed.

    The mel's hop k shows the instant k / hops_per_s. Its filters have area 1: without the height
    of each, high frequencies would count for less than in `onset_envelope`.
    """
    heights = mel_filters().amax(dim=1).to(mel) * (WINDOW_SAMPLES / 4)  # of a sine of amplitude 1
    power = torch.exp(2 * (mel - heights.log())).unflatten(2, (ONSET_BANDS, -1)).sum(dim=3)
    return spectral_flux(power, hops_per_s)


def spectral_flux(power: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """How much a sound grows from hop to hop in nepers, all bands together, from its power."""
    loudest = power.sum(dim=2, keepdim=True).amax(dim=1, keepdim=True)
    floor = RELATIVE_FLOOR / power.shape[2] * loudest + POWER_FLOOR
    loudness = 0.5 * torch.log1p(power / floor).transpose(1, 2)  # above the floor: silence is 0
    steady = gaussian_smooth(loudness, ONSET_SPREAD_S * hops_per_s)
    return Curve.between(functional.relu(steady.diff(dim=2)).mean(dim=1), hops_per_s)


def gaussian_smooth(values: Float[Tensor, "*batch n"], spread: float) -> Float[Tensor, "*batch n"]:
    """Average each value with its neighbours by Gaussian weights of standard deviation `spread`."""
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
    steady = gaussian_smooth(motion.values, MOTION_SPREAD_S * per_s)
    back = min(max(1, round(JUST_BEFORE_S * per_s)), steady.shape[1])
    calmest = steady.amin(dim=1, keepdim=True).expand(-1, back)
    before = torch.cat([calmest, steady[:, :-back]], dim=1)
    # To calm down is the opposite, a little: without a slope nothing could begin there.
    return Curve(functional.leaky_relu(steady - before, 0.1), motion.times_s)
