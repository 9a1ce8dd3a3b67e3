"""Facts about voices by source and filter."""

import numpy as np
from training.world.dsp import SAMPLE_RATE, Draw
from training.world.larynx import folds, spoken, tract


def spectrum(x):
    return np.abs(np.fft.rfft(x * np.hanning(len(x)))), np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)


def test_folds_without_irregularity_have_lines_at_the_harmonics_only():
    draw = Draw(np.random.default_rng(0), held_out=False)
    source = folds(draw, np.full(SAMPLE_RATE, 200.0), breath=0, jitter=0, shimmer=0)
    level, freq = spectrum(source)
    off = np.abs(freq / 200 - np.round(freq / 200)) > 0.05
    on = (freq > 100) & (freq < 2100)
    assert level[on & off].max() < 0.01 * level[on & ~off].max()


def test_a_subharmonic_lies_an_octave_below():
    draw = Draw(np.random.default_rng(0), held_out=False)
    f0 = np.full(SAMPLE_RATE, 200.0)
    source = folds(draw, f0, breath=0, jitter=0, shimmer=0, subharmonic=0.8)
    level, freq = spectrum(source)
    assert level[freq == 100.0] > 0.1 * level[freq == 200.0]


def test_a_tract_is_loudest_at_its_resonance():
    noise = np.random.default_rng(1).standard_normal(4 * SAMPLE_RATE)
    y = spoken(noise, np.ones(len(noise)), [tract([1200.0], [0.0])], direct=0.0)
    level, freq = spectrum(y)
    smooth = np.convolve(level**2, np.ones(801), "same")
    assert abs(freq[smooth.argmax()] - 1200) < 100
    assert abs(np.abs(y).max() - 1) < 1e-9
