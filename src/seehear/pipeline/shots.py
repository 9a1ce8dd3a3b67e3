"""Shots of a video: their frames, and their audio joined at the cuts."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.errors import SettingsError
from seehear.media import Video
from seehear.media.cuts import shot_boundaries
from seehear.pipeline.region import frames_between
from seehear.pipeline.shot_list import AUTO, Shot, ShotList, checked, read_shots

FADE_S = 0.04  # crossfade of two shots, half of it on each side of the cut
_TOUCHING_S = 1e-3  # a smaller gap is no silence


def shots_of(video: Video, shots: ShotList) -> tuple[Shot, ...]:
    """The shots of a video: found by its cuts, read from a list, or those of the argument.

    Args:
        video: The video.
        shots: "auto", the path of a list, or shots in ascending order that do not overlap.

    Raises:
        MediaError: The file cannot be read.
        SettingsError: The list cannot be read, or the shots are not such a sequence.
    """
    if isinstance(shots, Sequence) and not isinstance(shots, str):
        return checked(shots, video.duration_s, "the shots")
    if shots != AUTO:
        return checked(read_shots(shots), video.duration_s, str(shots))
    if video.path is None:
        raise SettingsError(
            'expected a video file for shots="auto", got frames; save them as a video, or pass '
            "a list of shots"
        )
    times = shot_boundaries(video.path, max_duration_s=math.inf)
    found = [Shot(start_s=start, end_s=end) for start, end in pairwise(times)]
    return checked(found, video.duration_s, str(video.path))


def seed_of_shot(seed: int, index: int) -> int:
    """The seed of a shot, so that shots have different noise, and the first one the seed itself."""
    return (seed + index * 2**32) % 2**63


def parts_of(shots: Sequence[Shot]) -> list[tuple[float, float]]:
    """Start and end of the audio of every shot, which overlaps with that of adjacent shots."""
    half = FADE_S / 2
    starts, ends = [s.start_s for s in shots], [s.end_s for s in shots]
    for k, (before, after) in enumerate(pairwise(shots)):
        if after.start_s - before.end_s <= _TOUCHING_S:
            ends[k], starts[k + 1] = before.end_s + half, before.end_s - half
    return list(zip(starts, ends, strict=True))


def frames_of(video: Video, shot: Shot, part_s: tuple[float, float]) -> Video:
    """The frames of a shot as a video that is as long as its audio, which overlaps others."""
    start_s, end_s = part_s
    frames = frames_between(video, shot.start_s, shot.end_s)
    return replace(
        frames, times_s=frames.times_s + (shot.start_s - start_s), duration_s=end_s - start_s
    )


def joined(
    waveforms: Sequence[Float[Tensor, " _"]],
    shots: Sequence[Shot],
    sample_rate: int,
    duration_s: float,
) -> Float[Tensor, " all_samples"]:
    """The audio of all shots as one waveform, with silence where there is no shot.

    Args:
        waveforms: Audio of the parts of every shot, see `parts_of`.
        shots: The shots.
        sample_rate: Of the audio.
        duration_s: Of the video.
    """
    total = torch.zeros(round(duration_s * sample_rate))
    fade = round(FADE_S * sample_rate)
    # Equal power, because the audio of two shots is uncorrelated.
    ramp = torch.sin((torch.arange(fade) + 0.5) / fade * (math.pi / 2))
    parts = zip(waveforms, shots, parts_of(shots), strict=True)
    for waveform, shot, (start_s, end_s) in parts:
        gain = torch.ones(len(waveform))
        if start_s < shot.start_s - 1e-9:
            gain[:fade] *= ramp[: len(gain)]
        if end_s > shot.end_s + 1e-9:
            gain[-fade:] *= ramp.flip(0)[-len(gain) :]
        first = round(start_s * sample_rate)
        part = (waveform * gain)[: len(total) - first]
        total[first : first + len(part)] += part
    return total
