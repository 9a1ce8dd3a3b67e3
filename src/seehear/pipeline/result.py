"""The result of a run, and its files: the media and the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.hashes import file_sha256
from seehear.media import (
    mux_audio,
    peak_dbfs,
    upscaled,
    write_audio,
    write_image,
    write_video,
)
from seehear.media.encode import CONTAINERS
from seehear.media.mixing import of_file
from seehear.media.suffixes import AUDIO_OUTPUTS
from seehear.media.track import Track
from seehear.media.write import IMAGE_FORMATS
from seehear.pipeline.manifest import frames_sha256, manifest, samples_sha256, write_json

SMALL, TIMES = 128, 4  # default upscale: frames below 128 pixels are enlarged by 4


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """The output of a task (audio, frames or both) and everything needed to repeat it."""

    task: str  # "v2a", "i2a", "a2v", "a2i" or "joint"
    waveform: Float[Tensor, "channels samples"] | None = None  # in [-1, 1]
    sample_rate: int | None = None
    frames: UInt8[Tensor, "n 3 height width"] | None = None  # generated frames, if any
    fps: float | Fraction | None = None
    video_path: Path | None = None  # the input video, to mux the audio with
    input_frames: UInt8[Tensor, "m 3 height width"] | None = None  # of an array as input
    input_fps: float | None = None
    caption: str | None = None  # the prompt that was used
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    trace: Sequence[Mapping[str, Any]] = ()  # one entry per step
    inputs: Sequence[Mapping[str, Any]] = ()  # of `describe_input`
    weights: Sequence[Mapping[str, Any]] = ()  # name, sha256, licence of each network
    agreement: float | None = None  # of audio and video, if there are takes; see `agreement.py`

    def __post_init__(self):
        if self.waveform is None and self.frames is None:
            raise ValueError("expected a waveform, frames or both, got neither")
        if self.waveform is not None and not self.sample_rate:
            raise ValueError("a waveform needs its sample_rate")
        if self.input_frames is not None and not self.input_fps:
            raise ValueError("input_frames need their input_fps")
        if self.frames is not None and not self.fps:
            raise ValueError("frames need their fps")

    def __repr__(self) -> str:
        parts = [self.task]
        if self.waveform is not None:
            parts.append(f"audio {list(self.waveform.shape)} at {self.sample_rate} Hz")
        if self.frames is not None:
            size = "x".join(map(str, self.frames.shape[:1] + self.frames.shape[2:]))
            parts.append(f"frames {size} at {float(self.fps or 0):g} fps")
        parts += [f"{self.duration_s:.2f} s", f"prompt {self.caption!r}", f"seed {self.seed}"]
        return f"Result({', '.join(parts)})"

    @property
    def audio(self) -> Float[np.ndarray, "channels samples"] | None:
        """The audio as an array in [-1, 1]."""
        return None if self.waveform is None else self.waveform.detach().cpu().numpy()

    @property
    def video(self) -> UInt8[np.ndarray, "n height width 3"] | None:
        """The frames as an array, colours last."""
        return None if self.frames is None else self.frames.permute(0, 2, 3, 1).cpu().numpy()

    @property
    def duration_s(self) -> float:
        """Duration of the audio, or of the frames if there is no audio."""
        if self.waveform is not None and self.sample_rate:
            return self.waveform.shape[-1] / self.sample_rate
        assert self.frames is not None
        assert self.fps is not None
        return float(len(self.frames) / Fraction(self.fps))

    def save(
        self,
        path: str | Path,
        *,
        track: Track = Track(),  # noqa: B008 - frozen
        reencode: bool = False,
        upscale: int | None = 1,
    ) -> tuple[Path, Path]:
        """Write the media and, beside them, the manifest with the suffix .json.

        An audio suffix (as in `write_audio`) writes the audio alone, an image suffix (.png, .jpg,
        .webp) the first frame. A video suffix muxes the audio with the unchanged input video
        (`track` and `reencode` as in `mux_audio`) or with the generated frames. `upscale` is the
        integer factor by which frames are enlarged; None enlarges small frames only. File and
        manifest record it.

        Returns:
            The paths of the media and of the manifest.

        Raises:
            MediaError: As `mux_audio`, `write_video` and `write_audio`.
            SettingsError: The result lacks the frames or the audio that the suffix needs.
        """
        path = Path(path)
        if upscale is None:
            is_small = self.frames is not None and max(self.frames.shape[-2:]) < SMALL
            upscale = TIMES if is_small else 1
        self._write_media(path, track, reencode, upscale)
        manifest_path = path.with_suffix(".json")
        record = self.manifest([path])
        if self.frames is not None:
            record["upscale"] = {"factor": upscale, "filter": "Lanczos"}
        write_json(manifest_path, record)
        return path, manifest_path

    def _write_media(self, path: Path, track: Track, reencode: bool, upscale: int) -> None:
        suffix = path.suffix.lower()
        comment = "made by seehear"
        if upscale > 1:
            comment += f", enlarged {upscale} times by Lanczos resampling"
        if suffix in AUDIO_OUTPUTS:
            if self.waveform is None or self.sample_rate is None:
                raise SettingsError(f"{path}: this result has no audio; choose a video suffix")
            waveform, rate = of_file(self.waveform, self.sample_rate, track)
            write_audio(path, waveform, rate, is_24_bit=track.is_pcm)
        elif suffix in IMAGE_FORMATS:
            if self.frames is None:
                raise SettingsError(f"{path}: this result has no frames; choose an audio suffix")
            write_image(path, upscaled(self.frames[:1], upscale)[0], comment)
        elif suffix not in CONTAINERS:
            known = ", ".join([*AUDIO_OUTPUTS, *IMAGE_FORMATS, *sorted(CONTAINERS)])
            raise MediaError(
                f"{path}: cannot write {suffix or 'no suffix'!r}; choose one of {known}"
            )
        elif self.frames is not None and self.fps is not None:
            write_video(
                path, upscaled(self.frames, upscale), self.fps, self.waveform, self.sample_rate,
                track=track, comment=comment,
            )  # fmt: skip
        elif self.input_frames is not None and self.input_fps:
            write_video(
                path, self.input_frames, self.input_fps, self.waveform, self.sample_rate,
                track=track,
            )  # fmt: skip
        elif self.video_path is None:
            raise SettingsError(
                f"{path}: this result has no frames; choose one of {', '.join(AUDIO_OUTPUTS)}"
            )
        else:
            assert self.waveform is not None
            assert self.sample_rate is not None
            mux_audio(
                self.video_path, self.waveform, self.sample_rate, path, track=track,
                reencode=reencode,
            )  # fmt: skip

    def manifest(self, outputs: Sequence[Path] = ()) -> dict[str, Any]:
        """The record of the run as JSON data."""
        return manifest(
            task=self.task,
            inputs=self.inputs,
            settings=self.settings,
            seed=self.seed,
            weights=self.weights,
            trace=self.trace,
            caption=self.caption,
            duration_s=self.duration_s,
            levels={} if self.waveform is None else {"peak_dbfs": peak_dbfs(self.waveform)},
            samples_sha256=None if self.waveform is None else samples_sha256(self.waveform),
            frames_sha256=None if self.frames is None else frames_sha256(self.frames),
            outputs=[{"file": p.name, "sha256": file_sha256(p)} for p in outputs],
        )
