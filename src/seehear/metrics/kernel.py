"""Kernel distances: unbiased squared maximum mean discrepancies under the names KVD, KID and KAD.

Source: Gretton et al. 2012, JMLR 13; Binkowski et al. 2018, arXiv:1801.01401 (KID); Chung et al.
2025, arXiv:2502.15602 (KAD).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from seehear.metrics.rows import checked_rows


def polynomial_mmd(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> float:
    """Unbiased squared MMD of whole sets with k(a, b) = (a.b / dim + 1)^3: KVD. Lower is better.

    Unbiased, so near 0 it may be negative; of a set with itself it is. Grows with the sixth power
    of the features' scale.

    Raises:
        ValueError: A set has fewer than two rows, or is not finite.
    """
    xx, yy, xy = _grams(x, y)
    return _mmd(xx, yy, xy)


def kernel_inception_distance(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> tuple[float, float]:
    """Mean and standard deviation of that MMD over random subsets: KID. Lower is better.

    Args:
        x: Features of real media.
        y: Features of generated media.
        subsets: How many pairs of subsets are drawn.
        subset_size: Rows of each, without replacement; at most as many as there are.
        seed: Of the draws, which are those of torch-fidelity.
    """
    xx, yy, xy = _grams(x, y)
    size = min(subset_size, len(xx), len(yy))
    draws = np.random.RandomState(seed)  # the peers' draws
    values = []
    for _ in range(subsets):
        i = draws.choice(len(xx), size, replace=False)
        j = draws.choice(len(yy), size, replace=False)
        values.append(_mmd(xx[np.ix_(i, i)], yy[np.ix_(j, j)], xy[np.ix_(i, j)]))
    return float(np.mean(values)), float(np.std(values))


def kernel_audio_distance(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    bandwidth: float | None = None,
    *,
    kernel: Literal["gaussian", "iq", "imq"] = "gaussian",
) -> float:
    """100 times the unbiased squared MMD with a Gaussian kernel: KAD. Lower is better.

    Args:
        x: Features of real media.
        y: Features of generated media.
        bandwidth: Of the kernel; None: the median distance within the *real* media. (kadtk 1.1
            takes that of the generated ones, although its paper says otherwise.)
        kernel: exp(-u), or kadtk's others, the inverse quadric 1 / (1 + u) and its root, with u =
            |a - b|^2 / (2 bandwidth^2).

    Raises:
        ValueError: A set has fewer than two rows, or is not finite.
    """
    a, b = checked_rows(x), checked_rows(y)
    within, across = _square_distances(a, a), _square_distances(a, b)
    if bandwidth is None:
        pairs = np.sqrt(within[np.triu_indices(len(a), k=1)])
        bandwidth = float(np.partition(pairs, (len(pairs) - 1) // 2)[(len(pairs) - 1) // 2])
    scale = 1 / (2 * bandwidth**2 + 1e-8)
    of = _RADIAL[kernel]
    xx, yy, xy = (of(scale * d) for d in (within, _square_distances(b, b), across))
    return 100 * _mmd(xx, yy, xy)


_RADIAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gaussian": lambda u: np.exp(-u),
    "iq": lambda u: 1 / (1 + u),
    "imq": lambda u: 1 / np.sqrt(1 + u),
}


def _grams(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = checked_rows(x), checked_rows(y)
    return tuple((p @ q.T / a.shape[1] + 1) ** 3 for p, q in ((a, a), (b, b), (a, b)))  # type: ignore[return-value]


def _mmd(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray) -> float:
    """From three Gram matrices, the diagonals of the first two left out."""
    inner = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy))
    return float(inner - 2 * xy.mean())


def _square_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None]
    return np.maximum(norms - 2 * a @ b.T, 0)
