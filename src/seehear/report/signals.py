"""Signals of the media of a run over time, reduced to plot resolution."""

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

COLUMNS = 1000  # maximum points of a curve, about the width of a plot in pixels
STRIP_FRAMES = 8
STRIP_SIDE = 112  # shorter side of a frame in pixels
MAX_TIMING_S = 60.0  # no motion curve for longer clips, because it decodes every frame


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioSignal:
    """Waveform envelope and spectrogram of audio."""

    name: str  # file name
    duration_s: float
    lowest: Float[Tensor, " columns"]  # minimum of the waveform in each of equal segments
    highest: Float[Tensor, " columns"]  # maximum of the waveform in each of equal segments
    loudness: Float[Tensor, "mels frames"]  # from `loudness_of`


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameStrip:
    """A few frames of a video, or a single image."""

    name: str  # file name
    duration_s: float  # 0 for an image
    frames: tuple[UInt8[Tensor, "3 height width"], ...]
    times_s: tuple[float, ...]  # when each is on screen


@dataclass(frozen=True, kw_only=True, eq=False)
class Timing:
    """Audio onset and video motion curves on one time axis."""

    times_s: Float[Tensor, " n"]
    onsets: Float[Tensor, " n"]  # maximum 1
    motion: Float[Tensor, " n"]  # maximum 1
    correlation: float  # from -1 to 1
    offset_s: float  # delay of the audio against the video, if they are related


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """All signals of a run that can be plotted."""

    audio: AudioSignal | None = None
    strip: FrameStrip | None = None
    timing: Timing | None = None
    notes: tuple[str, ...] = ()  # messages about files that cannot be read


def signals_of(run: Run) -> Signals:
    """All signals of a run. The motion curve decodes every frame, which is slow."""
    audio, visual, notes = _media_of(run)
    timing = None
    if audio is not None and isinstance(visual, Video) and len(visual.frames) > 1:
        if max(audio.duration_s, visual.duration_s) <= MAX_TIMING_S:
            timing = timing_of(audio, visual)
        else:
            notes += (f"Motion and onsets are plotted only for clips of up to {MAX_TIMING_S:g} s.",)
    return replace(_quick(audio, visual), timing=timing, notes=notes)


def quick_signals(run: Run) -> Signals:
    """The signals of a run without timing."""
    audio, visual, notes = _media_of(run)
    return replace(_quick(audio, visual), notes=notes)


def _quick(audio: Audio | None, visual: Video | Image | None) -> Signals:
    return Signals(
        audio=None if audio is None else audio_signal(audio),
        strip=None if visual is None else _frame_strip(visual),
    )


def _media_of(run: Run) -> tuple[Audio | None, Video | Image | None, tuple[str, ...]]:
    """Audio and video (or image) of the output, or else of the input, and messages."""
    notes: list[str] = []
    audio: Audio | None = None
    visual: Video | Image | None = None
    for path in (p for p in (run.output, run.input) if p is not None):
        try:
            header = probe(path)
            if audio is None and (header.has_audio or header.kind == "audio"):
                audio = read_audio(path, SAMPLE_RATE)
            if visual is None and header.kind == "video":
                visual = _evenly_spaced_frames(path, header.duration_s or run.duration_s)
            elif visual is None and header.kind == "image":
                visual = read_image(path)
        except MediaError as error:
            notes.append(f"{error}.")
    return audio, visual, tuple(notes)


def _evenly_spaced_frames(path: Path, duration_s: float | None) -> Video:
    """A few frames of a video, twice as many as the strip shows."""
    per_s = 2 * STRIP_FRAMES / (duration_s or 4.0)
    return read_video(path, frames_per_s=per_s, short_side=STRIP_SIDE, max_duration_s=float("inf"))


def _frame_strip(visual: Video | Image) -> FrameStrip:
    name = visual.path.name if visual.path else ""
    if isinstance(visual, Image):
        frame = shrink(visual.pixels, STRIP_SIDE)
        return FrameStrip(name=name, duration_s=0.0, frames=(frame,), times_s=(0.0,))
    chosen = middles(min(STRIP_FRAMES, len(visual.frames)), len(visual.frames))
    return FrameStrip(
        name=name,
        duration_s=visual.duration_s,
        frames=tuple(visual.frames[k] for k in chosen),
        times_s=tuple(float(visual.times_s[k]) for k in chosen),
    )


def audio_signal(audio: Audio) -> AudioSignal:
    """Envelope and spectrogram of 16 kHz mono audio."""
    waveform = audio.waveform[0]
    columns = min(COLUMNS, len(waveform))
    loudness = loudness_of(fitted(waveform, audio.duration_s))
    return AudioSignal(
        name=audio.path.name if audio.path else "",
        duration_s=audio.duration_s,
        lowest=-_highest(-waveform[None], columns)[0],
        highest=_highest(waveform[None], columns)[0],
        loudness=_highest(loudness, min(COLUMNS, loudness.shape[1])),
    )


def _highest(rows: Float[Tensor, "rows n"], columns: int) -> Float[Tensor, "rows columns"]:
    """Maximum of each of equal segments, so that short events stay visible."""
    return functional.adaptive_max_pool1d(rows[None], columns)[0]


def timing_of(audio: Audio, video: Video) -> Timing:
    """Onset and motion curves, and their correlation and offset as in the sync loss."""
    onsets, motion = onset_curve(audio_condition(audio)), motion_curve(video)
    duration_s = min(audio.duration_s, video.duration_s)
    onset_window, motion_window = align_curves(onsets, motion_starts(motion), duration_s)
    count = min(COLUMNS, max(2, round(duration_s * CURVES_PER_S)))
    times_s = (torch.arange(count) + 0.5) * (duration_s / count)
    return Timing(
        times_s=times_s,
        onsets=_relative(onsets, times_s),
        motion=_relative(motion, times_s),
        correlation=1 - float(curve_distance(onset_window, motion_window)),
        offset_s=float(curve_offset_s(onset_window, motion_window)),
    )


def _relative(curve: Curve, times_s: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """A smoothed curve divided by its maximum."""
    values = resample_curve(curve, times_s)[0]
    return values / values.max().clamp(min=1e-12)
