"""Noise paths z = alpha x0 + sigma eps, conversions between predictions, and the DDIM step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

# What a denoising network's output means: the noise, the VP velocity alpha eps - sigma x0,
# the flow velocity eps - x0, or the clean latents themselves.
PredictionKind = Literal["eps", "v", "velocity", "x0"]


@dataclass(frozen=True)
class NoiseLevel:
    """One point of a noise path: z = alpha * x0 + sigma * eps.

    Variance-preserving paths have alpha² + sigma² = 1 (alpha² is the paper's alpha-bar),
    linear flow has alpha = 1 - sigma.
    """

    t: float  # the denoiser's time input: a training timestep, or sigma for flow models
    alpha: float
    sigma: float
    # Reference implementations multiply by a float32 reciprocal; golden tests need the same number.
    inv_alpha: float | None = None


@dataclass(frozen=True)
class Prediction:
    """A denoiser's prediction for z at one noise level, where z = alpha x0 + sigma eps."""

    x0: Tensor  # predicted clean latents, z̃_0 of Eq. 11
    eps: Tensor  # predicted noise


def vp_levels(
    alphas_cumprod: Float[Tensor, " train_steps"],
    timesteps: Sequence[int],
    final_alpha_cumprod: float,
) -> tuple[NoiseLevel, ...]:
    """Noise levels of a variance-preserving schedule, from noisiest to cleanest.

    Args:
        alphas_cumprod: alpha-bar of every training timestep, float32.
        timesteps: The S timesteps to visit, in decreasing order.
        final_alpha_cumprod: alpha-bar after the last step (1, or alpha-bar of timestep 0).

    Returns:
        S + 1 levels. Every scalar is a float32 number for any dtype of the latents, as in the
        reference schedulers. With float64 scalars the authors' latents change by 3e-5. Roots are
        taken in float64 and rounded once, since processors round float32 roots differently.
    """
    final = alphas_cumprod.new_tensor(float(final_alpha_cumprod)).float()
    alpha_bars = [alphas_cumprod[t].float().cpu() for t in timesteps] + [final.cpu()]
    return tuple(
        NoiseLevel(
            t=float(t),
            alpha=_float32_root(alpha_bar).item(),
            sigma=_float32_root(1 - alpha_bar).item(),
            inv_alpha=(1 / _float32_root(alpha_bar)).item(),
        )
        for t, alpha_bar in zip([*timesteps, 0], alpha_bars, strict=True)
    )


def _float32_root(value: Tensor) -> Tensor:
    return value.double().sqrt().float()


def flow_levels(sigmas: Sequence[float]) -> tuple[NoiseLevel, ...]:
    """Noise levels of the linear path z = (1 - sigma) x0 + sigma eps, one per sigma in [0, 1].

    `sigmas` decreases and includes the final level, usually 0: S + 1 numbers for S steps.
    """
    return tuple(NoiseLevel(t=float(s), alpha=1.0 - float(s), sigma=float(s)) for s in sigmas)


def x0_from_eps(z: Tensor, eps: Tensor, level: NoiseLevel) -> Tensor:
    """Clean latents from z and its noise (Eq. 11). Infinite at pure noise, where alpha is 0."""
    return (z - level.sigma * eps) / level.alpha


def x0_from_eps_by_reciprocal(z: Tensor, eps: Tensor, level: NoiseLevel) -> Tensor:
    """Eq. 11 with the authors' rounding: multiply by a float32 1 / alpha, don't divide by alpha.

    With float64 latents the two differ by 2e-6, which the golden tests detect.
    """
    inv_alpha = 1 / level.alpha if level.inv_alpha is None else level.inv_alpha
    return (z - level.sigma * eps) * inv_alpha


def eps_from_x0(z: Tensor, x0: Tensor, level: NoiseLevel) -> Tensor:
    """Noise in z, given its clean latents x0. Undefined at the clean level, where sigma is 0."""
    return (z - level.alpha * x0) / level.sigma


def x0_from_v(z: Tensor, v: Tensor, level: NoiseLevel) -> Tensor:
    """Clean latents from v = alpha eps - sigma x0 on a variance-preserving path."""
    return level.alpha * z - level.sigma * v


def eps_from_v(z: Tensor, v: Tensor, level: NoiseLevel) -> Tensor:
    """Noise from v = alpha eps - sigma x0 on a variance-preserving path."""
    return level.sigma * z + level.alpha * v


def x0_from_velocity(z: Tensor, velocity: Tensor, level: NoiseLevel) -> Tensor:
    """Clean latents from the velocity eps - x0 of a linear path."""
    return z - level.sigma * velocity


def eps_from_velocity(z: Tensor, velocity: Tensor, level: NoiseLevel) -> Tensor:
    """Noise from the velocity eps - x0 of a linear path."""
    return z + level.alpha * velocity


def prediction_from(
    kind: PredictionKind, output: Tensor, z: Tensor, level: NoiseLevel
) -> Prediction:
    """Clean latents and noise from the output of a network trained to predict `kind`.

    Raises:
        ValueError: `kind` is not a `PredictionKind`.
    """
    if kind == "eps":
        return Prediction(x0=x0_from_eps(z, output, level), eps=output)
    if kind == "v":
        return Prediction(x0=x0_from_v(z, output, level), eps=eps_from_v(z, output, level))
    if kind == "velocity":
        return Prediction(
            x0=x0_from_velocity(z, output, level), eps=eps_from_velocity(z, output, level)
        )
    if kind == "x0":
        return Prediction(x0=output, eps=eps_from_x0(z, output, level))
    raise ValueError(f"expected kind eps, v, velocity or x0, got {kind!r}")


def step(prediction: Prediction, next_level: NoiseLevel) -> Tensor:
    """Move to the next noise level without fresh noise.

    On a variance-preserving path this is DDIM with eta 0 (Song et al. 2021, arXiv:2010.02502,
    Eq. 12). On a linear path it is one Euler step.
    """
    return next_level.alpha * prediction.x0 + next_level.sigma * prediction.eps


def rows_for_guidance(y: Float[Tensor, "stack ..."], guidance_scale: float) -> Tensor:
    """The rows of a prompt stack [unconditional, conditional] that the denoiser needs.

    The conditional half is enough at a scale of 1, and where both halves are equal (the empty
    prompt): guidance then extrapolates from a prediction to itself. A stack that requires a
    gradient is never cut, because guidance scales that gradient.
    """
    unconditional, conditional = y.chunk(2)
    if guidance_scale == 1:
        return conditional
    # Tensors on the device "meta" have no values to compare.
    is_same = not (y.requires_grad or y.is_meta) and torch.equal(unconditional, conditional)
    return conditional if is_same else y


def after_guidance(
    output: Float[Tensor, "rows ..."], batch: int, guidance_scale: float
) -> Float[Tensor, "batch ..."]:
    """Apply classifier-free guidance to a denoiser's output for the rows of `rows_for_guidance`.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", arXiv:2207.12598, with Stable
    Diffusion's convention for the scale: 1 is the conditional prediction itself.
    """
    if len(output) == batch:
        return output
    unconditional, conditional = output.chunk(2)
    return unconditional + guidance_scale * (conditional - unconditional)
