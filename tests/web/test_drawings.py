"""The drawings: positions of audio and motion, and sizes."""

import numpy as np
import torch

from seehear.dsp.events import Curve
from seehear.web.drawings import MOTION, SOUND, filmstrip, spectrogram_picture, waveform_over_motion


def columns(picture, colour):
    """The columns of a colour, as fractions of the width."""
    pixels = np.asarray(picture)
    found = (np.abs(pixels.astype(int) - colour).sum(axis=2) < 60)[24:].any(axis=0)
    return np.flatnonzero(found) / pixels.shape[1]


def test_waveform_and_motion_share_a_time_axis():
    waveform = torch.zeros(16_000)
    waveform[8_000:12_000] = torch.sin(torch.arange(4_000) * 0.3)
    motion = torch.zeros(1, 40)
    motion[0, 10] = 1.0
    curve = Curve.between(motion, 40.0)
    picture = waveform_over_motion(waveform, 16_000, curve)
    tall = np.abs(np.asarray(picture).astype(int) - SOUND).sum(axis=2) < 30
    loud = np.flatnonzero(tall.sum(axis=0) > 20) / picture.width
    assert 0.49 < loud.min() < 0.52
    assert 0.73 < loud.max() < 0.76
    top = np.abs(np.asarray(picture).astype(int) - MOTION).sum(axis=2)[24:40] < 60
    assert abs(np.flatnonzero(top.any(axis=0)).mean() / picture.width - 10.5 / 40) < 0.02


def test_without_motion_only_the_audio_is_drawn():
    picture = waveform_over_motion(torch.rand(16_000) - 0.5, 16_000, None)
    assert len(columns(picture, MOTION)) == 0
    assert len(columns(picture, SOUND)) > 600


def test_silence_and_very_short_audio_can_be_drawn():
    for waveform in (torch.zeros(1_600), torch.zeros(1), torch.full((100,), 0.5)):
        assert spectrogram_picture(waveform, 16_000).size == (640, 128)
        assert waveform_over_motion(waveform, 16_000, None).size == (640, 176)


def test_a_filmstrip_spreads_over_the_clip():
    frames = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 3, 32, 64)
    strip = np.asarray(filmstrip(frames.contiguous()))
    assert strip.shape == (128, 6 * 260 - 4, 3)
    assert [int(strip[64, 260 * k + 100, 0]) for k in range(6)] == [5, 15, 25, 35, 45, 55]
    assert filmstrip(frames[:1].contiguous()).size == (256, 128)
