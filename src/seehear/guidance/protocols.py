"""The seams: what a backbone and a binder must offer. One file per model implements one of them."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.guidance.diffusion import NoiseLevel, Prediction
from seehear.guidance.streams import Stream


@runtime_checkable
class Backbone(Protocol):
    """A frozen diffusion model for one stream. Differentiable in latents and prompt embedding."""

    stream: Stream
    native_duration_s: float  # the clip length that the model was trained on
    latents_per_s: float  # latent positions per second along `time_axis`
    time_axis: int  # which axis of the latents is time (never the batch axis 0)

    @property
    def sample_rate(self) -> float:
        """Samples per second of decoded audio; for video the frame rate, in frames per second."""
        ...

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """`num_steps + 1` noise levels from noisiest to cleanest; step i goes from i to i + 1."""
        ...

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """Draw initial latents at the noisiest level, long enough for `duration_s` seconds."""
        ...

    def embed_prompt(self, prompts: Sequence[str]) -> Tensor:
        """What the denoiser is conditioned on, `y`: unconditional rows first, then the prompts'.

        Shape (2 * batch, ...). An empty prompt is the unconditional embedding itself.
        """
        ...

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Clean estimate and noise at `level`, after classifier-free guidance of that scale."""
        ...

    def decode(self, z_0: Tensor) -> Tensor:
        """Clean latents to media, differentiably.

        Audio: waveform (batch, samples) in about [-1, 1]. Video: frames (batch, time, 3, h, w)
        in [0, 1].
        """
        ...


@runtime_checkable
class Binder(Protocol):
    """A frozen network with one embedding space for picture, sound and text.

    Every method returns one unit vector per sample and is differentiable in its tensors. The
    binder owns resampling, front end, frame choice and normalisation.
    """

    def embed_audio(
        self, waveform: Float[Tensor, "batch samples"], sample_rate: int
    ) -> Float[Tensor, "batch dim"]:
        """Embed mono waveforms in [-1, 1] of at least 0.1 s."""
        ...

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed RGB frames in [0, 1]; a picture is a video of one frame."""
        ...

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        """Embed sentences."""
        ...


@runtime_checkable
class EmbedsNoisyFrames(Protocol):
    """A binder with a second way to look, for pictures that are still being made."""

    def embed_noisy_frames(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed RGB frames in [0, 1], differentiably, in the same space as everything else."""
        ...


@runtime_checkable
class HasPreview(Protocol):
    """A backbone that can show roughly and cheaply what is being made."""

    def preview(self, z_0: Tensor) -> Tensor:
        """As `Backbone.decode`, without gradients and not for keeping."""
        ...


@runtime_checkable
class CaptionsImages(Protocol):
    """A frozen network that describes pictures in words."""

    def caption_image(self, pixels: UInt8[Tensor, "3 height width"]) -> str:
        """One English sentence about an RGB picture in [0, 255]."""
        ...


@runtime_checkable
class CaptionsAudio(Protocol):
    """A frozen network that describes sounds in words."""

    def caption_audio(self, waveform: Float[Tensor, " samples"], sample_rate: int) -> str:
        """One English sentence about a mono waveform in [-1, 1]."""
        ...


@runtime_checkable
class DecodesToMel(Protocol):
    """A sound model that decodes to log mels (`seehear.dsp.mel`) before it makes a waveform."""

    def mel_from_latents(self, z_0: Tensor) -> Float[Tensor, "batch frames 64"]:
        """Clean latents to log mels, 100 frames a second, differentiably."""
        ...

    def waveform_from_mel(
        self, mel: Float[Tensor, "batch frames 64"]
    ) -> Float[Tensor, "batch samples"]:
        """Such mels to the waveform that `decode` would return, differentiably."""
        ...


@runtime_checkable
class EmbedsMel(Protocol):
    """A binder that can embed such log mels in the same space as everything else."""

    def embed_mel(self, mel: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch dim"]:
        """Embed log mels of at least 0.1 s, differentiably."""
        ...
