"""Where a thing sounds: rooms and open air, with their echoes and their faint background."""

import numpy as np

from training.world.dsp import (
    Draw,
    Wave,
    coloured_noise,
    convolve,
    normalise,
    samples,
    shaped_noise,
    tilt,
    wander,
)


def _echoes(draw: Draw, count: int, first_s: float, last_s: float) -> Wave:
    """An impulse response of separate reflections, each weaker the later it comes."""
    response = np.zeros(samples(last_s) + 1)
    response[0] = 1.0
    for delay_s in draw.rng.uniform(first_s, last_s, count):
        loud = first_s / (first_s + delay_s) * draw.uniform(0.4, 1.0)
        response[int(delay_s * len(response) / last_s) - 1] += loud * draw.choice((-1, 1))
    return response


def in_room(x: Wave, draw: Draw, decay_s: tuple[float, float], wet: tuple[float, float]) -> Wave:
    """Heard in a room: reflections from the walls, then a tail that dulls as it falls.

    Args:
        x: The dry sound.
        draw: Source of randomness.
        decay_s: Bounds of the time in which the tail falls by 60 dB.
        wet: Bounds of the energy of the tail against that of a dry impulse.
    """
    decay, mix = draw.log_uniform(*decay_s), draw.log_uniform(*wet)
    response = _echoes(draw, 6, 0.003, 0.03)
    n = samples(decay)
    t = np.arange(n) / n
    tail = draw.rng.standard_normal(n) * np.exp(-6.91 * t)
    dull = tilt(draw.rng.standard_normal(n), 1200.0) * np.exp(-5.0 * t)
    tail = tilt(tail, 5000.0) + 2 * dull
    tail *= np.minimum(np.arange(n) / samples(0.01), 1)
    tail *= mix / (np.sqrt(np.sum(tail**2)) + 1e-12)
    size = max(n, len(response))
    response = np.pad(response, (0, size - len(response))) + np.pad(tail, (0, size - n))
    return convolve(x, response)[: len(x)]


def outdoors(x: Wave, draw: Draw, noise_db: tuple[float, float] = (-55.0, -35.0)) -> Wave:
    """Heard in the open: one to four dull echoes, and air that stirs faintly.

    Args:
        x: The dry sound.
        draw: Source of randomness.
        noise_db: Bounds of the background's rms against the sound's peak.
    """
    n = len(x)
    echo = tilt(convolve(x, _echoes(draw, int(draw.rng.integers(1, 5)), 0.02, 0.25))[:n], 2500.0)
    y = normalise(x + draw.uniform(0.05, 0.4) * echo)
    level = 10 ** (draw.uniform(*noise_db) / 20)
    air = coloured_noise(draw.rng, n, draw.uniform(-6, -3)) * np.exp(0.3 * wander(draw.rng, n, 2))
    if draw.chance(0.4):  # leaves and far birds are bright
        air = air + draw.uniform(0.1, 0.6) * shaped_noise(
            draw.rng, n, [500, 2500, 5000, 7900], [-30, -3, 0, -8]
        )
    return y + level * air


def indoor_air(x: Wave, draw: Draw, noise_db: tuple[float, float] = (-60.0, -38.0)) -> Wave:
    """The hum of a house: dull noise and, sometimes, the mains' harmonics."""
    n = len(x)
    air = coloured_noise(draw.rng, n, draw.uniform(-8, -4))
    return normalise(x) + 10 ** (draw.uniform(*noise_db) / 20) * air
