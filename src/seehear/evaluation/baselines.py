"""Sanity floors that any system should beat: what retrieval finds, and noise."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from seehear.datasets import Clip, drawn
from seehear.errors import SettingsError
from seehear.evaluation.seen import SAMPLE_RATE, Seen
from seehear.media import write_audio, write_video
from seehear.protocols import Binder

MAKES_SOUND = ("v2a", "i2a")
MAKES_PICTURE = ("a2v", "joint")


def write_noise(task: str, clips: Sequence[Clip], folder: Path, seed: int = 0) -> None:
    """For every clip white noise as loud and as long, or random pixels of the same size.

    Args:
        task: v2a, i2a: `<id>.wav`; a2v: `<id>.mp4` with the given sound; joint: with noise.
        clips: Real ones.
        folder: Made if needed.
        seed: With a clip's id it decides the noise.

    Raises:
        MediaError: A clip cannot be read.
        SettingsError: There is no such task.
    """
    _check(task)
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        generator = torch.Generator().manual_seed(drawn(seed, clip.id) >> 1)
        seen, heard = _of(clip)
        sound = heard.sound.waveform.mean(0, keepdim=True)
        noise = torch.randn(sound.shape, generator=generator) * sound.square().mean().sqrt()
        noise = noise.clamp(-1, 1)
        if task in MAKES_SOUND:
            write_audio(folder / f"{clip.id}.wav", noise, SAMPLE_RATE)
            continue
        frames = seen.video.frames
        random = torch.randint(0, 256, frames.shape, generator=generator, dtype=torch.uint8)
        track = noise if task == "joint" else sound
        fps = seen.video.frames_per_s
        write_video(folder / f"{clip.id}.mp4", random, fps, track, SAMPLE_RATE)


def write_retrieved(task: str, clips: Sequence[Clip], folder: Path, binder: Binder) -> None:
    """For every clip what belongs to that other clip which the binder finds nearest to the given.

    Args:
        task: v2a, i2a: sounds by pictures; a2v: pictures by sounds; joint: clips by captions.
        clips: Real ones, which are the pool too; none is ever its own answer.
        folder: Made if needed.
        binder: Compares.

    Raises:
        MediaError: A clip cannot be read.
        SettingsError: There is no such task, fewer than two clips, or no caption for joint.
    """
    _check(task)
    if len(clips) < 2:
        raise SettingsError(f"expected at least 2 clips to retrieve from, got {len(clips)}")
    folder.mkdir(parents=True, exist_ok=True)
    queries, keys = _queries(task, clips, binder), _keys(task, clips, binder)
    cosines = queries @ keys.T
    cosines.fill_diagonal_(-torch.inf)
    for clip, k in zip(clips, cosines.argmax(1).tolist(), strict=True):
        seen, heard = _of(clips[k])
        if task in MAKES_SOUND:
            length = _of(clip)[1].sound.waveform.shape[1]
            sound = heard.sound.waveform[:, :length]
            sound = torch.nn.functional.pad(sound, (0, length - sound.shape[1]))
            write_audio(folder / f"{clip.id}.wav", sound, SAMPLE_RATE)
            continue
        track = heard.sound if task == "joint" else _of(clip)[1].sound
        write_video(
            folder / f"{clip.id}.mp4", seen.video.frames, seen.video.frames_per_s,
            track.waveform, SAMPLE_RATE,
        )  # fmt: skip


def _queries(task: str, clips: Sequence[Clip], binder: Binder) -> Tensor:
    if task in MAKES_SOUND:
        return _embedded(clips, partial(_picture, binder))
    if task == "a2v":
        return _embedded(clips, partial(_sound, binder))
    lacking = [clip.id for clip in clips if not clip.caption]
    if lacking:
        raise SettingsError(f"{lacking[0]}: joint starts from a sentence, and it has none")
    return _embedded(clips, lambda clip: binder.embed_text([str(clip.caption)]))


def _keys(task: str, clips: Sequence[Clip], binder: Binder) -> Tensor:
    if task in MAKES_SOUND:
        return _embedded(clips, partial(_sound, binder))
    pictures = _embedded(clips, partial(_picture, binder))
    return pictures if task == "a2v" else pictures + _embedded(clips, partial(_sound, binder))


@torch.no_grad()
def _embedded(clips: Sequence[Clip], embed: Callable[[Clip], Tensor]) -> Tensor:
    return torch.cat([embed(clip) for clip in clips])


def _picture(binder: Binder, clip: Clip) -> Tensor:
    return binder.embed_video(_of(clip)[0].frames[None])


def _sound(binder: Binder, clip: Clip) -> Tensor:
    return binder.embed_audio(_of(clip)[1].sound.waveform.mean(0, keepdim=True), SAMPLE_RATE)


def _of(clip: Clip) -> tuple[Seen, Seen]:
    """What is seen and what is heard of a clip, read when it is asked for."""
    return (
        Seen(clip.path, clip.start_s, clip.duration_s),
        Seen(clip.heard, clip.start_s, clip.duration_s),
    )


def _check(task: str) -> None:
    if task not in MAKES_SOUND + MAKES_PICTURE:
        raise SettingsError(f"expected v2a, i2a, a2v or joint, got {task!r}")
