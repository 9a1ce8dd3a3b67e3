"""Steps from one noise level to the next: DDIM, DDPM and DPM-Solver.

A `Solver` belongs to one stream of one run and can keep earlier predictions.
"""

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.diffusion import NoiseLevel, Prediction, step


@runtime_checkable
class Solver(Protocol):
    """Makes the steps of one stream, in order."""

    def step(
        self, z: Tensor, prediction: Prediction, level: NoiseLevel, next_level: NoiseLevel
    ) -> Tensor:
        """Latents at `next_level`, from latents and their prediction at `level`."""
        ...


class Ddim:
    """DDIM with eta 0, the default of the loop. On a linear path, Euler steps."""

    def step(
        self, z: Tensor, prediction: Prediction, level: NoiseLevel, next_level: NoiseLevel
    ) -> Tensor:
        """As `seehear.guidance.diffusion.step`."""
        return step(prediction, next_level)


class Ddpm:
    """Ancestral sampling, which adds fresh noise in every step but the last."""

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def step(
        self, z: Tensor, prediction: Prediction, level: NoiseLevel, next_level: NoiseLevel
    ) -> Tensor:
        """As `ancestral_step`; the noise is drawn on the generator's device."""
        device = self.generator.device
        noise = torch.randn(z.shape, generator=self.generator, device=device, dtype=z.dtype)
        return ancestral_step(z, prediction, level, next_level, noise.to(z.device))


def ancestral_step(
    z: Tensor, prediction: Prediction, level: NoiseLevel, next_level: NoiseLevel, noise: Tensor
) -> Tensor:
    """One step of DDPM on a variance-preserving path, with the variance beta.

    The posterior mean of the next latents is computed from the clean estimate. A step to the level
    without noise adds none.

    Source: Ho et al. 2020, arXiv:2006.11239, Eqs. 6 and 7 and section 3.2, where beta is the noise
    between the two levels: 1 - alpha_bar / alpha_bar of the next level.
    """
    kept = (level.alpha / next_level.alpha) ** 2
    beta = 1 - kept
    of_x0 = next_level.alpha * beta / level.sigma**2
    of_z = math.sqrt(kept) * next_level.sigma**2 / level.sigma**2
    mean = of_x0 * prediction.x0 + of_z * z
    return mean + math.sqrt(beta) * noise if next_level.sigma > 0 else mean


class SingleStepDpmSolver:
    """DPM-Solver of order 3 that predicts noise: one network evaluation per noise level.

    Two or three levels form a step of that order. The inner levels of a step are approximations;
    the last one is computed from the latents at the step's first level and all its predictions.

    Source: Lu et al. 2022, arXiv:2206.00927, Algorithms 1 and 2 and section 3.4.
    """

    def __init__(self, num_steps: int, order: int = 3):
        """Split `num_steps` network evaluations into steps of the solver."""
        self.orders = iter(single_step_orders(num_steps, order))
        self.wanted = 0  # evaluations of the current step
        self.start = Prediction(x0=torch.empty(0), eps=torch.empty(0))
        self.z_start = torch.empty(0)
        self.second: Tensor | None = None
        self.levels: list[NoiseLevel] = []

    def step(
        self, z: Tensor, prediction: Prediction, level: NoiseLevel, next_level: NoiseLevel
    ) -> Tensor:
        """Latents at the next level; `z` enters through the prediction except at a step's start."""
        if len(self.levels) == self.wanted:  # a new step begins
            self.wanted, self.levels = next(self.orders), []
            self.z_start, self.start = z, prediction
        self.levels.append(level)
        start, eps = self.levels[0], self.start.eps
        h = log_snr(next_level) - log_snr(start)
        moved = next_level.alpha / start.alpha * self.z_start
        moved = moved - next_level.sigma * math.expm1(h) * eps
        if len(self.levels) == 1:
            return moved
        ratio = (log_snr(level) - log_snr(start)) / h
        if len(self.levels) == 2 and self.wanted == 2:
            weight = math.expm1(h) / (2 * ratio)
        else:
            weight = (math.expm1(h) / h - 1) / ratio
        return moved - next_level.sigma * weight * (prediction.eps - eps)


def single_step_orders(num_steps: int, order: int = 3) -> list[int]:
    """Orders of the solver's steps, whose sum is the number of network evaluations.

    Raises:
        SettingsError: Fewer than 3 evaluations, for which there is no step of order 3.
    """
    if order != 3 or num_steps < 3:
        raise SettingsError(
            f"expected a DPM-Solver of order 3 with at least 3 evaluations, got order {order} and "
            f"{num_steps}; use more steps"
        )
    whole, rest = divmod(num_steps, 3)
    return [3] * (whole - 1) + [2, 1] if rest == 0 else [3] * whole + [rest]


def log_snr(level: NoiseLevel) -> float:
    """Lambda = log(alpha / sigma), half the logarithm of the signal-to-noise ratio."""
    return math.log(level.alpha / level.sigma)


def dpm_solver_levels(
    alphas_cumprod: Float[Tensor, " train_steps"], num_steps: int
) -> tuple[NoiseLevel, ...]:
    """`num_steps + 1` levels, evenly spaced in lambda, from the last training step to the first.

    log alpha is interpolated linearly between the training steps, which are at the times 1/T to 1.
    The network's timestep is rounded down, as in the released scripts.

    Source: Lu et al. 2022, arXiv:2206.00927, appendix D.4, for models with discrete time.
    """
    log_alphas = 0.5 * alphas_cumprod.double().log()
    total = len(log_alphas)
    lambdas = log_alphas - 0.5 * (-torch.expm1(2 * log_alphas)).log()
    grid = torch.linspace(lambdas[-1].item(), lambdas[0].item(), num_steps + 1, dtype=torch.float64)
    log_alpha = -0.5 * torch.nn.functional.softplus(-2 * grid)
    times = _interpolated(log_alpha, log_alphas.flip(0), _times(total).flip(0))
    times[0], times[-1] = 1.0, 1.0 / total
    log_alpha = _interpolated(times, _times(total), log_alphas)
    index = ((times - 1 / total) * total).long()
    return tuple(
        NoiseLevel(t=float(t), alpha=math.exp(log), sigma=math.sqrt(-math.expm1(2 * log)))
        for t, log in zip(index.tolist(), log_alpha.tolist(), strict=True)
    )


def _times(total: int) -> Tensor:
    return torch.arange(1, total + 1, dtype=torch.float64) / total


def _interpolated(at: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Piecewise linear function through the points (x, y), x ascending, at other points."""
    right = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    fraction = (at - x[right - 1]) / (x[right] - x[right - 1])
    return y[right - 1] + fraction * (y[right] - y[right - 1])
