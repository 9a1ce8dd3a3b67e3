"""What an output should and should not contain, besides the input and the prompt."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.conditions import AudioCondition, VideoCondition, embed_whole
from seehear.guidance.protocols import Backbone, Binder, EncodesAudio
from seehear.guidance.references import Reference
from seehear.guidance.windows import WindowedBackbone
from seehear.media import Audio
from seehear.media.encode import pad_or_trim, resample_for_track
from seehear.pipeline.inputs import Media, condition_of, read_reference
from seehear.pipeline.manifest import describe_input
from seehear.pipeline.presets import Preset
from seehear.pipeline.texts import check_text

ReferenceName = Literal["like", "veto"]


class Avoiding(TypedDict, total=False):
    """Further keyword arguments of `Studio.joint_model`."""

    veto: str | Path | Media | None
    """What guidance avoids in the binder's space: text, or a file or media, as `Path` or `Media`.

    It works with every model, but only in guided steps.
    """


class References(Avoiding, total=False):
    """The keyword arguments that compare the output with something else."""

    like: str | Path | Media | None
    """An audio file, an image or a video that the output should resemble in the binder's space."""
    like_strength: float
    """Start from the recording `like` instead of from noise: 0 (only noise) to below 1.

    This fraction of the steps is skipped, so the higher it is, the more the audio keeps of the
    recording (Meng et al. 2022, SDEdit, arXiv:2108.01073).
    """


class Steering(References, total=False):
    """Further keyword arguments of `Studio.video_to_audio` and the methods of the other tasks."""

    negative: str
    """A negative prompt: what the output should not contain, such as "music, speech".

    It replaces the empty prompt in classifier-free guidance. So the model must read prompts, and
    the preset's guidance scale must be above 1.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceInput:
    """Text or media that the output should resemble or avoid."""

    text: str = ""
    media: VideoCondition | AudioCondition | None = None  # None: only text
    path: Path | None = None  # of the media, if they came from a file
    strength: float = 0.0  # fraction of the steps that are skipped, to start from the recording

    def __post_init__(self):
        if not 0 <= self.strength < 1:
            raise SettingsError(f"expected like_strength from 0 to below 1, got {self.strength:g}")
        if self.strength and not isinstance(self.media, AudioCondition):
            raise SettingsError("expected an audio file as `like` to start from with like_strength")

    @torch.no_grad()
    def embed(self, binder: Binder) -> Tensor:
        """Its embedding, (1, dim)."""
        if self.media is None:
            return binder.embed_text([self.text])
        return embed_whole(binder, self.media)

    def to_json(self) -> dict[str, Any]:
        """The record in a manifest. Media without a file have an empty one."""
        if self.media is None:
            return {"text": self.text}
        record = {} if self.path is None else {"input": describe_input(self.path)}
        return record | ({"strength": self.strength} if self.strength else {})

    def first_step(self, num_steps: int) -> int:
        """The first of `num_steps` steps that is not skipped."""
        return int(self.strength * num_steps)

    def start(
        self, noise: Tensor, backbone: Backbone, num_steps: int
    ) -> Float[Tensor, "batch channels time bands"]:
        """Noisy latents of the recording, at the level of the first step that is not skipped.

        Args:
            noise: Standard normal latents of the output.
            backbone: The audio model.
            num_steps: Steps of a run from noise alone.

        Raises:
            SettingsError: The model cannot encode audio.
        """
        assert isinstance(self.media, AudioCondition)
        waveform = self.media.waveform[None]
        wanted_s = noise.shape[backbone.time_axis] / backbone.latents_per_s
        wanted = math.ceil(wanted_s * self.media.sample_rate)
        repeated = waveform.repeat(1, math.ceil(wanted / waveform.shape[1]))[:, :wanted]
        recording = Audio(waveform=repeated, sample_rate=self.media.sample_rate)
        clean = encoded_audio(recording, backbone, noise)
        level = backbone.levels(num_steps)[self.first_step(num_steps)]
        return level.alpha * clean + level.sigma * noise


@torch.no_grad()
def encoded_audio(
    audio: Audio, backbone: Backbone, noise: Tensor
) -> Float[Tensor, "batch channels time bands"]:
    """Clean latents of audio, encoded in parts of the model's own length.

    Args:
        audio: At any sample rate; silence follows it if it is shorter than the latents.
        backbone: The audio model.
        noise: Latents of the output's shape, device and data type.

    Raises:
        SettingsError: The model cannot encode audio.
    """
    model = backbone.backbone if isinstance(backbone, WindowedBackbone) else backbone
    if not isinstance(model, EncodesAudio):
        raise SettingsError(
            "expected an audio model that can encode recordings, for like_strength or a region; "
            "drop it"
        )
    rate, length = int(backbone.sample_rate), noise.shape[backbone.time_axis]
    mono = audio.waveform.mean(dim=0, keepdim=True).numpy()
    samples = math.ceil(length / backbone.latents_per_s * rate)
    resampled = pad_or_trim(resample_for_track(mono, audio.sample_rate, rate), samples)
    waveform = torch.from_numpy(resampled).to(noise)
    positions = max(1, round(backbone.native_duration_s * backbone.latents_per_s))
    part_samples = round(positions / backbone.latents_per_s * rate)
    parts = [model.latents_from_waveform(part) for part in waveform.split(part_samples, dim=1)]
    whole = [part.narrow(backbone.time_axis, 0, positions) for part in parts[:-1]]
    clean = torch.cat([*whole, parts[-1]], dim=backbone.time_axis)
    return clean.narrow(backbone.time_axis, 0, length)


def reference_input(value: str | Path | Media, strength: float = 0.0) -> ReferenceInput:
    """Text, or media that are read from their file if needed.

    Raises:
        MediaError: The file cannot be read.
        SettingsError: The text is not Unicode, or `strength` is out of range or without audio.
    """
    if isinstance(value, str):
        check_text(value)
        return ReferenceInput(text=value.strip(), strength=strength)
    media = read_reference(value) if isinstance(value, Path) else value
    return ReferenceInput(media=condition_of(media), path=media.path, strength=strength)


def references_of(
    inputs: Mapping[ReferenceName, ReferenceInput], binder: Binder, preset: Preset
) -> tuple[Reference, ...]:
    """The references that guidance compares generated media with."""
    weights = {"like": preset.like_weight, "veto": preset.veto_weight}
    return tuple(
        Reference(
            name=name,
            embedding=given.embed(binder),
            weight=weights[name],
            is_veto=name == "veto",
            margin=preset.veto_margin,
        )
        for name, given in inputs.items()
    )
