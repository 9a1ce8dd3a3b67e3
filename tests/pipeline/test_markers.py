"""Markers name the times of onsets, motion and shots."""

import pytest
import torch

from seehear.dsp.events import Curve, peak_times
from seehear.media import write_video
from seehear.pipeline.markers import Marker, labels_text, markers_of
from seehear.pipeline.result import Result

RATE = 16_000


def bursts(times_s: list[float], duration_s: float) -> torch.Tensor:
    """Bursts of decaying noise in silence."""
    generator = torch.Generator().manual_seed(0)
    waveform = torch.zeros(round(duration_s * RATE))
    for time_s in times_s:
        first = round(time_s * RATE)
        decay = torch.exp(-torch.arange(len(waveform) - first) / (0.05 * RATE))
        waveform[first:] += 0.3 * decay * torch.randn(len(decay), generator=generator)
    return waveform[None]


def test_every_onset_has_a_marker():
    times_s = [0.5, 1.2, 1.9, 2.6]
    result = Result(task="i2a", waveform=bursts(times_s, 3.5), sample_rate=RATE)
    markers = markers_of(result)
    assert [marker.label for marker in markers] == ["audio onset"] * 4
    assert [marker.start_s for marker in markers] == pytest.approx(times_s, abs=0.03)


def test_motion_and_shots_of_the_input_have_markers(tmp_path):
    frames = torch.zeros(75, 3, 64, 64, dtype=torch.uint8)
    for k in range(75):  # a square that jumps at 1 s and at 2 s
        x = 8 + 16 * (k // 25)
        frames[k, :, 20:40, x : x + 12] = 255
    write_video(tmp_path / "clip.mp4", frames, 25.0)
    shots = [
        {"from_s": 0.0, "to_s": 2.0, "prompt": "rain,\nwind"},
        {"from_s": 2.0, "to_s": 3.0, "prompt": ""},
    ]
    result = Result(
        task="v2a", waveform=torch.zeros(1, 3 * RATE), sample_rate=RATE,
        video_path=tmp_path / "clip.mp4", settings={"shots": shots},
    )  # fmt: skip
    markers = markers_of(result)
    motion = [marker.start_s for marker in markers if marker.label == "motion onset"]
    assert motion == pytest.approx([1.0, 2.0], abs=0.06)
    assert Marker(start_s=2.0, end_s=3.0, label="shot") in markers
    first = labels_text(markers).splitlines()[0]
    assert first == "0.000000\t2.000000\tshot: rain, wind"


def test_a_generated_video_has_the_motion_of_its_frames():
    frames = torch.zeros(16, 3, 32, 32, dtype=torch.uint8)
    frames[8:] = 255
    result = Result(task="a2v", frames=frames, fps=8.0)
    (marker,) = markers_of(result)
    assert marker.label == "motion onset"
    assert marker.start_s == pytest.approx(0.94, abs=0.1)


def test_peaks_are_apart_and_high_enough():
    values = torch.tensor([[0.0, 1.0, 0.0, 0.9, 0.0, 0.1, 0.0, 0.0, 0.6, 0.0]])
    curve = Curve(values, torch.arange(10) / 20)
    assert peak_times(curve) == pytest.approx([0.05, 0.15, 0.4])
    assert peak_times(curve, gap_s=0.12) == pytest.approx([0.05, 0.4])
    assert peak_times(Curve(torch.zeros(1, 10), curve.times_s)) == []
