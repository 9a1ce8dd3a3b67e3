"""What a run's media show and sound like over time, small enough to be drawn."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from seehear.dsp.events import Curve, motion_starts
from seehear.dsp.mel import SAMPLE_RATE
from seehear.errors import MediaError
from seehear.guidance.sync import (
    CURVES_PER_S,
    align_curves,
    curve_distance,
    curve_offset_s,
    resample_curve,
)
from seehear.media import Audio, Image, Video, probe, read_audio, read_image, read_video
from seehear.media.drawing import fitted, loudness_of, middles, shrink
from seehear.pipeline.inputs import audio_condition, motion_curve, onset_curve
from seehear.report.runs import Run

COLUMNS = 1000  # about the pixels that a plot is wide: no curve has more points
STRIP_FRAMES = 8
STRIP_SIDE = 112  # pixels of a frame's shorter side
MAX_TIMING_S = 60.0  # motion of longer clips is not looked for: it decodes every frame


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """A sound as it is drawn."""

    name: str  # of its file
    duration_s: float
    lowest: Float[Tensor, " columns"]  # of the waveform in each of equal parts
    highest: Float[Tensor, " columns"]
    loudness: Float[Tensor, "mels frames"]  # as of `loudness_of`


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """Frames of a clip, or a still as a single one."""

    name: str  # of its file
    duration_s: float  # 0 for a still
    frames: tuple[UInt8[Tensor, "3 height width"], ...]
    times_s: tuple[float, ...]  # when each is on screen


@dataclass(frozen=True, kw_only=True, eq=False)
class Timing:
    """Onsets of the sound and motion of the picture at the same times."""

    times_s: Float[Tensor, " n"]
    onsets: Float[Tensor, " n"]  # the largest is 1
    motion: Float[Tensor, " n"]  # the largest is 1
    correlation: float  # from -1 to 1
    offset_s: float  # by how much the sound comes later than the picture, if they are related


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """All that can be drawn of a run's media."""

    sound: Sound | None = None
    film: Film | None = None
    timing: Timing | None = None
    notes: tuple[str, ...] = ()  # what could not be read, a sentence each


def signals_of(run: Run) -> Signals:
    """All of a run's signals. Motion is looked for in every frame, which takes a while."""
    audio, seen, notes = _media_of(run)
    timing = None
    if audio is not None and isinstance(seen, Video) and len(seen.frames) > 1:
        if max(audio.duration_s, seen.duration_s) <= MAX_TIMING_S:
            timing = timing_of(audio, seen)
        else:
            notes += (f"Motion and onsets are drawn for clips of up to {MAX_TIMING_S:g} s.",)
    return replace(_glance(audio, seen), timing=timing, notes=notes)


def glance_of(run: Run) -> Signals:
    """A run's signals without timing."""
    audio, seen, notes = _media_of(run)
    return replace(_glance(audio, seen), notes=notes)


def _glance(audio: Audio | None, seen: Video | Image | None) -> Signals:
    return Signals(
        sound=None if audio is None else sound_of(audio), film=None if seen is None else _film(seen)
    )


def _media_of(run: Run) -> tuple[Audio | None, Video | Image | None, tuple[str, ...]]:
    """What was made, and what was given where that lacks sound or picture; what can't be read."""
    notes: list[str] = []
    audio: Audio | None = None
    seen: Video | Image | None = None
    for path in (p for p in (run.made, run.given) if p is not None):
        try:
            found = probe(path)
            if audio is None and (found.has_audio or found.kind == "audio"):
                audio = read_audio(path, SAMPLE_RATE)
            if seen is None and found.kind == "video":
                seen = _spread_frames(path, found.duration_s or run.duration_s)
            elif seen is None and found.kind == "image":
                seen = read_image(path)
        except MediaError as error:
            notes.append(f"{error}.")
    return audio, seen, tuple(notes)


def _spread_frames(path: Path, duration_s: float | None) -> Video:
    """A few frames of a video, twice as many as are shown."""
    per_s = 2 * STRIP_FRAMES / (duration_s or 4.0)
    return read_video(path, frames_per_s=per_s, short_side=STRIP_SIDE, max_duration_s=float("inf"))


def _film(seen: Video | Image) -> Film:
    name = seen.path.name if seen.path else ""
    if isinstance(seen, Image):
        frame = shrink(seen.pixels, STRIP_SIDE)
        return Film(name=name, duration_s=0.0, frames=(frame,), times_s=(0.0,))
    chosen = middles(min(STRIP_FRAMES, len(seen.frames)), len(seen.frames))
    return Film(
        name=name,
        duration_s=seen.duration_s,
        frames=tuple(seen.frames[k] for k in chosen),
        times_s=tuple(float(seen.times_s[k]) for k in chosen),
    )


def sound_of(audio: Audio) -> Sound:
    """What is drawn of a mono sound at 16 kHz."""
    waveform = audio.waveform[0]
    columns = min(COLUMNS, len(waveform))
    loudness = loudness_of(fitted(waveform, audio.duration_s))
    return Sound(
        name=audio.path.name if audio.path else "",
        duration_s=audio.duration_s,
        lowest=-_highest(-waveform[None], columns)[0],
        highest=_highest(waveform[None], columns)[0],
        loudness=_highest(loudness, min(COLUMNS, loudness.shape[1])),
    )


def _highest(rows: Float[Tensor, "rows n"], columns: int) -> Float[Tensor, "rows columns"]:
    """The largest value in each of equal parts: short events are not lost."""
    return functional.adaptive_max_pool1d(rows[None], columns)[0]


def timing_of(audio: Audio, video: Video) -> Timing:
    """Onsets and motion, and how they go together by the measure of the sync term."""
    onsets, motion = onset_curve(audio_condition(audio)), motion_curve(video)
    duration_s = min(audio.duration_s, video.duration_s)
    ear, eye = align_curves(onsets, motion_starts(motion), duration_s)
    count = min(COLUMNS, max(2, round(duration_s * CURVES_PER_S)))
    times_s = (torch.arange(count) + 0.5) * (duration_s / count)
    return Timing(
        times_s=times_s,
        onsets=_relative(onsets, times_s),
        motion=_relative(motion, times_s),
        correlation=1 - float(curve_distance(ear, eye)),
        offset_s=float(curve_offset_s(ear, eye)),
    )


def _relative(curve: Curve, times_s: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """A smoothed curve as shares of its largest value."""
    values = resample_curve(curve, times_s)[0]
    return values / values.max().clamp(min=1e-12)
