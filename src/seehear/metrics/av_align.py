"""AV-Align: agreement of audio onsets and motion peaks, computed without a network.

Source: Yariv et al. 2023, arXiv:2309.16429 (TempoTokens). "paper" is the variant published with
"Seeing and Hearing", where a motion peak can match several onsets. "2025" is the correction by
TempoTokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.metrics.librosa_import import librosa

Version = Literal["2025", "paper"]
AUDIO_RATE = 22_050  # sample rate of the onset detector
ONSET_DELTA = 0.07  # librosa's default
MIN_FLOW_PX = 0.1  # minimum flow of a peak in the 2025 version
_TIE = 1e-9  # tolerance of peaks: the mean of the flow varies with memory alignment
_FARNEBACK: dict[str, Any] = {
    "pyr_scale": 0.5, "levels": 3, "winsize": 15, "iterations": 3, "poly_n": 5, "poly_sigma": 1.2,
    "flags": 0,
}  # fmt: skip


@dataclass(frozen=True)
class AvAlign:
    """Score, onsets and motion peaks of one clip."""

    score: float  # NaN without onsets and motion peaks
    onsets_s: tuple[float, ...]
    peaks_s: tuple[float, ...]


def av_align(
    frames: UInt8[Tensor, "n 3 height width"],
    fps: float,
    waveform: Float[Tensor, " samples"],
    sample_rate: int,
    *,
    version: Version = "2025",
) -> AvAlign:
    """Intersection over union of onsets and motion peaks. Higher is better.

    Args:
        frames: RGB, at least two.
        fps: Frames per second.
        waveform: Mono in [-1, 1].
        sample_rate: Sample rate of the waveform.
        version: A peak matches one onset ("2025") or several ("paper"; the score can exceed 1).

    Raises:
        ValueError: Fewer than two frames.
    """
    peaks = motion_peaks(motion_by_frame(frames), fps, version=version)
    onsets = onset_times(waveform, sample_rate)
    return AvAlign(matched_share(onsets, peaks, fps, version=version), onsets, peaks)


def motion_by_frame(frames: UInt8[Tensor, "n 3 height width"]) -> np.ndarray:
    """Mean optical-flow magnitude into each frame in pixels; the first repeats the second.

    Raises:
        ValueError: Fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"expected at least 2 frames for optical flow, got {len(frames)}")
    images = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    flows = [
        cv2.calcOpticalFlowFarneback(before, after, None, **_FARNEBACK)  # type: ignore[call-overload]
        for before, after in pairwise(grey)
    ]
    means = [float(np.sqrt(np.square(flow).sum(-1)).mean()) for flow in flows]
    return np.array([means[0], *means])


def motion_peaks(
    motion: Sequence[float] | np.ndarray, fps: float, *, version: Version = "2025"
) -> tuple[float, ...]:
    """Times in seconds of the frames with more motion than both neighbours."""
    minimum = MIN_FLOW_PX if version == "2025" else -math.inf
    return tuple(
        i / fps
        for i in range(1, len(motion) - 1)
        if motion[i] > motion[i - 1] + _TIE
        and motion[i] > motion[i + 1] + _TIE
        and motion[i] >= minimum
    )


def onset_times(
    waveform: Float[Tensor, " samples"], sample_rate: int, delta: float = ONSET_DELTA
) -> tuple[float, ...]:
    """Onset times in seconds by librosa's detector.

    Args:
        waveform: Mono in [-1, 1].
        sample_rate: Sample rate of the waveform.
        delta: Minimum height of an onset above its local mean, relative to the strongest onset.
            AV-Align uses 0.07, CondFoleyGen 0.3.
    """
    samples = waveform.detach().float().cpu().numpy()
    if sample_rate != AUDIO_RATE:
        samples = librosa.resample(samples, orig_sr=sample_rate, target_sr=AUDIO_RATE)
    if not np.abs(samples).max(initial=0.0):
        return ()
    strength = librosa.onset.onset_strength(y=samples, sr=AUDIO_RATE)
    found = librosa.onset.onset_detect(onset_envelope=strength, sr=AUDIO_RATE, delta=delta)
    return tuple(float(t) for t in librosa.frames_to_time(found, sr=AUDIO_RATE))


def matched_share(
    onsets_s: Sequence[float], peaks_s: Sequence[float], fps: float, *, version: Version = "2025"
) -> float:
    """Onsets within a frame of a peak, divided by the union of both; NaN if both are empty."""
    free = list(peaks_s)
    matched = 0
    for onset in onsets_s:
        near = next((v for v in free if v - 1 / fps < onset < v + 1 / fps), None)
        if near is None:
            continue
        matched += 1
        if version == "2025":
            free.remove(near)
    union = len(onsets_s) + len(peaks_s) - matched
    return matched / union if union else math.nan


def mean_score(clips: Sequence[AvAlign]) -> tuple[float, int]:
    """Mean score over the clips that have one, and the number of clips without a score."""
    scores = torch.tensor([clip.score for clip in clips], dtype=torch.float64)
    known = ~scores.isnan()
    mean = float(scores[known].mean()) if known.any() else math.nan
    return mean, int((~known).sum())
