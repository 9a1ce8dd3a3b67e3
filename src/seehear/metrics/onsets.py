"""Onset accuracy: whether as many things begin as should, and when they should."""

from collections.abc import Sequence
from typing import NamedTuple

import mir_eval
import numpy as np

WINDOW_S = 0.05  # mir_eval's and MIREX's tolerance


class OnsetScore(NamedTuple):
    """All in [0, 1]; higher is better."""

    f1: float
    precision: float
    recall: float


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
