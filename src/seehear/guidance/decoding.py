"""What clean latents decode to, as far as guidance needs it decoded: mels, samples or frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from seehear.dsp.events import Curve, mel_onsets, motion_energy, motion_starts, onset_envelope
from seehear.dsp.mel import HOP_SAMPLES, SAMPLE_RATE
from seehear.guidance.augmentation import augment_images, augment_mels
from seehear.guidance.protocols import Backbone, Binder, DecodesToMel, EmbedsMel, EmbedsNoisyFrames
from seehear.guidance.settings import ImageAugmentation, MelAugmentation
from seehear.guidance.streams import Stream
from seehear.guidance.windows import positions_for


@dataclass(frozen=True)
class Mel:
    """A sound as a log mel of `seehear.dsp.mel`."""

    mel: Tensor  # [batch, hops, 64]

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.mel.shape[1] * HOP_SAMPLES / SAMPLE_RATE

    def embedding(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        assert isinstance(binder, EmbedsMel)
        return binder.embed_mel(self.mel)

    def onsets(self) -> Curve:
        """How suddenly it grows louder, when."""
        return mel_onsets(self.mel, SAMPLE_RATE / HOP_SAMPLES)

    def augment(self, copies: "AugmentedViews") -> "Mel":
        """A copy to listen to."""
        return Mel(augment_mels(copies.hearings, self.mel, copies.generator))


@dataclass(frozen=True)
class Waveform:
    """A sound as samples."""

    samples: Tensor  # [batch, samples]
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.samples.shape[1] / self.sample_rate

    def embedding(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        return binder.embed_audio(self.samples, self.sample_rate)

    def onsets(self) -> Curve:
        """How suddenly it grows louder, when."""
        return onset_envelope(self.samples, self.sample_rate)


@dataclass(frozen=True)
class Frames:
    """A picture that moves, or a still."""

    frames: Tensor  # [batch, frames, 3, height, width]
    fps: float
    looked_at: tuple[int, ...] | None = None  # the frames that the binder sees; None: all
    by_eye: bool = False  # see `decode_estimate`

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.frames.shape[1] / self.fps

    def embedding(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        seen = self.frames if self.looked_at is None else self.frames[:, list(self.looked_at)]
        if self.by_eye and isinstance(binder, EmbedsNoisyFrames):
            return binder.embed_noisy_frames(seen)
        return binder.embed_video(seen)

    def starts(self) -> Curve:
        """How suddenly it begins to move, when. Needs two frames."""
        return motion_starts(motion_energy(self.frames, self.fps))

    def augment(self, copies: "AugmentedViews") -> "Frames":
        """A copy to look at; every frame is altered by itself."""
        pictures = augment_images(copies.looks, self.frames.flatten(0, 1), copies.generator)
        return replace(self, frames=pictures.unflatten(0, self.frames.shape[:2]))


Media = Mel | Waveform | Frames


def decode_estimate(
    backbones: Mapping[Stream, Backbone],
    binder: Binder,
    x0: Mapping[Stream, Tensor],
    duration_s: float | None,
    mel_bridge: bool = False,
    looked_at: Sequence[int] | None = None,
    is_dense: bool = False,
    by_eye: bool = False,
) -> dict[Stream, Media]:
    """The media that clean latents decode to, cut to `duration_s`.

    Args:
        backbones: A model for every stream.
        binder: Who will look and listen.
        x0: Clean latents, batch first.
        duration_s: How much is kept; None: all.
        mel_bridge: A sound stays a mel where both sound model and binder can do so: no vocoder to
            run, nor to differentiate.
        looked_at: Frames of a video that the binder shall see; None: all.
        is_dense: Decode the other frames too: motion is between neighbours.
        by_eye: Frames are looked at by the part of the binder that is meant for pictures in the
            making, where it has one.
    """
    made: dict[Stream, Media] = {}
    for stream, latents in x0.items():
        backbone = backbones[stream]
        if stream != "audio":
            frames = _frames(backbone, latents, duration_s, looked_at, is_dense)
            made[stream] = replace(frames, by_eye=by_eye)
        elif mel_bridge and isinstance(backbone, DecodesToMel) and isinstance(binder, EmbedsMel):
            mel = backbone.mel_from_latents(latents)
            made[stream] = Mel(trim(mel, duration_s, SAMPLE_RATE / HOP_SAMPLES))
        else:
            waveform = trim(backbone.decode(latents), duration_s, backbone.sample_rate)
            made[stream] = Waveform(waveform, int(backbone.sample_rate))
    return made


def _frames(
    backbone: Backbone,
    latents: Tensor,
    duration_s: float | None,
    looked_at: Sequence[int] | None,
    is_dense: bool,
) -> Frames:
    fps = float(backbone.sample_rate)
    # A model with one latent position per frame can decode any of them by itself.
    is_separable = backbone.latents_per_s == backbone.sample_rate
    if looked_at is not None and is_separable and not is_dense:
        chosen = torch.tensor(looked_at, device=latents.device)
        return Frames(backbone.decode(latents.index_select(backbone.time_axis, chosen)), fps)
    frames = backbone.decode(latents)
    if duration_s is not None:  # a frame that has begun is kept
        frames = frames[:, : positions_for(duration_s, fps)]
    return Frames(frames, fps, None if looked_at is None else tuple(looked_at))


class AugmentedViews:
    """Draws the altered copies of a run, step by step; waveforms are taken as they are."""

    def __init__(self, looks: ImageAugmentation, hearings: MelAugmentation, seed: int):
        self.looks, self.hearings = looks, hearings
        self.generator = torch.Generator().manual_seed(seed)

    def embedding(self, binder: Binder, made: Media) -> Tensor:
        """The mean embedding (batch, dim) of the copies of one medium, of length 1."""
        choice = self.looks if isinstance(made, Frames) else self.hearings
        if isinstance(made, Waveform) or not choice.per_step:
            return made.embedding(binder)
        each = [made.augment(self).embedding(binder) for _ in range(choice.per_step)]
        return functional.normalize(torch.stack(each).mean(0), dim=1)


def embed_media(
    binder: Binder, media: Mapping[Stream, Media], copies: AugmentedViews | None = None
) -> dict[str, Tensor]:
    """Embeddings (batch, dim) of media: of each as it is, or of its altered copies."""
    if copies is None:
        return {stream: made.embedding(binder) for stream, made in media.items()}
    return {stream: copies.embedding(binder, made) for stream, made in media.items()}


def trim(media: Tensor, duration_s: float | None, rate: float | int) -> Tensor:
    """The first `duration_s` seconds of a sound whose second axis is time; None: all of it."""
    return media if duration_s is None else media[:, : max(1, round(duration_s * rate))]
