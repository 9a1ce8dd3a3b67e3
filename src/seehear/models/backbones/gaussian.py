"""A diffusion model of Gaussian data with an exact score, as ground truth for tests."""

import zlib
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.diffusion import NoiseLevel, Prediction, flow_levels, vp_levels
from seehear.guidance.streams import Stream
from seehear.guidance.windows import positions_for

STREAM: Stream = "audio"
PIPELINES = ()  # `load` builds the model without a checkpoint
LATENTS_PER_S = 8.0
TRAIN_STEPS = 1000


class GaussianModel:
    """Latents (batch, channels, positions), each position drawn from N(mean + y, covariance).

    Positions are independent, so overlapping windows have equal predictions and fuse without error.
    The latents are the media: a position holds `channels` samples of a waveform.
    """

    stream: Stream = "audio"
    native_duration_s = 2.0
    latents_per_s = LATENTS_PER_S
    time_axis = 2

    def __init__(
        self,
        mean: Float[Tensor, " channels"],
        covariance: Float[Tensor, "channels channels"],
        path: Literal["vp", "flow"],
    ):
        self.mean, self.covariance, self.path = mean, covariance, path
        self.variances, self.axes = torch.linalg.eigh(covariance)
        self.sample_rate = round(len(mean) * LATENTS_PER_S)

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """AudioLDM's noise schedule with a final noiseless level, or evenly spaced flow levels."""
        if self.path == "flow":
            return flow_levels(torch.linspace(1, 0, num_steps + 1).tolist())
        betas = torch.linspace(0.0015**0.5, 0.0195**0.5, TRAIN_STEPS) ** 2
        timesteps = torch.linspace(TRAIN_STEPS - 1, 0, num_steps + 1).round().long()[:-1]
        return vp_levels((1 - betas).cumprod(0), timesteps.tolist(), 1.0)

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """White noise for at least one native window, in whole positions."""
        length = positions_for(max(duration_s, self.native_duration_s), LATENTS_PER_S)
        return torch.randn(
            batch, len(self.mean), length, generator=generator, dtype=self.mean.dtype
        )

    def embed_prompt(self, prompts: Sequence[str]) -> Float[Tensor, "rows channels"]:
        """Shift of the mean by each prompt: a fixed pseudo-random vector, zero for ""."""
        shifts = [self._shift_of(prompt) for prompt in prompts]
        return torch.stack([torch.zeros_like(self.mean)] * len(prompts) + shifts)

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """The posterior mean of the clean latents given z, and the matching noise."""
        uncond, cond = (self._posterior(z, level, shift) for shift in y.chunk(2))
        return Prediction(
            x0=uncond.x0 + guidance_scale * (cond.x0 - uncond.x0),
            eps=uncond.eps + guidance_scale * (cond.eps - uncond.eps),
        )

    def decode(self, z_0: Tensor) -> Float[Tensor, "batch samples"]:
        """Interleave the channels to a waveform."""
        return z_0.transpose(1, 2).flatten(1)

    def _posterior(self, z: Tensor, level: NoiseLevel, shift: Tensor) -> Prediction:
        mean = (self.mean + shift)[:, :, None]
        noisy_variances = level.alpha**2 * self.variances + level.sigma**2
        # Cov(z)^-1 (z - E z): x0 and eps are linear in it, even at the level without noise.
        whitened = self._scale_along_axes(z - level.alpha * mean, 1 / noisy_variances)
        x0 = mean + level.alpha * self._scale_along_axes(whitened, self.variances)
        return Prediction(x0=x0, eps=level.sigma * whitened)

    def _scale_along_axes(self, z: Tensor, factors: Tensor) -> Tensor:
        return torch.einsum("ij,j,kj,bkt->bit", self.axes, factors, self.axes, z)

    def _shift_of(self, prompt: str) -> Tensor:
        if not prompt:
            return torch.zeros_like(self.mean)
        seed = torch.Generator().manual_seed(zlib.crc32(prompt.encode()))
        return torch.randn(len(self.mean), generator=seed, dtype=self.mean.dtype)


def load(
    *,
    mean: Sequence[float] = (0.5, -1.0, 0.0, 2.0),
    covariance: Sequence[float] | Sequence[Sequence[float]] = (0.25, 1.0, 0.5, 0.04),
    path: Literal["vp", "flow"] = "vp",
    dtype: torch.dtype = torch.float64,
) -> GaussianModel:
    """Create a Gaussian model.

    Args:
        mean: Mean of one latent position, one number per channel.
        covariance: Its covariance matrix, or one variance per channel for a diagonal matrix.
        path: Variance-preserving noise schedule, or the linear path of flow matching.
        dtype: Type of the latents.

    Raises:
        ValueError: The covariance has another size than the mean, or a negative eigenvalue.
    """
    centre, matrix = torch.tensor(mean, dtype=dtype), torch.tensor(covariance, dtype=dtype)
    matrix = torch.diag(matrix) if matrix.ndim == 1 else matrix
    if matrix.shape != (len(centre), len(centre)):
        raise ValueError(
            f"expected a covariance for {len(centre)} channels, like the mean, "
            f"got shape {tuple(matrix.shape)}"
        )
    smallest = torch.linalg.eigvalsh(matrix).min().item()
    if smallest < 0:
        raise ValueError(f"expected a covariance without negative eigenvalues, got {smallest}")
    return GaussianModel(centre, matrix, path)
