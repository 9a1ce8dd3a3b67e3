"""95 % confidence intervals."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

_Z = 1.959963984540054  # the normal quantile of 97.5 %


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % Wilson interval of a proportion, valid also near 0 and 1.

    Raises:
        ValueError: No trials, or more hits than trials.

    Source: Wilson 1927, JASA 22.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise ValueError(f"expected 0 <= hits <= trials and trials > 0, got {hits} of {trials}")
    p, n = hits / trials, trials
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(
    statistic: Callable[[Tensor], float],
    rows: int,
    resamples: int = 200,
    seed: int = 0,
    around: float | None = None,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of `statistic(indices)` over row indices.

    Args:
        statistic: Maps int64 indices [rows] to a value.
        rows: Number of clips.
        resamples: Number of bootstrap draws.
        seed: Random seed of the draws.
        around: Value of the statistic on all rows, for statistics that repeated rows bias, such
            as set distances. The interval is shifted by the difference to the mean of the draws.

    Source: Efron 1979, Annals of Statistics 7.
    """
    generator = torch.Generator().manual_seed(seed)
    values = sorted(
        statistic(torch.randint(0, rows, (rows,), generator=generator)) for _ in range(resamples)
    )
    low, high = int(0.025 * resamples), min(resamples - 1, math.ceil(0.975 * resamples))
    bias = 0.0 if around is None else sum(values) / resamples - around
    return values[low] - bias, values[high] - bias


def mean_of(values: Tensor, chosen: Tensor) -> float:
    """Mean of the chosen values, the statistic of most intervals."""
    return values[chosen].mean().item()
