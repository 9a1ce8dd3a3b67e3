"""Onset accuracy: agreement of onset times between real and generated audio."""

from collections.abc import Sequence
from typing import NamedTuple

import mir_eval
import numpy as np
from jaxtyping import Float
from sklearn.metrics import average_precision_score
from torch import Tensor

from seehear.metrics.av_align import AUDIO_RATE, onset_times

WINDOW_S = 0.05  # mir_eval's and MIREX's tolerance
CONDFOLEY_DELTA = 0.3  # minimum onset height above the local mean, for librosa's detector
CONDFOLEY_WINDOW_S = 0.1  # maximum distance of matched onsets
_LOUDNESS_S = 0.05  # half width of the loudness window, and minimum distance of onsets


class OnsetScore(NamedTuple):
    """F1, precision and recall in [0, 1]. Higher is better."""

    f1: float
    precision: float
    recall: float


class CondFoleyScore(NamedTuple):
    """The onset scores in the tables of CondFoleyGen."""

    accuracy: float  # fraction of matched real onsets
    average_precision: float
    has_equal_count: bool


def condfoley_onsets(
    real: Float[Tensor, " samples"], made: Float[Tensor, " samples"]
) -> CondFoleyScore:
    """CondFoleyGen's onset scores, for comparison with published tables. Prefer `onset_f1`.

    Args:
        real: Mono audio at 22,050 Hz. The published numbers use clips of 2 s.
        made: Generated mono audio at 22,050 Hz.

    The average precision is lenient: real onsets are not counted after the last generated onset is
    used, and silence has precision 1.

    Source: Du et al. 2023, arXiv:2305.18281.
    """
    wanted, found = _loud_onsets(real), _loud_onsets(made)
    has_equal_count, count = len(wanted) == len(found), len(wanted)
    is_there, confidence, hits = [], [], 0
    for at_s in sorted(wanted):
        if not found:
            break
        near = [t for t in found if abs(t - at_s) <= CONDFOLEY_WINDOW_S]
        is_there.append(1)
        if not near:
            confidence.append(0.0)
            continue
        hits += 1
        confidence.append(found.pop(max(near, key=found.__getitem__)))
    is_there += len(found) * [0]
    confidence += found.values()
    if not count:
        return CondFoleyScore(0.0, 0.0, has_equal_count)
    precision = float(average_precision_score(is_there, confidence)) if is_there else 1.0
    return CondFoleyScore(hits / count, precision, has_equal_count)


def _loud_onsets(waveform: Float[Tensor, " samples"]) -> dict[float, float]:
    """Loudness in [0, 1] by onset time in seconds. Within 50 ms only the loudest onset is kept."""
    magnitude = np.abs(waveform.detach().cpu().numpy())
    peak = magnitude.max(initial=0.0)
    reach = round(_LOUDNESS_S * AUDIO_RATE)
    loudness = {}
    for at_s in onset_times(waveform, AUDIO_RATE, CONDFOLEY_DELTA):
        centre = round(at_s * AUDIO_RATE)
        loudness[at_s] = float(magnitude[max(0, centre - reach) : centre + reach].max() / peak)
    kept: dict[float, float] = {}
    for at_s in sorted(loudness, key=loudness.__getitem__, reverse=True):
        if all(abs(at_s - other) > _LOUDNESS_S for other in kept):
            kept[at_s] = loudness[at_s]
    return kept


def onset_f1(
    real_s: Sequence[float], made_s: Sequence[float], window_s: float = WINDOW_S
) -> OnsetScore:
    """F1 of onsets matched one to one within `window_s`, by mir_eval.

    The score is 1 if neither has onsets.
    """
    if not real_s and not made_s:
        return OnsetScore(1.0, 1.0, 1.0)
    if not real_s or not made_s:
        return OnsetScore(0.0, 0.0, 0.0)
    real, made = np.sort(np.asarray(real_s)), np.sort(np.asarray(made_s))
    return OnsetScore(*map(float, mir_eval.onset.f_measure(real, made, window=window_s)))


def mean_offset_s(real_s: Sequence[float], made_s: Sequence[float]) -> float:
    """Mean distance in seconds from real to nearest generated onsets; NaN if a side is empty."""
    if not real_s or not made_s:
        return float("nan")
    distance = np.abs(np.asarray(real_s)[:, None] - np.asarray(made_s)[None])
    return float(distance.min(1).mean())
