"""Do sound and picture happen at the same time? A score and an offset that need no weights.

A sound has a curve of how suddenly it grows, a picture one of how suddenly it moves more than it
did: both tell when something begins. Smoothed by a tolerance, they are correlated at every lag. All
of it is differentiable in samples and pixels, so that it can guide either stream as well as measure
both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.dsp.events import (
    JUST_BEFORE_S,
    ONSET_WINDOW_S,
    VARIANCE_FLOOR,
    Curve,
    motion_energy,
    motion_starts,
    onset_envelope,
)
from seehear.errors import SettingsError
from seehear.guidance.decoding import Frames, Media
from seehear.guidance.streams import Stream

CURVES_PER_S = 50.0  # points of both curves per second: a lag is known to 0.02 s
TOLERANCE_S = 0.1  # what counts as the same time; people notice from about 0.1 s on


def resample_curve(
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
    return align_curves(onset_envelope(waveform, sample_rate), starts, duration_s, tolerance_s)


def align_curves(
    onsets: Curve, starts: Curve, duration_s: float, tolerance_s: float = TOLERANCE_S
) -> tuple[Float[Tensor, "sounds n"], Float[Tensor, "clips n"]]:
    """Both curves at the same times from 0 to `duration_s`, each with mean 0 and length 1."""
    count = max(2, round(duration_s * CURVES_PER_S))
    wanted_s = (torch.arange(count, dtype=torch.float64) + 0.5) / CURVES_PER_S
    heard, seen = (resample_curve(curve, wanted_s, tolerance_s) for curve in (onsets, starts))
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
    """Correlation of `heard` at t + lag with `seen` at t, lag from -max_lag to max_lag
    points.
    """
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


@dataclass(frozen=True, kw_only=True)
class SyncTerm:
    """That sound begins when the picture begins to move: a term without weights.

    What is given comes as a curve, of one clip or of one per sample; what is made is measured.
    """

    starts: Curve | None = None  # of motion in the given picture; None: the picture is made too
    onsets: Curve | None = None  # of the given sound; None: the sound is made too
    weight: float = 1.0
    start_s: float = 0.0  # where in the clip the media begin; later on nothing starts with them

    @property
    def shifted_stream(self) -> Stream:
        """The stream that is moved in time; of two, the sound, whose positions are finer."""
        return "video" if self.onsets is not None else "audio"

    @property
    def reads_all_frames(self) -> bool:
        """Motion is between neighbouring frames."""
        return True

    def losses(self, made: Mapping[Stream, Media]) -> dict[str, Tensor]:
        """The weighted distance of onsets and motion over the time that all media last."""
        return {"sync": self.weight * curve_distance(*self._curves(made))}

    def offset_s(self, made: Mapping[Stream, Media]) -> Float[Tensor, " batch"]:
        """By how many seconds the stream that is moved comes after the other, up to 1 s."""
        offset_s = curve_offset_s(*self._curves(made))
        return offset_s if self.shifted_stream == "audio" else -offset_s

    def _curves(
        self, made: Mapping[Stream, Media]
    ) -> tuple[Float[Tensor, "sounds n"], Float[Tensor, "clips n"]]:
        onsets, starts = self.onsets, self.starts
        for media in made.values():
            if isinstance(media, Frames):
                starts = self._begun(media.starts(), JUST_BEFORE_S)
            else:
                onsets = self._begun(media.onsets(), ONSET_WINDOW_S)
        if onsets is None or starts is None:
            raise SettingsError("being in step takes a sound and a picture, made or given")
        duration_s = min(media.duration_s for media in made.values())
        device = (onsets if self.onsets is None else starts).values.device  # of what is made
        return align_curves(onsets.to(device), starts.to(device), duration_s)

    def _begun(self, curve: Curve, edge_s: float) -> Curve:
        """What is there from the first instant of a later part began before it."""
        return curve.after(edge_s) if self.start_s else curve

    def for_window(self, start_s: float) -> "SyncTerm":
        """The same for a part of the clip."""
        return replace(
            self,
            starts=None if self.starts is None else self.starts.later(-start_s),
            onsets=None if self.onsets is None else self.onsets.later(-start_s),
            start_s=self.start_s + start_s,
        )
