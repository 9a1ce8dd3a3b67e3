"""What a network must offer to be a measure: features of sounds, of videos or of sentences.

Networks resample, resize and normalise by themselves, so that every one of them can be shown the
same clip. None takes part in guidance.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


class Features(NamedTuple):
    """What a network makes of media."""

    embedding: Float[Tensor, "n dim"]  # a row per clip; VGGish: a row per 0.96 s of each
    logits: Float[Tensor, "n classes"] | None = None  # of networks that name what they perceive


@runtime_checkable
class HearsSounds(Protocol):
    """A frozen network that listens."""

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that it resamples to; sounds that come at it are taken as they are."""
        ...

    def hear(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Features of mono waveforms in [-1, 1], without gradient."""
        ...


@runtime_checkable
class SeesVideos(Protocol):
    """A frozen network that watches."""

    def see(self, frames: Float[Tensor, "batch frames 3 height width"], fps: float) -> Features:
        """Features of RGB frames in [0, 1], without gradient.

        Args:
            frames: Evenly spread over the clip.
            fps: How many of them make a second.
        """
        ...


@runtime_checkable
class ReadsText(Protocol):
    """A frozen network whose space sentences share with sounds or videos."""

    def read(self, prompts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Embeddings to compare with those of `hear` or `see`, of any length."""
        ...
