"""What an output should and should not contain, besides the input and the prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from seehear.guidance.conditions import AudioCondition, VideoCondition, embed_whole
from seehear.guidance.protocols import Binder
from seehear.guidance.references import Reference
from seehear.pipeline.inputs import Media, check_text, condition_of, read_reference
from seehear.pipeline.manifest import describe_input
from seehear.pipeline.presets import Preset

ReferenceName = Literal["like", "veto"]


class Avoiding(TypedDict, total=False):
    """Further keyword arguments of `Studio.joint_model`."""

    negative: str
    """A negative prompt: what the output should not contain, such as "music, speech".

    It replaces the empty prompt in classifier-free guidance. So the model must read prompts, and
    the preset's guidance scale must be above 1.
    """
    veto: str | Path | Media | None
    """What guidance avoids in the binder's space: text, or a file or media, as `Path` or `Media`.

    It works with every model, but only in guided steps.
    """


class Steering(Avoiding, total=False):
    """Further keyword arguments of `Studio.video_to_audio` and the methods of the other tasks."""

    like: str | Path | Media | None
    """An audio file, an image or a video that the output should resemble in the binder's space."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceInput:
    """Text or media that the output should resemble or avoid."""

    text: str = ""
    media: VideoCondition | AudioCondition | None = None  # None: only text
    path: Path | None = None  # of the media, if they came from a file

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
        return {} if self.path is None else {"input": describe_input(self.path)}


def reference_input(value: str | Path | Media) -> ReferenceInput:
    """Text, or media that are read from their file if needed.

    Raises:
        MediaError: The file cannot be read.
        SettingsError: The text is not Unicode.
    """
    if isinstance(value, str):
        check_text(value)
        return ReferenceInput(text=value.strip())
    media = read_reference(value) if isinstance(value, Path) else value
    return ReferenceInput(media=condition_of(media), path=media.path)


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
