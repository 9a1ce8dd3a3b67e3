"""Onset accuracy: whether as many things begin as should, and when they should."""

from collections.abc import Sequence
from typing import NamedTuple

import mir_eval
import numpy as np
from jaxtyping import Float
from sklearn.metrics import average_precision_score
from torch import Tensor

from seehear.metrics.av_align import AUDIO_RATE, onset_times

WINDOW_S = 0.05  # mir_eval's and MIREX's tolerance
CONDFOLEY_DELTA = 0.3  # how far an onset rises above its surroundings, for librosa's detector
CONDFOLEY_WINDOW_S = 0.1  # within which an onset answers another
_LOUDNESS_S = 0.05  # around an onset, where its loudness is looked for, and others are dropped


class OnsetScore(NamedTuple):
    """All in [0, 1]; higher is better."""

    f1: float
    precision: float
    recall: float


class CondFoleyScore(NamedTuple):
    """What CondFoleyGen's tables tell of onsets."""

    accuracy: float  # share of real onsets that are answered
    average_precision: float
    has_equal_count: bool


def condfoley_onsets(
    real: Float[Tensor, " samples"], made: Float[Tensor, " samples"]
) -> CondFoleyScore:
    """Onsets as CondFoleyGen scores them, to compare with published tables. Prefer `onset_f1`.

    Args:
        real: Mono at 22,050 Hz; the published numbers are of clips of 2 s.
        made: The same.

    Its average precision is kind: real onsets don't count any more once no made one is left, and
    silence has the precision 1.

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
    """Times in seconds with loudness of 0 to 1; of those within 50 ms the loudest."""
    heard = np.abs(waveform.detach().cpu().numpy())
    peak = heard.max(initial=0.0)
    reach = round(_LOUDNESS_S * AUDIO_RATE)
    loudness = {}
    for at_s in onset_times(waveform, AUDIO_RATE, CONDFOLEY_DELTA):
        centre = round(at_s * AUDIO_RATE)
        loudness[at_s] = float(heard[max(0, centre - reach) : centre + reach].max() / peak)
    kept: dict[float, float] = {}
    for at_s in sorted(loudness, key=loudness.__getitem__, reverse=True):
        if all(abs(at_s - other) > _LOUDNESS_S for other in kept):
            kept[at_s] = loudness[at_s]
    return kept


def onset_f1(
    real_s: Sequence[float], made_s: Sequence[float], window_s: float = WINDOW_S
) -> OnsetScore:
    """F1 of onsets that lie within `window_s` of each other, one to one, by mir_eval.

    Two sounds without any onset agree: 1.
    """
    if not real_s and not made_s:
        return OnsetScore(1.0, 1.0, 1.0)
    if not real_s or not made_s:
        return OnsetScore(0.0, 0.0, 0.0)
    real, made = np.sort(np.asarray(real_s)), np.sort(np.asarray(made_s))
    return OnsetScore(*map(float, mir_eval.onset.f_measure(real, made, window=window_s)))


def mean_offset_s(real_s: Sequence[float], made_s: Sequence[float]) -> float:
    """Mean distance in seconds from each real onset to the nearest made one; nan without either."""
    if not real_s or not made_s:
        return float("nan")
    distance = np.abs(np.asarray(real_s)[:, None] - np.asarray(made_s)[None])
    return float(distance.min(1).mean())
