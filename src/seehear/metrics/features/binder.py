"""A binder as a measure: its unit embeddings are features, and agree across kinds of media."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.protocols import Binder
from seehear.metrics.features.protocol import Features


class BinderFeatures:
    """What a binder hears, sees and reads. It has no classes.

    The binder that guided is no judge of what it guided.
    """

    def __init__(self, binder: Binder, sample_rate: int):
        """`sample_rate` is the one that the binder resamples to, in Hz."""
        self.binder, self.sample_rate = binder, sample_rate

    @torch.no_grad()
    def hear(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Embeddings of mono waveforms in [-1, 1]."""
        return Features(self.binder.embed_audio(waveform, sample_rate))

    @torch.no_grad()
    def see(self, frames: Float[Tensor, "batch frames 3 height width"], fps: float) -> Features:
        """Embeddings of frames in [0, 1]; `fps` changes nothing."""
        return Features(self.binder.embed_video(frames))

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Embeddings of sentences."""
        return self.binder.embed_text(prompts)
