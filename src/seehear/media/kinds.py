"""Media types: tensors with their units."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxtyping import Float, UInt8
from torch import Tensor

Kind = Literal["image", "video", "audio"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Video:
    """Video frames sampled at regular times.

    `frames[k]` is on screen at `times_s[k]` = k / frames_per_s seconds after the first frame.
    Frames are upright (rotation flags applied) and have square pixels.
    """

    frames: UInt8[Tensor, "n 3 height width"]
    times_s: Float[Tensor, " n"]
    duration_s: float  # from the file's timestamps: first frame on to last frame off
    fps: float  # average frame rate of the file, not of `frames`
    frames_per_s: float  # sampling rate of `frames`
    has_audio: bool = False
    rotation_deg: int = 0  # counterclockwise, from the file; already applied to `frames`
    path: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A frame of a video and the time in seconds at which it is on screen."""

    time_s: float
    pixels: UInt8[Tensor, "3 height width"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """Audio in [-1, 1]. Audio decoded from lossy files can exceed this range slightly."""

    waveform: Float[Tensor, "channels samples"]
    sample_rate: int
    path: Path | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.waveform.shape[-1] / self.sample_rate


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """An upright 8-bit RGB image."""

    pixels: UInt8[Tensor, "3 height width"]
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Properties of a media file, read from its header."""

    kind: Kind
    duration_s: float | None  # 0 for an image; None if the header does not state it
    width: int = 0  # as stored, before rotation
    height: int = 0
    has_audio: bool = False
    fps: float | None = None  # average frame rate of a video; None if unknown
