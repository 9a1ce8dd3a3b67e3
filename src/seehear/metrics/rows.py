"""Validate feature sets for set distances."""

import numpy as np
from jaxtyping import Float
from torch import Tensor


def checked_rows(features: Float[Tensor, "n dim"]) -> np.ndarray:
    """Convert features to float64 NumPy, one row per clip.

    Raises:
        ValueError: Fewer than two rows, or non-finite rows.
    """
    if len(features) < 2:
        raise ValueError(f"expected at least 2 clips in each set, got {len(features)}")
    rows = features.detach().double().cpu().numpy()
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows).all(1)).sum())
        raise ValueError(f"expected finite features, got NaN or inf in {bad} of {len(rows)} rows")
    return rows
