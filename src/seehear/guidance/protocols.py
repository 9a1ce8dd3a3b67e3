"""Interfaces of the models. A model implements them in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.guidance.diffusion import NoiseLevel, Prediction
from seehear.guidance.solvers import Solver
from seehear.guidance.streams import Stream


@runtime_checkable
class Backbone(Protocol):
    """A frozen diffusion model for one stream, differentiable in latents and prompt embedding."""

    stream: Stream
    native_duration_s: float  # clip length that the model was trained on
    latents_per_s: float  # latent positions per second along `time_axis`
    time_axis: int  # time axis of the latents (never the batch axis 0)

    @property
    def sample_rate(self) -> float:
        """Samples per second of decoded audio; for video the frame rate, in frames per second."""
        ...

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """`num_steps + 1` levels from noisiest to cleanest; step i goes from level i to i + 1."""
        ...

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """Draw initial latents at the noisiest level, long enough for `duration_s` seconds."""
        ...

    def embed_prompt(self, prompts: Sequence[str]) -> Tensor:
        """Prompt embeddings `y` (2 * batch, ...): unconditional rows first, then the prompts'.

        An empty prompt has the unconditional embedding.
        """
        ...

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Clean estimate and noise at `level`, after classifier-free guidance."""
        ...

    def decode(self, z_0: Tensor) -> Tensor:
        """Decode clean latents to media, differentiably.

        Audio: waveform (batch, samples) in about [-1, 1]. Video: frames (batch, time, 3, h, w)
        in [0, 1].
        """
        ...


@runtime_checkable
class JointModel(Protocol):
    """A frozen diffusion model for several streams, which predicts all of them in one call."""

    streams: tuple[Stream, ...]

    def stream(self, stream: Stream) -> Backbone:
        """One stream, a `JointStream`."""
        ...

    def conditioned_on(
        self, stream: Stream, latents: Tensor, generator: torch.Generator
    ) -> Backbone:
        """A backbone of the other stream, conditioned on clean latents of `stream`."""
        ...

    def predict(
        self,
        z: Mapping[Stream, Tensor],
        level: NoiseLevel,
        y: Mapping[Stream, Tensor],
        guidance_scale: Mapping[Stream, float],
    ) -> dict[Stream, Prediction]:
        """Clean estimate and noise of every stream, differentiable in all latents and prompts."""
        ...


@runtime_checkable
class JointStream(Protocol):
    """A backbone that is one stream of a joint model. The loop predicts its streams together."""

    joint: JointModel


@runtime_checkable
class HasConditionNoise(Protocol):
    """A backbone that replaces one stream of a joint model by noisy latents of it."""

    def with_noise(self, generator: torch.Generator) -> Backbone:
        """A copy with other noise in the conditioning stream."""
        ...


@runtime_checkable
class EncodesAudio(Protocol):
    """An audio model that can also start from a recording."""

    def latents_from_waveform(self, waveform: Float[Tensor, "batch samples"]) -> Tensor:
        """Clean latents of mono waveforms at the model's sample rate; the inverse of `decode`."""
        ...


@runtime_checkable
class HasSolver(Protocol):
    """A backbone that chooses how the loop goes from one noise level to the next."""

    def solver(self, num_steps: int, generator: torch.Generator) -> Solver:
        """A new solver for one run of `num_steps` steps; `generator` draws fresh noise."""
        ...


@runtime_checkable
class Binder(Protocol):
    """A frozen network with one embedding space for audio, video and text.

    Every method returns one unit vector per sample and is differentiable in its tensors. The
    binder does its own resampling, feature extraction, frame selection and normalisation.
    """

    def embed_audio(
        self, waveform: Float[Tensor, "batch samples"], sample_rate: int
    ) -> Float[Tensor, "batch dim"]:
        """Embed mono waveforms in [-1, 1] of at least 0.1 s."""
        ...

    def embed_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed RGB frames in [0, 1]; an image is a video of one frame."""
        ...

    def embed_text(self, prompts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        """Embed sentences."""
        ...


@runtime_checkable
class EmbedsNoisyFrames(Protocol):
    """A binder with a second image encoder, for the noisy estimates of a sampling run."""

    def embed_noisy_frames(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Embed RGB frames in [0, 1], differentiably, in the binder's embedding space."""
        ...


@runtime_checkable
class EmbedsLatents(Protocol):
    """A network that embeds noisy latents of one backbone in the embedding space of one binder."""

    def embed_latents(self, z: Tensor, level: NoiseLevel) -> Float[Tensor, "batch dim"]:
        """Unit vectors of latents (batch, ...) at `level`, differentiably."""
        ...


@dataclass(frozen=True)
class NamingCalibration:
    """When a binder's best name for an input counts as certain."""

    sharpness: float  # of the softmax that turns scores into probabilities
    sure: float  # minimum probability of a concept
    group: float  # minimum probability of a group of concepts


@runtime_checkable
class HasNamingCalibration(Protocol):
    """A binder whose scores of concepts are calibrated."""

    video_naming: NamingCalibration
    audio_naming: NamingCalibration


@runtime_checkable
class ClassifiesVideo(Protocol):
    """A binder with an ImageNet classifier."""

    def classify_video(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> tuple[Float[Tensor, "batch 1000"], Float[Tensor, "batch dim"]]:
        """ImageNet probabilities of RGB frames in [0, 1], and an embedding of any length."""
        ...


@runtime_checkable
class HasPreview(Protocol):
    """A backbone with a cheap approximate decoder for previews."""

    def preview(self, z_0: Tensor) -> Tensor:
        """As `Backbone.decode`, without gradients and at lower quality."""
        ...


@runtime_checkable
class LimitsPrompts(Protocol):
    """A backbone that reads only the start of a long prompt."""

    def used_prompt(self, prompt: str) -> str:
        """The part of a prompt that is used; the whole prompt if it fits."""
        ...


@runtime_checkable
class CaptionsImages(Protocol):
    """A frozen network that captions images."""

    def caption_image(self, pixels: UInt8[Tensor, "3 height width"]) -> str:
        """A caption in English of an RGB image in [0, 255], one sentence."""
        ...


@runtime_checkable
class CaptionsAudio(Protocol):
    """A frozen network that captions audio."""

    def caption_audio(self, waveform: Float[Tensor, " samples"], sample_rate: int) -> str:
        """A caption in English of a mono waveform in [-1, 1], one sentence."""
        ...


@runtime_checkable
class DecodesToMel(Protocol):
    """An audio model that decodes to log mels (`seehear.dsp.mel`) and then to a waveform."""

    def mel_from_latents(self, z_0: Tensor) -> Float[Tensor, "batch frames 64"]:
        """Decode clean latents to log mels at 100 frames per second, differentiably."""
        ...

    def waveform_from_mel(
        self, mel: Float[Tensor, "batch frames 64"]
    ) -> Float[Tensor, "batch samples"]:
        """Convert log mels to the waveform that `decode` returns, differentiably."""
        ...


@runtime_checkable
class EmbedsMel(Protocol):
    """A binder that embeds log mels of `seehear.dsp.mel` in its embedding space."""

    def embed_mel(self, mel: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch dim"]:
        """Embed log mels of at least 0.1 s, differentiably."""
        ...
