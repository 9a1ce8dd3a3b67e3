"""Inpainting: some positions of the latents are known, the model generates the others."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from seehear.guidance.diffusion import NoiseLevel, Prediction
from seehear.guidance.protocols import Backbone


class InpaintedBackbone:
    """A backbone whose latents are known at some positions in time.

    At every noise level, the known positions are replaced by the known clean latents with noise of
    that level (Song et al. 2021, arXiv:2011.13456, appendix I.2). The predicted clean estimate and
    noise of these positions are the known ones, so DDIM goes through the same latents.
    """

    def __init__(
        self, backbone: Backbone, clean: Tensor, noise: Tensor, is_known: Bool[Tensor, " length"]
    ):
        """Wrap a backbone.

        Args:
            backbone: The model.
            clean: Clean latents of the whole clip; only the known positions are used.
            noise: Standard normal latents of the same shape.
            is_known: Which positions in time are known.
        """
        self.backbone, self.clean, self.noise, self.is_known = backbone, clean, noise, is_known
        self.stream = backbone.stream
        self.native_duration_s = backbone.native_duration_s
        self.latents_per_s = backbone.latents_per_s
        self.time_axis = backbone.time_axis
        self.sample_rate = backbone.sample_rate

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """The inner backbone's noise levels."""
        return self.backbone.levels(num_steps)

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """The inner backbone's initial latents; `at_level` sets their known positions."""
        return self.backbone.prior(duration_s, batch, generator)

    def embed_prompt(self, prompts: Sequence[str]) -> Tensor:
        """The inner backbone's embedding."""
        return self.backbone.embed_prompt(prompts)

    def at_level(self, z: Tensor, level: NoiseLevel) -> Tensor:
        """Latents whose known positions have noise of `level`."""
        known = level.alpha * self.clean + level.sigma * self.noise
        return torch.where(self._mask(z), known.to(z), z)

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Predict all positions, and replace the known ones.

        A window of the clip is predicted as it is: its known positions have noise of `level`.
        """
        if z.shape[self.time_axis] != len(self.is_known):
            return self.backbone.predict(z, level, y, guidance_scale)
        predicted = self.backbone.predict(self.at_level(z, level), level, y, guidance_scale)
        mask = self._mask(z)
        return Prediction(
            x0=torch.where(mask, self.clean.to(z), predicted.x0),
            eps=torch.where(mask, self.noise.to(z), predicted.eps),
        )

    def decode(self, z_0: Tensor) -> Tensor:
        """The inner backbone's media."""
        return self.backbone.decode(z_0)

    def _mask(self, z: Tensor) -> Bool[Tensor, "..."]:
        shape = [1] * z.ndim
        shape[self.time_axis] = len(self.is_known)
        return self.is_known.to(z.device).view(shape)
