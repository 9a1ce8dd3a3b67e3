"""What happens when two solid things meet: contact noise, and bodies with many dense modes."""

import numpy as np

from training.world.dsp import (
    Draw,
    Wave,
    band_noise,
    bandpass,
    modal,
    noise,
    normalise,
    percussive,
    samples,
)


def click(draw: Draw, lo: float, hi: float, decay_s: float) -> Wave:
    """A dry click: a brief burst of noise between lo and hi, peak 1."""
    n = samples(1.5 * decay_s + 0.002)
    return normalise(band_noise(draw.rng, n, lo, hi) * percussive(n, 0.0004, decay_s))


def body(
    draw: Draw, lo: float, hi: float, count: int, decay_s: float, *, damping: float = 0.8,
    slope_db: float = -3.0,
) -> Wave:  # fmt: skip
    """A struck body with many modes, so dense that no pitch is heard; peak 1.

    Args:
        draw: Source of randomness: where the modes lie.
        lo: The lowest mode.
        hi: The highest mode.
        count: How many modes; they lie evenly on a log scale, each a little off.
        decay_s: Seconds until the lowest mode has fallen by 60 dB.
        damping: How much faster a mode falls per octave; 0.3 is metal, 1 is soft wood.
        slope_db: Level per octave.
    """
    rng = draw.rng
    octave = (np.arange(count) + rng.uniform(0, 0.9, count)) / count * np.log2(hi / lo)
    decays = decay_s * 2.0 ** (-damping * octave) * rng.uniform(0.6, 1.4, count)
    gains = 10 ** (slope_db * octave / 20) * rng.uniform(0.2, 1.0, count)
    n = samples(1.2 * decays.max())
    return normalise(modal(n, lo * 2**octave, list(decays), list(gains), rng))


def thump(draw: Draw, freq: float, decay_s: float) -> Wave:
    """A dull blow: noise through one wide low resonance, peak 1."""
    n = samples(1.5 * decay_s)
    burst = noise(draw.rng, n) * percussive(n, 0.002, decay_s)
    return normalise(bandpass(burst, freq, 1.2))


def varied(draw: Draw, x: Wave, spread: float = 0.04) -> Wave:
    """The same body struck at another spot: `spread` higher or lower, on a log scale."""
    ratio = float(np.exp(draw.uniform(-spread, spread)))
    at = np.arange(0, len(x) - 1, ratio)
    return np.interp(at, np.arange(len(x)), x)
