"""Inputs of the tasks: files, arrays, or media objects."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from seehear.dsp.events import Curve, motion_energy, onset_envelope
from seehear.dsp.resample import resample
from seehear.errors import MediaError, SettingsError
from seehear.guidance.conditions import AudioCondition, VideoCondition
from seehear.media import (
    Audio,
    Image,
    Video,
    probe,
    read_audio,
    read_image,
    read_video,
    stream_frames,
)
from seehear.media.read import MAX_AUDIO_S
from seehear.pipeline.task import TASKS

Media = Video | Image | Audio  # input of a task
Array = np.ndarray | Tensor  # frames, pixels or samples without a file

FRAMES_PER_S = 4.0  # sampling of a video for the binder, which embeds single frames
MOTION_FRAMES_PER_S = 25.0  # sampling of a video for its motion curve
MUXED_RATE = 48_000  # of input audio in the output video
BINDER_RATE = 16_000  # of input audio for binders
MOTION_SHORT_SIDE = 64  # pixels; enough for motion, and averages out grain


def as_video(
    video: str | Path | Video | Array,
    fps: float | None = None,
    frames_per_s: float = FRAMES_PER_S,
) -> Video:
    """A video from a file or from uint8 frames with `fps`; a `Video` is returned unchanged.

    Frames are an array or tensor [n, height, width, 3], or a tensor [n, 3, height, width].

    Args:
        video: The file, the frames, or the video.
        fps: Frame rate of frames in an array.
        frames_per_s: Number of frames to keep per second.

    Raises:
        MediaError: The file cannot be read, or the array is not uint8 frames.
        SettingsError: An array without `fps`.
    """
    if isinstance(video, Video):
        return video
    if not isinstance(video, Array):
        return read_video(video, frames_per_s=frames_per_s)
    video = _colours_last(video)
    if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8 or not len(video):
        raise MediaError(
            "expected frames of shape [n, height, width, 3] in uint8, got "
            f"{video.dtype} {list(video.shape)}"
        )
    if not fps or fps <= 0:
        raise SettingsError(f"frames in an array need fps > 0, got {fps}")
    every = max(1, round(fps / frames_per_s))
    frames = torch.from_numpy(np.ascontiguousarray(video[::every])).permute(0, 3, 1, 2)
    return Video(
        frames=frames,
        times_s=torch.arange(len(frames), dtype=torch.float64) * (every / fps),
        duration_s=float(Fraction(len(video)) / Fraction(fps)),
        fps=fps,
        frames_per_s=fps / every,
    )


def as_image(image: str | Path | Image | Array) -> Image:
    """An image from a file or from uint8 pixels; an `Image` is returned unchanged.

    Pixels are an array or tensor [height, width, 3], or a tensor [3, height, width].

    Raises:
        MediaError: The file cannot be read, or the array is not uint8 pixels.
    """
    if isinstance(image, Image):
        return image
    if not isinstance(image, Array):
        return read_image(image)
    image = _colours_last(image)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise MediaError(
            "expected pixels of shape [height, width, 3] in uint8, got "
            f"{image.dtype} {list(image.shape)}"
        )
    return Image(pixels=torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1))


def as_audio(
    audio: str | Path | Audio | Array,
    sample_rate: int | None = None,
    max_duration_s: float = MAX_AUDIO_S,
) -> Audio:
    """Audio from a file or from samples in [-1, 1] with a rate; an `Audio` is returned unchanged.

    Samples are an array or tensor of floats, [n] or [channels, n].

    Args:
        audio: The file (read at 48 kHz; more than two channels are mixed to stereo), the samples,
            or the `Audio`.
        sample_rate: Sample rate of samples in an array, in Hz.
        max_duration_s: Longer audio is refused.

    Raises:
        MediaError: The file cannot be read, the array is not such samples, or it is too long.
        SettingsError: An array without `sample_rate`.
    """
    if isinstance(audio, str | Path):
        return read_audio(audio, MUXED_RATE, mono=False, max_duration_s=max_duration_s)
    if isinstance(audio, Array):
        audio = _numpy(audio)
        if not sample_rate or sample_rate <= 0:
            raise SettingsError(f"samples in an array need sample_rate > 0, got {sample_rate}")
        channels = np.atleast_2d(audio)
        if channels.ndim != 2 or len(channels) > 2 or not np.issubdtype(audio.dtype, np.floating):
            raise MediaError(
                "expected samples of shape [n] or [channels, n] as floats, mono or stereo, got "
                f"{audio.dtype} {list(audio.shape)}"
            )
        if not np.isfinite(channels).all():
            raise MediaError("expected finite samples in [-1, 1], got NaN or inf")
        waveform = torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))
        audio = Audio(waveform=waveform, sample_rate=sample_rate)
    if audio.duration_s > max_duration_s:
        raise MediaError(
            f"expected at most {max_duration_s:g} s of audio, got {audio.duration_s:.1f} s"
        )
    return audio


def all_frames(video: Video | Array, fps: float | None) -> tuple[Tensor, float] | None:
    """All frames [n, 3, height, width] and their rate, for a video without a file; else None."""
    if isinstance(video, Video):
        return None if video.path else (video.frames, video.frames_per_s)
    assert fps is not None
    frames = np.ascontiguousarray(_colours_last(video))
    return torch.from_numpy(frames).permute(0, 3, 1, 2), float(fps)


def _numpy(values: Array) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _colours_last(pixels: Array) -> np.ndarray:
    """Pixels [..., height, width, 3]; a tensor may have them as [..., 3, height, width]."""
    values = _numpy(pixels)
    is_first = values.ndim >= 3 and values.shape[-1] != 3 and values.shape[-3] == 3
    return np.moveaxis(values, -3, -1) if isinstance(pixels, Tensor) and is_first else values


def condition_of(media: Media) -> VideoCondition | AudioCondition:
    """The input as the condition that guidance compares generated media with."""
    if isinstance(media, Video):
        return VideoCondition(media.frames, tuple(media.times_s.tolist()))
    if isinstance(media, Image):
        return VideoCondition(media.pixels[None], (0.0,))
    return audio_condition(media)


def audio_condition(audio: Audio) -> AudioCondition:
    """Audio as a condition: mono, at 16 kHz."""
    mono = audio.waveform.mean(dim=0)
    return AudioCondition(resample(mono[None], audio.sample_rate, BINDER_RATE)[0], BINDER_RATE)


def onset_curve(audio: AudioCondition) -> Curve:
    """Onset strength of audio over time."""
    return onset_envelope(audio.waveform[None], audio.sample_rate)


def motion_curve(video: Video) -> Curve:
    """Motion of a video over time, read from its file if it has one.

    Only two frames are in memory at a time, whatever the length of the clip.

    Raises:
        MediaError: The video has a single frame.
    """
    if video.path is not None:
        frames_per_s = MOTION_FRAMES_PER_S
        sampled = stream_frames(video.path, frames_per_s=frames_per_s, short_side=MOTION_SHORT_SIDE)
        frames: Iterable[UInt8[Tensor, "3 height width"]] = (
            torch.from_numpy(frame) for _, frame in sampled
        )
    else:
        frames_per_s, frames = video.frames_per_s, video.frames
    values = [
        motion_energy(torch.stack(pair)[None].float() / 255, frames_per_s).values
        for pair in pairwise(frames)
    ]
    if not values:
        raise MediaError("--sync needs a video of at least 2 frames, got 1; drop --sync")
    return Curve.between(torch.cat(values, dim=1), frames_per_s)


def read_source(task: str, source: Path, max_duration_s: float = MAX_AUDIO_S) -> Media:
    """Read the input file of a task.

    Raises:
        MediaError: It cannot be read, or is longer than `max_duration_s`.
    """
    kind = TASKS[task].input_kind
    if kind == "reference":
        return read_reference(source, max_duration_s)
    if kind == "image":
        return read_image(source)
    if kind == "video":
        return read_video(source, frames_per_s=FRAMES_PER_S, max_duration_s=max_duration_s)
    return as_audio(source, max_duration_s=max_duration_s)


def read_reference(source: Path, max_duration_s: float = MAX_AUDIO_S) -> Media:
    """Read audio, an image or a video as a reference.

    Raises:
        MediaError: It cannot be read, or is longer than `max_duration_s`.
    """
    kind = probe(source).kind
    if kind == "image":
        return read_image(source)
    if kind == "video":
        return read_video(source, frames_per_s=FRAMES_PER_S, max_duration_s=max_duration_s)
    return as_audio(source, max_duration_s=max_duration_s)


def check_kind(task: str, source: Path, name: str | None = None) -> None:
    """Refuse a file of a kind that the task does not read, before models are loaded.

    Args:
        task: Name of the task.
        source: The file.
        name: Name of the file in error messages; None: its path.

    Raises:
        MediaError: It cannot be opened, or is of another kind.
    """
    kind, found, name = TASKS[task].input_kind, probe(source), name or str(source)
    if kind == "image":
        if found.kind != "image":
            raise MediaError(f"{name}: expected an image, got a file of kind {found.kind}")
        read_image(source)
    if kind == "video" and found.kind != "video":
        hint = "use seehear i2a" if found.kind == "image" else "v2a needs video frames"
        raise MediaError(f"{name}: expected a video, got a file of kind {found.kind}; {hint}")
    if kind == "audio" and found.kind != "audio" and not found.has_audio:
        raise MediaError(
            f"{name}: expected audio, or a video with audio; got a file of kind {found.kind} "
            "without audio"
        )
