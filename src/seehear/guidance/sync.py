"""Audio-visual synchronisation: a loss and an offset, without a network.

Audio has an onset curve (sudden increases of energy), video a curve of motion starts (sudden
increases of motion). Both are smoothed by a tolerance and correlated at every lag. The loss is
differentiable in samples and pixels, so it can guide either stream.
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

CURVES_PER_S = 50.0  # points of both curves per second, so lags have a resolution of 0.02 s
TOLERANCE_S = 0.1  # standard deviation of the smoothing; people notice offsets of about 0.1 s


def resample_curve(
    curve: Curve, wanted_s: Float[Tensor, " m"], tolerance_s: float = TOLERANCE_S
) -> Float[Tensor, "batch m"]:
    """Values at other times: Gaussian-weighted means with standard deviation `tolerance_s`."""
    wanted_s = wanted_s.to(curve.times_s)
    distance = (wanted_s[:, None] - curve.times_s[None, :]) / tolerance_s
    weights = torch.softmax(-0.5 * distance.square(), dim=1)  # never 0 / 0 far from all values
    return curve.values @ weights.T.to(curve.values)


def unit_curve(curve: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
    """A curve scaled to mean 0 and norm 1. A flat curve stays near 0."""
    centred = curve - curve.mean(dim=1, keepdim=True)
    energy = centred.square().sum(dim=1, keepdim=True)
    return centred / (energy + VARIANCE_FLOOR * curve.shape[1]).sqrt()


def sync_curves(
    waveform: Float[Tensor, "audios samples"],
    sample_rate: int,
    frames: Float[Tensor, "videos frames 3 height width"],
    fps: float,
    tolerance_s: float = TOLERANCE_S,
) -> tuple[Float[Tensor, "audios n"], Float[Tensor, "videos n"]]:
    """Curves of audio onsets and of motion starts, up to the end of the shorter one.

    A batch of one on either side is broadcast to the other.

    Returns:
        Two curves of `CURVES_PER_S` points per second, each with mean 0 and norm 1.
    """
    duration_s = min(waveform.shape[1] / sample_rate, frames.shape[1] / fps)
    starts = motion_starts(motion_energy(frames, fps))
    return align_curves(onset_envelope(waveform, sample_rate), starts, duration_s, tolerance_s)


def align_curves(
    onsets: Curve, starts: Curve, duration_s: float, tolerance_s: float = TOLERANCE_S
) -> tuple[Float[Tensor, "audios n"], Float[Tensor, "videos n"]]:
    """Both curves at the same times from 0 to `duration_s`, each with mean 0 and norm 1."""
    count = max(2, round(duration_s * CURVES_PER_S))
    times_s = (torch.arange(count, dtype=torch.float64) + 0.5) / CURVES_PER_S
    a, v = (unit_curve(resample_curve(curve, times_s, tolerance_s)) for curve in (onsets, starts))
    return a, v


def sync_distance(
    waveform: Float[Tensor, "audios samples"],
    sample_rate: int,
    frames: Float[Tensor, "videos frames 3 height width"],
    fps: float,
    tolerance_s: float = TOLERANCE_S,
) -> Float[Tensor, " pairs"]:
    """One minus the correlation of onsets and motion starts.

    It is 0 in sync, about 1 for unrelated media and 2 for opposite curves. A cosine distance of
    embeddings has the same range, so the two can be added.
    """
    return curve_distance(*sync_curves(waveform, sample_rate, frames, fps, tolerance_s))


def curve_distance(
    onsets: Float[Tensor, "audios n"], starts: Float[Tensor, "videos n"]
) -> Float[Tensor, " pairs"]:
    """One minus the correlation of two curves with mean 0 and norm 1."""
    onsets, starts = torch.broadcast_tensors(onsets, starts.to(onsets.dtype))
    return 1 - (onsets * starts).sum(dim=1)


def lagged_correlation(
    onsets: Float[Tensor, "batch n"], starts: Float[Tensor, "batch n"], max_lag: int
) -> Float[Tensor, "batch lags"]:
    """Correlation of `onsets` at t + lag with `starts` at t, for lags of -max_lag to max_lag."""
    shifted = functional.pad(onsets, (max_lag, max_lag)).unfold(1, starts.shape[1], 1)
    return (shifted * starts[:, None]).sum(dim=2)


def sync_offset_s(
    waveform: Float[Tensor, "audios samples"],
    sample_rate: int,
    frames: Float[Tensor, "videos frames 3 height width"],
    fps: float,
    *,
    max_offset_s: float = 1.0,
    tolerance_s: float = TOLERANCE_S,
) -> Float[Tensor, " pairs"]:
    """Delay of the audio against the video in seconds; negative if the audio is early.

    It is the lag of the highest correlation within `max_offset_s`, refined by a parabola. For
    silence or a video without motion the correlation is flat, and the offset is 0.
    """
    onsets, starts = sync_curves(waveform, sample_rate, frames, fps, tolerance_s)
    return curve_offset_s(onsets, starts, max_offset_s)


def curve_offset_s(
    onsets: Float[Tensor, "audios n"], starts: Float[Tensor, "videos n"], max_offset_s: float = 1.0
) -> Float[Tensor, " pairs"]:
    """`sync_offset_s` of two curves with mean 0, norm 1 and `CURVES_PER_S` points per second."""
    max_lag = max(1, min(round(max_offset_s * CURVES_PER_S), onsets.shape[1] - 1))
    onsets, starts = torch.broadcast_tensors(onsets, starts.to(onsets.dtype))
    found = lagged_correlation(onsets, starts, max_lag)
    is_flat = found.amax(dim=1) < 1e-3
    best = found.argmax(dim=1).clamp(1, 2 * max_lag - 1)
    left, middle, right = (found.gather(1, (best + k)[:, None])[:, 0] for k in (-1, 0, 1))
    bend = (left - 2 * middle + right).clamp(max=-1e-9)
    lag = best - max_lag + (0.5 * (left - right) / bend).clamp(-1, 1)
    return torch.where(is_flat, torch.zeros_like(lag), lag / CURVES_PER_S)


@dataclass(frozen=True, kw_only=True)
class SyncTerm:
    """Loss term: audio onsets must coincide with motion starts.

    The curve of the input is fixed, for one clip or one per sample. The curve of generated media is
    computed at every step.
    """

    starts: Curve | None = None  # of the input video; None if video is generated
    onsets: Curve | None = None  # of the input audio; None if audio is generated
    weight: float = 1.0
    start_s: float = 0.0  # start of the window in the clip; above 0, its first events are ignored

    @property
    def shifted_stream(self) -> Stream:
        """The generated stream; of two, audio, which has more latent positions per second."""
        return "video" if self.onsets is not None else "audio"

    @property
    def reads_all_frames(self) -> bool:
        """True, because motion is a difference of neighbouring frames."""
        return True

    def losses(self, generated: Mapping[Stream, Media]) -> dict[str, Tensor]:
        """The weighted distance of onsets and motion, up to the end of the shortest medium."""
        return {"sync": self.weight * curve_distance(*self._curves(generated))}

    def offset_s(self, generated: Mapping[Stream, Media]) -> Float[Tensor, " batch"]:
        """Delay of the shifted stream against the other in seconds, at most 1 s."""
        offset_s = curve_offset_s(*self._curves(generated))
        return offset_s if self.shifted_stream == "audio" else -offset_s

    def _curves(
        self, generated: Mapping[Stream, Media]
    ) -> tuple[Float[Tensor, "audios n"], Float[Tensor, "videos n"]]:
        onsets, starts = self.onsets, self.starts
        for media in generated.values():
            if isinstance(media, Frames):
                starts = self._without_edge(media.starts(), JUST_BEFORE_S)
            else:
                onsets = self._without_edge(media.onsets(), ONSET_WINDOW_S)
        if onsets is None or starts is None:
            raise SettingsError(
                "expected both audio and video for the sync loss, as input or output; got only "
                f"{'video' if onsets is None else 'audio'}"
            )
        duration_s = min(media.duration_s for media in generated.values())
        # The device of the generated media.
        device = (onsets if self.onsets is None else starts).values.device
        return align_curves(onsets.to(device), starts.to(device), duration_s)

    def _without_edge(self, curve: Curve, edge_s: float) -> Curve:
        """Clear the start of a later window: its content is an onset there, but began earlier."""
        return curve.after(edge_s) if self.start_s else curve

    def for_window(self, start_s: float) -> "SyncTerm":
        """The term for a window of the clip that begins at `start_s`."""
        return replace(
            self,
            starts=None if self.starts is None else self.starts.later(-start_s),
            onsets=None if self.onsets is None else self.onsets.later(-start_s),
            start_s=self.start_s + start_s,
        )
