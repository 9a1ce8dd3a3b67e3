"""Onset and motion curves: increases of audio loudness and of frame motion over time."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.dsp.mel import WINDOW_SAMPLES, mel_filters

ONSET_HOP_S = 0.01
ONSET_WINDOW_S = 0.04
ONSET_BANDS = 8  # flux is computed per band, so that loud bands do not mask quiet onsets
ONSET_SPREAD_S = (
    0.02  # standard deviation of smoothing: noise, voices and beating partials fluctuate
)
RELATIVE_FLOOR = 1e-4  # of the peak power: no onsets 40 dB below the loudest moment
POWER_FLOOR = 1e-6  # per band: no onsets below -60 dBFS
MOTION_SPREAD_S = 0.05  # smoothing of motion: animations that change every second frame fluctuate
JUST_BEFORE_S = 0.16  # motion is compared with this time before: one frame of the slowest videos
VARIANCE_FLOOR = 1e-8  # of a curve: silence and static frames have no correlation


@dataclass(frozen=True, eq=False)
class Curve:
    """Values over time: audio onset strength or frame motion."""

    values: Float[Tensor, "batch n"]
    times_s: Float[Tensor, " n"]  # increasing

    @classmethod
    def between(cls, values: Float[Tensor, "batch n"], per_s: float) -> "Curve":
        """A curve of differences at `per_s` per second, each placed midway between its samples."""
        steps = torch.arange(values.shape[1], dtype=values.dtype, device=values.device)
        return cls(values, (steps + 0.5) / per_s)

    def later(self, by_s: float) -> "Curve":
        """The curve shifted to later times by `by_s` seconds."""
        return Curve(self.values, self.times_s + by_s)

    def to(self, device: torch.device) -> "Curve":
        """The curve with its values on another device."""
        return Curve(self.values.to(device), self.times_s)

    def is_flat(self) -> bool:
        """Whether the values of every clip are nearly constant over time."""
        return bool((self.values.var(dim=1, correction=0) < VARIANCE_FLOOR).all())

    def after(self, start_s: float) -> "Curve":
        """The curve with zeros before `start_s`."""
        return Curve(self.values * (self.times_s >= start_s).to(self.values), self.times_s)


def onset_envelope(waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Curve:
    """Onset strength: spectral flux in a few wide bands.

    Args:
        waveform: Mono, in [-1, 1], at least one hop long.
        sample_rate: In Hz.

    Returns:
        Growth of the logarithmic magnitude from one hop of 0.01 s to the next, in nepers, averaged
        over bands and never negative; and the time of each value in seconds.
    """
    hop = max(1, round(ONSET_HOP_S * sample_rate))
    window = max(4, round(ONSET_WINDOW_S * sample_rate))
    # Zero padding puts the centre of hop k at sample k * hop, also for very short audio.
    padded = functional.pad(waveform, (window // 2, window - window // 2))
    hann = torch.hann_window(window, dtype=waveform.dtype, device=waveform.device)
    hann = hann / hann.sum() * 2  # a sine of amplitude 1 has magnitude 1
    spectrum = torch.fft.rfft(padded.unfold(1, window, hop) * hann)
    power = (
        spectrum.real.square() + spectrum.imag.square()
    )  # differentiable at 0, unlike the magnitude
    filters = mel_filters(ONSET_BANDS, window, sample_rate, 0.0, min(8000.0, sample_rate / 2))
    # Rescale filters from area 1 to height 1, so that a band sums the power of its bins.
    weights = (filters / filters.amax(dim=1, keepdim=True)).to(power)
    return spectral_flux(power @ weights.T, sample_rate / hop)


def mel_onsets(mel: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """`onset_envelope` of a natural-log mel spectrogram, without a vocoder.

    Hop k of the mel is centred at k / hops_per_s. Its filters have area 1, so they are rescaled:
    otherwise high frequencies would have less weight than in `onset_envelope`.
    """
    heights = mel_filters().amax(dim=1).to(mel) * (WINDOW_SAMPLES / 4)  # of a sine of amplitude 1
    power = torch.exp(2 * (mel - heights.log())).unflatten(2, (ONSET_BANDS, -1)).sum(dim=3)
    return spectral_flux(power, hops_per_s)


def spectral_flux(power: Float[Tensor, "batch hops bands"], hops_per_s: float) -> Curve:
    """Mean increase of log magnitude over all bands from hop to hop, in nepers."""
    loudest = power.sum(dim=2, keepdim=True).amax(dim=1, keepdim=True)
    floor = RELATIVE_FLOOR / power.shape[2] * loudest + POWER_FLOOR
    loudness = 0.5 * torch.log1p(power / floor).transpose(1, 2)  # above the floor: silence is 0
    smooth = gaussian_smooth(loudness, ONSET_SPREAD_S * hops_per_s)
    return Curve.between(functional.relu(smooth.diff(dim=2)).mean(dim=1), hops_per_s)


def gaussian_smooth(values: Float[Tensor, "*batch n"], spread: float) -> Float[Tensor, "*batch n"]:
    """Smooth the last axis with a Gaussian of standard deviation `spread`, in samples."""
    reach = math.ceil(3 * spread)
    offsets = torch.arange(-reach, reach + 1, dtype=values.dtype, device=values.device)
    weights = torch.exp(-0.5 * (offsets / spread).square())[None, None]

    def convolve(v: Tensor) -> Tensor:
        return functional.conv1d(v.reshape(-1, 1, v.shape[-1]), weights, padding=reach)

    return (convolve(values) / convolve(torch.ones_like(values))).reshape(values.shape)


def motion_energy(frames: Float[Tensor, "batch frames 3 height width"], fps: float) -> Curve:
    """Motion energy: how much pixels change from frame to frame.

    Args:
        frames: RGB in [0, 1], at least two; frame k is at time k / fps.
        fps: Frames per second.

    Returns:
        Root mean square of the pixel changes, in [0, 1], at times in seconds midway between the
        two frames.

    Raises:
        ValueError: Fewer than two frames.
    """
    if frames.shape[1] < 2:
        raise ValueError(f"expected at least 2 frames for motion, got {frames.shape[1]}")
    change = frames.diff(dim=1).square().flatten(2).mean(dim=2)
    energy = (
        change + VARIANCE_FLOOR
    ).sqrt() - VARIANCE_FLOOR**0.5  # the gradient of the root is infinite at 0
    return Curve.between(energy, fps)


def motion_starts(motion: Curve) -> Curve:
    """Motion onsets: increase of `motion_energy` against `JUST_BEFORE_S` earlier.

    In a video with constant motion, only more motion marks an onset. The first values are compared
    with the minimum of the curve, because nothing precedes them.
    """
    if len(motion.times_s) < 2:
        return motion
    per_s = (len(motion.times_s) - 1) / float(motion.times_s[-1] - motion.times_s[0])
    smooth = gaussian_smooth(motion.values, MOTION_SPREAD_S * per_s)
    back = min(max(1, round(JUST_BEFORE_S * per_s)), smooth.shape[1])
    minimum = smooth.amin(dim=1, keepdim=True).expand(-1, back)
    before = torch.cat([minimum, smooth[:, :-back]], dim=1)
    # Leaky, so that the gradient is not zero where motion decreases.
    return Curve(functional.leaky_relu(smooth - before, 0.1), motion.times_s)


def peak_times(curve: Curve, *, share: float = 0.2, gap_s: float = 0.1) -> list[float]:
    """Times of the peaks of the curve of one clip, in seconds.

    Args:
        curve: The curve, with one element in the batch.
        share: Height of the lowest peak, as a share of the highest.
        gap_s: Of peaks that are closer to each other, only the highest one is kept.
    """
    values = curve.values[0]
    if len(values) < 3 or curve.is_flat():
        return []
    middle = values[1:-1]
    is_peak = (middle > values[:-2]) & (middle >= values[2:]) & (middle >= share * values.max())
    places = (is_peak.nonzero()[:, 0] + 1).tolist()
    kept: list[float] = []
    for place in sorted(places, key=lambda k: -float(values[k])):
        at_s = float(curve.times_s[place])
        if all(abs(at_s - other) >= gap_s for other in kept):
            kept.append(at_s)
    return sorted(kept)
