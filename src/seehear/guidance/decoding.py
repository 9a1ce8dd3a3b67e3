"""Decode clean latents to the media that guidance embeds: log mels, waveforms or frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from seehear.dsp.events import Curve, mel_onsets, motion_energy, motion_starts, onset_envelope
from seehear.dsp.mel import HOP_SAMPLES, SAMPLE_RATE
from seehear.guidance.augmentation import augment_images, augment_mels
from seehear.guidance.protocols import (
    Backbone,
    Binder,
    DecodesToMel,
    EmbedsMel,
    EmbedsNoisyFrames,
    Stream,
)
from seehear.guidance.settings import ImageAugmentation, MelAugmentation
from seehear.guidance.windows import positions_for


@dataclass(frozen=True)
class Mel:
    """Audio as a log mel of `seehear.dsp.mel`."""

    mel: Tensor  # [batch, hops, 64]

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.mel.shape[1] * HOP_SAMPLES / SAMPLE_RATE

    def embedding(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        assert isinstance(binder, EmbedsMel)
        return binder.embed_mel(self.mel)

    def onsets(self) -> Curve:
        """Onset strength over time."""
        return mel_onsets(self.mel, SAMPLE_RATE / HOP_SAMPLES)

    def augment(self, views: "AugmentedViews") -> "Mel":
        """One augmented view."""
        return Mel(augment_mels(views.mel_augmentation, self.mel, views.generator))


@dataclass(frozen=True)
class Waveform:
    """Audio as samples."""

    samples: Tensor  # [batch, samples]
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.samples.shape[1] / self.sample_rate

    def embedding(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        return binder.embed_audio(self.samples, self.sample_rate)

    def onsets(self) -> Curve:
        """Onset strength over time."""
        return onset_envelope(self.samples, self.sample_rate)


@dataclass(frozen=True)
class Frames:
    """The frames of a video; one frame for an image."""

    frames: Tensor  # [batch, frames, 3, height, width]
    fps: float
    frame_indices: tuple[int, ...] | None = None  # the frames to embed; None: all
    noisy_image_encoder: bool = False  # see `decode_estimate`

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.frames.shape[1] / self.fps

    def embedding(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        frames = self.frames
        if self.frame_indices is not None:
            frames = frames[:, list(self.frame_indices)]
        if self.noisy_image_encoder and isinstance(binder, EmbedsNoisyFrames):
            return binder.embed_noisy_frames(frames)
        return binder.embed_video(frames)

    def starts(self) -> Curve:
        """Strength of motion onsets over time. Needs at least two frames."""
        return motion_starts(motion_energy(self.frames, self.fps))

    def augment(self, views: "AugmentedViews") -> "Frames":
        """One augmented view; every frame gets its own augmentation."""
        images = augment_images(
            views.image_augmentation, self.frames.flatten(0, 1), views.generator
        )
        return replace(self, frames=images.unflatten(0, self.frames.shape[:2]))


Media = Mel | Waveform | Frames


def decode_estimate(
    backbones: Mapping[Stream, Backbone],
    binder: Binder,
    x0: Mapping[Stream, Tensor],
    duration_s: float | None,
    mel_bridge: bool = False,
    frame_indices: Sequence[int] | None = None,
    is_dense: bool = False,
    noisy_image_encoder: bool = False,
) -> dict[Stream, Media]:
    """The media that clean latents decode to, cut to `duration_s`.

    Args:
        backbones: One model per stream.
        binder: The network that will embed the media. Its abilities select mel or waveform.
        x0: Clean latents per stream, batch first.
        duration_s: Duration to keep, in seconds; None keeps all.
        mel_bridge: Decode audio to a log mel only, if both the audio model and the binder support
            it. This saves running and differentiating the vocoder.
        frame_indices: Frames of a video to embed; None embeds all.
        is_dense: Decode all frames, not only those to embed: motion is a difference of neighbours.
        noisy_image_encoder: Embed frames with `EmbedsNoisyFrames.embed_noisy_frames`, the encoder
            for unfinished images, if the binder has one.
    """
    media: dict[Stream, Media] = {}
    for stream, latents in x0.items():
        backbone = backbones[stream]
        if stream != "audio":
            frames = _frames(backbone, latents, duration_s, frame_indices, is_dense)
            media[stream] = replace(frames, noisy_image_encoder=noisy_image_encoder)
        elif mel_bridge and isinstance(backbone, DecodesToMel) and isinstance(binder, EmbedsMel):
            mel = backbone.mel_from_latents(latents)
            media[stream] = Mel(trim(mel, duration_s, SAMPLE_RATE / HOP_SAMPLES))
        else:
            waveform = trim(backbone.decode(latents), duration_s, backbone.sample_rate)
            media[stream] = Waveform(waveform, int(backbone.sample_rate))
    return media


def _frames(
    backbone: Backbone,
    latents: Tensor,
    duration_s: float | None,
    frame_indices: Sequence[int] | None,
    is_dense: bool,
) -> Frames:
    fps = float(backbone.sample_rate)
    # A model with one latent position per frame can decode single frames.
    is_separable = backbone.latents_per_s == backbone.sample_rate
    if frame_indices is not None and is_separable and not is_dense:
        chosen = torch.tensor(frame_indices, device=latents.device)
        return Frames(backbone.decode(latents.index_select(backbone.time_axis, chosen)), fps)
    frames = backbone.decode(latents)
    if duration_s is not None:  # keep a frame that has started
        frames = frames[:, : positions_for(duration_s, fps)]
    return Frames(frames, fps, None if frame_indices is None else tuple(frame_indices))


class AugmentedViews:
    """Draws augmented views during a run and averages their embeddings.

    Waveforms are not augmented.
    """

    def __init__(
        self, image_augmentation: ImageAugmentation, mel_augmentation: MelAugmentation, seed: int
    ):
        self.image_augmentation, self.mel_augmentation = image_augmentation, mel_augmentation
        self.generator = torch.Generator().manual_seed(seed)

    def embedding(self, binder: Binder, media: Media) -> Tensor:
        """Normalised mean embedding (batch, dim) of the augmented views of `media`."""
        settings = self.image_augmentation if isinstance(media, Frames) else self.mel_augmentation
        if isinstance(media, Waveform) or not settings.per_step:
            return media.embedding(binder)
        each = [media.augment(self).embedding(binder) for _ in range(settings.per_step)]
        return functional.normalize(torch.stack(each).mean(0), dim=1)


def embed_media(
    binder: Binder, media: Mapping[Stream, Media], views: AugmentedViews | None = None
) -> dict[str, Tensor]:
    """Embeddings (batch, dim) of media, averaged over augmented views if `views` is given."""
    if views is None:
        return {stream: m.embedding(binder) for stream, m in media.items()}
    return {stream: views.embedding(binder, m) for stream, m in media.items()}


def trim(media: Tensor, duration_s: float | None, rate: float | int) -> Tensor:
    """The first `duration_s` seconds of audio (batch, time, ...); None returns all of it."""
    return media if duration_s is None else media[:, : max(1, round(duration_s * rate))]
