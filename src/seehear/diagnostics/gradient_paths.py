"""Differentiable paths from clean latents to an embedding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from seehear.guidance.protocols import Backbone, Binder, DecodesToMel, EmbedsMel, EmbedsNoisyFrames

PathName = Literal["by frames", "by noisy frames", "by waveform", "by mel"]
Stage = Literal["decoder", "vocoder", "binder"]


@dataclass(frozen=True)
class Segment:
    """A part of a path that one network computes."""

    stage: Stage
    run: Callable[[Tensor], Tensor]


def gradient_paths(backbone: Backbone, binder: Binder) -> dict[PathName, tuple[Segment, ...]]:
    """The paths that both models support; the first needs no optional method.

    Input is the clean estimate of `Backbone.predict`, output are embeddings [batch, dim].
    """
    if backbone.stream == "video":
        decode = Segment("decoder", backbone.decode)
        video_paths: dict[PathName, tuple[Segment, ...]] = {
            "by frames": (decode, Segment("binder", binder.embed_video))
        }
        if isinstance(binder, EmbedsNoisyFrames):
            video_paths["by noisy frames"] = (
                decode,
                Segment("binder", binder.embed_noisy_frames),
            )
        return video_paths

    def embed_audio(waveform: Tensor) -> Tensor:
        return binder.embed_audio(waveform, int(backbone.sample_rate))

    if not isinstance(backbone, DecodesToMel):
        return {
            "by waveform": (Segment("decoder", backbone.decode), Segment("binder", embed_audio))
        }
    decode = Segment("decoder", backbone.mel_from_latents)
    vocode = Segment("vocoder", backbone.waveform_from_mel)
    audio_paths: dict[PathName, tuple[Segment, ...]] = {
        "by waveform": (decode, vocode, Segment("binder", embed_audio))
    }
    if isinstance(binder, EmbedsMel):
        audio_paths["by mel"] = (decode, Segment("binder", binder.embed_mel))
    return audio_paths
