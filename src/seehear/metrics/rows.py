"""Sets of features as the distances between sets take them."""

import numpy as np
from jaxtyping import Float
from torch import Tensor


def checked_rows(features: Float[Tensor, "n dim"]) -> np.ndarray:
    """Features in float64, one row per clip.

    Raises:
        ValueError: Fewer than two rows, or rows that are not finite.
    """
    if len(features) < 2:
        raise ValueError(f"need at least 2 clips on each side, got {len(features)}")
    rows = features.detach().double().cpu().numpy()
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows).all(1)).sum())
        raise ValueError(f"expected finite features, {bad} of {len(rows)} rows are not")
    return rows
