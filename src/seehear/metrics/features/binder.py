"""A binder as a feature network: unit embeddings that are comparable across modalities."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.protocols import Binder
from seehear.metrics.features.protocol import Features


class BinderFeatures:
    """Audio, video and text embeddings of a binder, without classes.

    A binder cannot judge the clips that it guided.
    """

    def __init__(self, binder: Binder, sample_rate: int):
        """`sample_rate` is the rate that the binder resamples to, in Hz."""
        self.binder, self.sample_rate = binder, sample_rate

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Embeddings of mono waveforms in [-1, 1]."""
        return Features(self.binder.embed_audio(waveform, sample_rate))

    @torch.no_grad()
    def from_video(
        self, frames: Float[Tensor, "batch frames 3 height width"], fps: float
    ) -> Features:
        """Embeddings of frames in [0, 1]. `fps` is ignored."""
        return Features(self.binder.embed_video(frames))

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Embeddings of prompts."""
        return self.binder.embed_text(prompts)
