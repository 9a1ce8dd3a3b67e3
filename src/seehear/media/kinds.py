"""What media are inside the package: tensors with their units, and nothing about files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxtyping import Float, UInt8
from torch import Tensor

Kind = Literal["image", "video", "audio"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Video:
    """The frames of a clip that are on screen at regular times.

    `times_s[k]` is k / frames_per_s, counted from the first picture; `frames[k]` is what is on
    screen then. Upright (rotation flags applied) and with square pixels.
    """

    frames: UInt8[Tensor, "n 3 height width"]
    times_s: Float[Tensor, " n"]
    duration_s: float  # of the picture, from the file's own clock: first frame on to last frame off
    fps: float  # average frame rate of the file, not of `frames`
    frames_per_s: float  # how many frames a second were kept
    has_audio: bool = False
    rotation_deg: int = 0  # counterclockwise turn that the file asked for, already applied
    path: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """A sound: full scale is [-1, 1]; lossy files may overshoot it slightly."""

    waveform: Float[Tensor, "channels samples"]
    sample_rate: int
    path: Path | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.waveform.shape[-1] / self.sample_rate


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """A picture in 8-bit RGB, upright."""

    pixels: UInt8[Tensor, "3 height width"]
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a media file holds, told from its header without decoding it."""

    kind: Kind
    duration_s: float | None  # 0 for an image; None when the file does not say
    width: int = 0  # as stored, before rotation
    height: int = 0
    has_audio: bool = False
    fps: float | None = None  # average frame rate of a video; None when the file does not say
