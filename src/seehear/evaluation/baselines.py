"""Sanity floors that any system should beat: what retrieval finds, and noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from seehear.errors import SettingsError
from seehear.evaluation.clip_media import SAMPLE_RATE, ClipMedia
from seehear.evaluation.datasets import Clip, stable_hash
from seehear.evaluation.extract_features import audio_features, video_features
from seehear.evaluation.feature_cache import FeatureCache, cache_key
from seehear.guidance.protocols import Binder
from seehear.media import ensure_folder, write_audio, write_video
from seehear.metrics.features.binder import BinderFeatures
from seehear.pipeline.task import TASKS, ScoredTask


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
    ensure_folder(folder)
    for clip in clips:
        generator = torch.Generator().manual_seed(stable_hash(seed, clip.id) >> 1)
        seen, track = _of(clip)
        sound = track.sound.waveform.mean(0, keepdim=True)
        noise = torch.randn(sound.shape, generator=generator) * sound.square().mean().sqrt()
        noise = noise.clamp(-1, 1)
        if not TASKS[task].makes_video:
            write_audio(folder / f"{clip.id}.wav", noise, SAMPLE_RATE)
            continue
        frames = seen.video.frames
        random = torch.randint(0, 256, frames.shape, generator=generator, dtype=torch.uint8)
        fps = seen.video.frames_per_s
        write_video(
            folder / f"{clip.id}.mp4",
            random,
            fps,
            noise if TASKS[task].makes_audio else sound,
            SAMPLE_RATE,
        )


def write_retrieved(
    task: str,
    clips: Sequence[Clip],
    folder: Path,
    binder: Binder,
    memory: FeatureCache | None = None,
) -> None:
    """For every clip what belongs to that other clip which the binder finds nearest to the given.

    Args:
        task: v2a, i2a: sounds by pictures; a2v: pictures by sounds; joint: clips by captions.
        clips: Real ones, which are the pool too; none is ever its own answer.
        folder: Made if needed.
        binder: Compares.
        memory: Where to look for what it says of clips; scores by the same binder share it.

    Raises:
        MediaError: A clip cannot be read.
        SettingsError: There is no such task, fewer than two clips, or no caption for joint.
    """
    _check(task)
    if len(clips) < 2:
        raise SettingsError(f"expected at least 2 clips to retrieve from, got {len(clips)}")
    ensure_folder(folder)
    pool = _Pool(clips, BinderFeatures(binder, SAMPLE_RATE), memory)
    queries, keys = _queries(task, pool), _keys(task, pool)
    cosines = queries @ keys.T
    cosines.fill_diagonal_(-torch.inf)
    for clip, k in zip(clips, cosines.argmax(1).tolist(), strict=True):
        picture, track = _of(clips[k])
        if not TASKS[task].makes_video:
            length = _of(clip)[1].sound.waveform.shape[1]
            sound = track.sound.waveform[:, :length]
            sound = torch.nn.functional.pad(sound, (0, length - sound.shape[1]))
            write_audio(folder / f"{clip.id}.wav", sound, SAMPLE_RATE)
            continue
        sound = track.sound.waveform if TASKS[task].makes_audio else _of(clip)[1].sound.waveform
        frames, fps = picture.video.frames, picture.video.frames_per_s
        write_video(folder / f"{clip.id}.mp4", frames, fps, sound, SAMPLE_RATE)


@dataclass(frozen=True)
class _Pool:
    """Clips, and what a binder says of them."""

    clips: Sequence[Clip]
    network: BinderFeatures
    memory: FeatureCache | None

    def pictures(self) -> Tensor:
        """An embedding per clip, of what is seen."""
        seen = [_of(clip, self.memory)[0] for clip in self.clips]
        return torch.cat([video_features(self.network, s, self._by).embedding for s in seen])

    def sounds(self) -> Tensor:
        """The same of what is heard."""
        sounds = [_of(clip, self.memory)[1] for clip in self.clips]
        return torch.cat([audio_features(self.network, s, self._by).embedding for s in sounds])

    @cached_property
    def _by(self) -> str:
        return cache_key(self.network, self.memory)


def _queries(task: str, pool: _Pool) -> Tensor:
    if not TASKS[task].makes_video:
        return pool.pictures()
    if TASKS[task].given == "audio":
        return pool.sounds()
    lacking = [clip.id for clip in pool.clips if not clip.caption]
    if lacking:
        raise SettingsError(f"{lacking[0]}: joint starts from a sentence, and it has none")
    return pool.network.read([str(clip.caption) for clip in pool.clips])


def _keys(task: str, pool: _Pool) -> Tensor:
    if not TASKS[task].makes_video:
        return pool.sounds()
    if TASKS[task].makes_audio:
        return pool.pictures() + pool.sounds()
    return pool.pictures()


def _of(clip: Clip, memory: FeatureCache | None = None) -> tuple[ClipMedia, ClipMedia]:
    """What is seen and what is heard of a clip, read when it is asked for."""
    return (
        ClipMedia(clip.path, clip.start_s, clip.duration_s, memory),
        ClipMedia(clip.heard, clip.start_s, clip.duration_s, memory),
    )


def _check(task: str) -> None:
    if task not in get_args(ScoredTask):
        raise SettingsError(f"expected v2a, i2a, a2v or joint, got {task!r}")
