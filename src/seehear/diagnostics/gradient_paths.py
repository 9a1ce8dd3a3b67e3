"""Every way from clean latents to an embedding: what guidance differentiates through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from seehear.guidance.protocols import Backbone, Binder, HearsMel, MakesMel, SeesUnfinished

Way = Literal["by frames", "by frames and eye", "by waveform", "by mel"]
Stage = Literal["decoder", "vocoder", "binder"]


@dataclass(frozen=True)
class Leg:
    """A piece of the way, done by one model."""

    stage: Stage
    run: Callable[[Tensor], Tensor]


def ways_of(backbone: Backbone, binder: Binder) -> dict[Way, tuple[Leg, ...]]:
    """The ways that both models know, the one that needs no further ability first.

    Their input is what `Backbone.predict` gives as the clean estimate, their output embeddings
    [batch, dim].
    """
    if backbone.stream == "video":
        decode = Leg("decoder", backbone.decode)
        seen: dict[Way, tuple[Leg, ...]] = {
            "by frames": (decode, Leg("binder", binder.embed_video))
        }
        if isinstance(binder, SeesUnfinished):
            seen["by frames and eye"] = (decode, Leg("binder", binder.embed_unfinished))
        return seen

    def hear(waveform: Tensor) -> Tensor:
        return binder.embed_audio(waveform, int(backbone.sample_rate))

    if not isinstance(backbone, MakesMel):
        return {"by waveform": (Leg("decoder", backbone.decode), Leg("binder", hear))}
    decode = Leg("decoder", backbone.mel_from_latents)
    vocode = Leg("vocoder", backbone.waveform_from_mel)
    heard: dict[Way, tuple[Leg, ...]] = {"by waveform": (decode, vocode, Leg("binder", hear))}
    if isinstance(binder, HearsMel):
        heard["by mel"] = (decode, Leg("binder", binder.embed_mel))
    return heard
