"""Noise paths z = alpha x0 + sigma eps, and what follows from a prediction at one noise level."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class NoiseLevel:
    """One point of a noise path: z = alpha * x0 + sigma * eps.

    Variance-preserving paths have alpha² + sigma² = 1 (alpha² is the paper's alpha-bar),
    linear flow has alpha = 1 - sigma.
    """

    t: float  # what the network is told: a training timestep, or sigma for flow models
    alpha: float
    sigma: float
    # Reference implementations multiply by a float32 reciprocal; golden tests need the same number.
    inv_alpha: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What a denoiser says about z at one noise level; the two are tied by z = alpha x0 + sigma eps."""

    x0: Tensor  # predicted clean latents, z̃_0 of Eq. 11
    eps: Tensor  # predicted noise
