"""Every way from clean latents to an embedding: what guidance differentiates through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from seehear.guidance.protocols import Backbone, Binder, DecodesToMel, EmbedsMel, EmbedsNoisyFrames

PathName = Literal["by frames", "by frames and eye", "by waveform", "by mel"]
Stage = Literal["decoder", "vocoder", "binder"]


@dataclass(frozen=True)
class Segment:
    """A piece of the way, done by one model."""

    stage: Stage
    run: Callable[[Tensor], Tensor]


def gradient_paths(backbone: Backbone, binder: Binder) -> dict[PathName, tuple[Segment, ...]]:
    """The ways that both models know, the one that needs no further ability first.

    Their input is what `Backbone.predict` gives as the clean estimate, their output embeddings
    [batch, dim].
    """
    if backbone.stream == "video":
        decode = Segment("decoder", backbone.decode)
        seen: dict[PathName, tuple[Segment, ...]] = {
            "by frames": (decode, Segment("binder", binder.embed_video))
        }
        if isinstance(binder, EmbedsNoisyFrames):
            seen["by frames and eye"] = (decode, Segment("binder", binder.embed_noisy_frames))
        return seen

    def hear(waveform: Tensor) -> Tensor:
        return binder.embed_audio(waveform, int(backbone.sample_rate))

    if not isinstance(backbone, DecodesToMel):
        return {"by waveform": (Segment("decoder", backbone.decode), Segment("binder", hear))}
    decode = Segment("decoder", backbone.mel_from_latents)
    vocode = Segment("vocoder", backbone.waveform_from_mel)
    heard: dict[PathName, tuple[Segment, ...]] = {
        "by waveform": (decode, vocode, Segment("binder", hear))
    }
    if isinstance(binder, EmbedsMel):
        heard["by mel"] = (decode, Segment("binder", binder.embed_mel))
    return heard
