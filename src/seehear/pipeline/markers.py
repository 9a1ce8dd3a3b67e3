"""Markers of a result: times of audio onsets, motion onsets and shots, for an editor."""

from collections.abc import Sequence
from dataclasses import dataclass

from seehear.dsp.events import motion_energy, motion_starts, onset_envelope, peak_times
from seehear.media import read_video
from seehear.pipeline.inputs import FRAMES_PER_S, motion_curve
from seehear.pipeline.result import Result
from seehear.pipeline.task import TASKS


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A time or a range of a result."""

    start_s: float
    end_s: float  # equal to the start for a time
    label: str


def markers_of(result: Result) -> list[Marker]:
    """Onsets of the audio, onsets of motion in the video, and the shots, in order of time.

    Raises:
        MediaError: The input video cannot be read any more.
    """
    markers = [_at(time_s, "audio onset") for time_s in _audio_onsets(result)]
    markers += [_at(time_s, "motion onset") for time_s in _motion_onsets(result)]
    for shot in result.settings.get("shots", ()):
        label = f"shot: {shot['prompt']}" if shot["prompt"] else "shot"
        markers.append(Marker(start_s=shot["from_s"], end_s=shot["to_s"], label=label))
    return sorted(markers, key=lambda marker: (marker.start_s, marker.label))


def labels_text(markers: Sequence[Marker]) -> str:
    """Markers as a label track of Audacity: start, end and label, separated by tabs."""
    return "".join(
        f"{m.start_s:.6f}\t{m.end_s:.6f}\t{' '.join(m.label.split())}\n" for m in markers
    )


def _at(time_s: float, label: str) -> Marker:
    return Marker(start_s=time_s, end_s=time_s, label=label)


def _audio_onsets(result: Result) -> list[float]:
    if result.waveform is None or result.sample_rate is None:
        return []
    return peak_times(onset_envelope(result.waveform.mean(0, keepdim=True), result.sample_rate))


def _motion_onsets(result: Result) -> list[float]:
    if result.frames is not None and result.fps is not None:
        if len(result.frames) < 2:
            return []
        motion = motion_energy(result.frames[None].float() / 255, float(result.fps))
    elif result.video_path is not None and not TASKS[result.task].makes_still:
        video = read_video(result.video_path, frames_per_s=FRAMES_PER_S, max_duration_s=1e9)
        if len(video.frames) < 2:
            return []
        motion = motion_curve(video)
    else:
        return []
    return peak_times(motion_starts(motion))
