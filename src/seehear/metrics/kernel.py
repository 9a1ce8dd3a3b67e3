"""Kernel distances KVD, KID and KAD: unbiased squared maximum mean discrepancy (MMD).

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
    """KVD: unbiased squared MMD with k(a, b) = (a.b / dim + 1)^3. Lower is better.

    The estimate is unbiased, so it can be negative near 0, as for a set with itself. It grows with
    the sixth power of the feature scale.

    Raises:
        ValueError: A set has fewer than two rows or non-finite values.
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
    """KID: mean and standard deviation of `polynomial_mmd` over subsets. Lower is better.

    Args:
        x: Features of real media.
        y: Features of generated media.
        subsets: Number of drawn pairs of subsets.
        subset_size: Rows per subset, without replacement; limited to the set size.
        seed: Random seed. The draws are those of torch-fidelity.
    """
    xx, yy, xy = _grams(x, y)
    size = min(subset_size, len(xx), len(yy))
    draws = np.random.RandomState(seed)  # the draws of the reference code
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
    """KAD: 100 times the unbiased squared MMD with a Gaussian kernel. Lower is better.

    Args:
        x: Features of real media.
        y: Features of generated media.
        bandwidth: Kernel bandwidth; None: the median distance within the *real* media. (kadtk 1.1
            uses the generated media, in contrast to its paper.)
        kernel: exp(-u), or the other kernels of kadtk: the inverse quadric 1 / (1 + u) and its
            square root, with u = |a - b|^2 / (2 bandwidth^2).

    Raises:
        ValueError: A set has fewer than two rows or non-finite values.
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
    """Unbiased MMD^2 from three Gram matrices, without the diagonals of the first two."""
    inner = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy))
    return float(inner - 2 * xy.mean())


def _square_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None]
    return np.maximum(norms - 2 * a @ b.T, 0)
