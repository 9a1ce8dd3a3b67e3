"""Fréchet distance between two sets of features: FD, FAD or FVD, depending on the features."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg.lapack import dpstrf
from torch import Tensor

from seehear.metrics.rows import checked_rows


@dataclass(frozen=True)
class FrechetResult:
    """A Fréchet distance with the ranks and sizes that show how biased it is."""

    distance: float
    ranks: tuple[int, int]  # of both covariances
    sizes: tuple[int, int]  # rows of both sets
    dim: int

    @property
    def is_singular(self) -> bool:
        """Whether a covariance is rank-deficient. If so, most of the distance is bias."""
        return min(self.ranks) < self.dim


def frechet_distance(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Float[Tensor, ""]:
    """Squared 2-Wasserstein distance between Gaussians fitted to x and y. Lower is better.

    Args:
        x: Features of real media, one row per clip.
        y: Features of generated media, one row per clip.

    Returns:
        A float64 scalar in squared feature units; 0 when mean and covariance agree. It is biased
        upwards when n or m is not much larger than dim: compare only at equal n and m.

    Raises:
        ValueError: x or y has fewer than two rows (a covariance needs two), or is not finite.

    Source: Heusel et al. 2017, arXiv:1706.08500, Eq. 6. Covariances divide by n - 1. Agrees with
    `scipy.linalg.sqrtm` implementations where those are accurate, and is exact for singular
    covariances, where they lose five digits.
    """
    a, b = checked_rows(x), checked_rows(y)
    mean_term = float(np.square(a.mean(0) - b.mean(0)).sum())
    a, b = _scaled(a), _scaled(b)
    if len(a) * len(b) < a.shape[1] ** 2:
        # tr (C_x C_y)^(1/2) is the sum of the singular values of A B': no covariance is needed.
        root = float(torch.linalg.svdvals(torch.from_numpy(a @ b.T)).sum())
    else:
        root = _root_trace(a, b) if len(a) <= len(b) else _root_trace(b, a)
    value = mean_term + float(np.square(a).sum() + np.square(b).sum()) - 2 * root
    return torch.tensor(max(value, 0.0), dtype=torch.float64)


def frechet_result(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> FrechetResult:
    """`frechet_distance` with the ranks of both covariances."""
    ranks = tuple(int(np.linalg.matrix_rank(_scaled(checked_rows(f)))) for f in (x, y))
    distance = float(frechet_distance(x, y))
    return FrechetResult(distance, (ranks[0], ranks[1]), (len(x), len(y)), x.shape[1])


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Centred and scaled rows X with X' X = covariance."""
    return (rows - rows.mean(0)) / np.sqrt(len(rows) - 1)


def _root_trace(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of the roots of the eigenvalues of C_a C_b, by a pivoted Cholesky factor of C_a.

    With C_a = M M', they are those of M' C_b M, which is symmetric and as small as C_a's rank.
    """
    covariance = a.T @ a
    factor, pivots, rank, _ = dpstrf(covariance, lower=1)
    m = np.tril(factor)[:, :rank]
    unpermuted = np.empty_like(m)
    unpermuted[pivots - 1] = m
    half = b @ unpermuted
    values = torch.linalg.eigvalsh(torch.from_numpy(half.T @ half))
    return float(values.clamp(min=0).sqrt().sum())
