"""Baselines that any system should beat: noise, and retrieval with a binder."""

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
    """Write noise for every clip: white noise of equal RMS and duration, or random pixels.

    Args:
        task: v2a and i2a write `<id>.wav`; a2v writes `<id>.mp4` with the input audio, and joint
            writes it with noise.
        clips: The real clips.
        folder: Output folder, created if missing.
        seed: Seed of the noise, combined with the clip id.

    Raises:
        MediaError: A clip cannot be read.
        SettingsError: Unknown task.
    """
    _check(task)
    ensure_folder(folder)
    for clip in clips:
        generator = torch.Generator().manual_seed(stable_hash(seed, clip.id) >> 1)
        video, audio = _media_of(clip)
        waveform = audio.audio.waveform.mean(0, keepdim=True)
        noise = torch.randn(waveform.shape, generator=generator) * waveform.square().mean().sqrt()
        noise = noise.clamp(-1, 1)
        if not TASKS[task].makes_video:
            write_audio(folder / f"{clip.id}.wav", noise, SAMPLE_RATE)
            continue
        frames = video.video.frames
        random = torch.randint(0, 256, frames.shape, generator=generator, dtype=torch.uint8)
        fps = video.video.frames_per_s
        write_video(
            folder / f"{clip.id}.mp4",
            random,
            fps,
            noise if TASKS[task].makes_audio else waveform,
            SAMPLE_RATE,
        )


def write_retrieved(
    task: str,
    clips: Sequence[Clip],
    folder: Path,
    binder: Binder,
    memory: FeatureCache | None = None,
) -> None:
    """Write for every clip the media of the other clip that is nearest in the binder's space.

    Args:
        task: v2a and i2a retrieve audio by video, a2v video by audio, joint clips by caption.
        clips: The real clips, which are also the pool. A clip never retrieves itself.
        folder: Output folder, created if missing.
        binder: Embeds the clips.
        memory: Feature cache, which scores by the same binder share; None: no caching.

    Raises:
        MediaError: A clip cannot be read.
        SettingsError: Unknown task, fewer than two clips, or a clip without caption for joint.
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
        video, audio = _media_of(clips[k])
        own_audio = _media_of(clip)[1]
        if not TASKS[task].makes_video:
            length = own_audio.audio.waveform.shape[1]
            waveform = audio.audio.waveform[:, :length]
            waveform = torch.nn.functional.pad(waveform, (0, length - waveform.shape[1]))
            write_audio(folder / f"{clip.id}.wav", waveform, SAMPLE_RATE)
            continue
        waveform = (audio if TASKS[task].makes_audio else own_audio).audio.waveform
        frames, fps = video.video.frames, video.video.frames_per_s
        write_video(folder / f"{clip.id}.mp4", frames, fps, waveform, SAMPLE_RATE)


@dataclass(frozen=True)
class _Pool:
    """Clips with their embeddings."""

    clips: Sequence[Clip]
    network: BinderFeatures
    memory: FeatureCache | None

    def video(self) -> Tensor:
        """One video embedding per clip."""
        media = [_media_of(clip, self.memory)[0] for clip in self.clips]
        return torch.cat([video_features(self.network, v, self._by).embedding for v in media])

    def audio(self) -> Tensor:
        """One audio embedding per clip."""
        media = [_media_of(clip, self.memory)[1] for clip in self.clips]
        return torch.cat([audio_features(self.network, a, self._by).embedding for a in media])

    @cached_property
    def _by(self) -> str:
        return cache_key(self.network, self.memory)


def _queries(task: str, pool: _Pool) -> Tensor:
    if not TASKS[task].makes_video:
        return pool.video()
    if TASKS[task].input_kind == "audio":
        return pool.audio()
    missing = [clip.id for clip in pool.clips if not clip.caption]
    if missing:
        raise SettingsError(
            f"{missing[0]}: expected a caption for joint, got none; write one to {missing[0]}.txt"
        )
    return pool.network.read([str(clip.caption) for clip in pool.clips])


def _keys(task: str, pool: _Pool) -> Tensor:
    if not TASKS[task].makes_video:
        return pool.audio()
    if TASKS[task].makes_audio:
        return pool.video() + pool.audio()
    return pool.video()


def _media_of(clip: Clip, memory: FeatureCache | None = None) -> tuple[ClipMedia, ClipMedia]:
    """Video (or image) and audio of a clip, decoded on first use."""
    return (
        ClipMedia(clip.path, clip.start_s, clip.duration_s, memory),
        ClipMedia(clip.audio_file, clip.start_s, clip.duration_s, memory),
    )


def _check(task: str) -> None:
    if task not in get_args(ScoredTask):
        raise SettingsError(f"expected the task v2a, i2a, a2v or joint, got {task!r}")
