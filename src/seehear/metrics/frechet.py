"""The Fréchet distance between two sets of features: FD, FAD and FVD by the features given."""

import torch
from jaxtyping import Float
from torch import Tensor


def frechet_distance(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Float[Tensor, ""]:
    """Squared 2-Wasserstein distance between Gaussians fitted to x and y. Lower is better.

    Args:
        x: Features of real media, one row per clip.
        y: Features of generated media, one row per clip.

    Returns:
        A float64 scalar in squared feature units; 0 when mean and covariance agree. It is biased
        upwards when n or m is not much larger than dim: compare only at equal n and m.

    Raises:
        ValueError: x or y has fewer than two rows (a covariance needs two).

    Source: Heusel et al. 2017, arXiv:1706.08500, Eq. 6.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"need at least 2 clips on each side, got {len(x)} and {len(y)}")
    x, y = x.double(), y.double()
    cov_x, cov_y = torch.cov(x.T), torch.cov(y.T)
    # tr (C_x C_y)^(1/2) is the sum of the roots of the eigenvalues of C_x^(1/2) C_y C_x^(1/2),
    # which is symmetric, so rounding cannot make them complex.
    values, vectors = torch.linalg.eigh(cov_x)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    roots = torch.linalg.eigvalsh(root @ cov_y @ root).clamp(min=0).sqrt()
    return (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace() - 2 * roots.sum()
