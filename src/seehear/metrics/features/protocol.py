"""Interfaces of feature networks for audio, video and text.

Networks resample, resize and normalise internally, so all of them take the same clip. They are not
used in guidance.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


class Features(NamedTuple):
    """Features and optional class logits."""

    embedding: Float[Tensor, "n dim"]  # one row per clip; VGGish: one row per 0.96 s
    logits: Float[Tensor, "n classes"] | None = None  # of classifiers


@runtime_checkable
class EmbedsAudio(Protocol):
    """A frozen network with audio input."""

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that the network resamples to. Audio at this rate is not resampled."""
        ...

    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Features of mono waveforms in [-1, 1], without gradient."""
        ...


@runtime_checkable
class EmbedsVideo(Protocol):
    """A frozen network with video input."""

    def from_video(
        self, frames: Float[Tensor, "batch frames 3 height width"], fps: float
    ) -> Features:
        """Features of RGB frames in [0, 1], without gradient.

        Args:
            frames: Evenly spaced frames of the clip.
            fps: Rate of `frames` per second.
        """
        ...


@runtime_checkable
class EmbedsText(Protocol):
    """A frozen network whose text embeddings are comparable with audio or video embeddings."""

    def read(self, prompts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Embeddings to compare with those of `hear` or `see`; they may be unnormalised."""
        ...
