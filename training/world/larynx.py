"""Animal and human voices by source and filter: the folds of a larynx, and the tract above them.

Each cycle of the folds differs a little from the last in length (jitter) and loudness (shimmer);
a rough voice adds every second cycle (a subharmonic) or chaotic pitch. Breath noise comes while
the folds are open.
"""

from collections.abc import Callable, Sequence

import numpy as np

from training.world.dsp import (
    SAMPLE_RATE,
    Draw,
    Voice,
    Wave,
    event_times,
    formants,
    moving_formants,
    noise,
    normalise,
    phase,
    place,
    saw,
    tilt,
    wander,
)

Shape = tuple[Sequence[float], Sequence[float], Sequence[float]]  # formants: Hz, Hz, gains


def sized(draw: Draw, voice: Voice, small: float, large: float, spread: float = 0.25) -> float:
    """A frequency between that of a small and a large one, give or take `spread` octaves."""
    return small * (large / small) ** voice.size * 2 ** draw.key(-spread, spread)


def about(draw: Draw, value: float, relative: float = 0.08) -> float:
    """A value near another: how one call differs from the next."""
    return value * float(np.exp(relative * np.clip(draw.rng.standard_normal(), -2, 2)))


def tract(freqs: Sequence[float], gains_db: Sequence[float], width: float = 0.1) -> Shape:
    """Resonances of a tract: each `width` of its frequency wide, and at least 50 Hz."""
    return list(freqs), [50 + width * f for f in freqs], [10 ** (g / 20) for g in gains_db]


def folds(
    draw: Draw,
    f0: Wave,
    *,
    breath: float = 0.1,
    jitter: float = 0.01,
    shimmer: float = 0.05,
    subharmonic: float = 0.0,
    chaos: float = 0.0,
    dull_hz: float = 3000.0,
) -> Wave:
    """What the vocal folds send into the tract.

    Args:
        draw: Source of randomness.
        f0: Pitch per sample.
        breath: Level of noise against the tone, 0 clear .. 1 hoarse.
        jitter: Relative spread of the length of a cycle.
        shimmer: Relative spread of the loudness of a cycle.
        subharmonic: How much weaker every second cycle is, 0 .. 1.
        chaos: Relative depth of fast irregular pitch; 0.1 rasps, 0.4 is mostly noise.
        dull_hz: The source falls faster above this frequency.
    """
    n, rng = len(f0), draw.rng
    cycle = phase(f0, n).astype(int)
    odd = rng.standard_normal((2, cycle[-1] + 2))
    f0 = f0 * np.maximum(1 + jitter * odd[0][cycle], 0.3)
    if chaos > 0:
        f0 = f0 * np.exp(chaos * (0.6 * wander(rng, n, 90) + 0.6 * wander(rng, n, 400)))
    loud = 1 + shimmer * odd[1][cycle]
    if subharmonic > 0:
        loud = loud * (1 - 0.5 * subharmonic * (1 + np.cos(np.pi * phase(f0, n))))
    tone = saw(f0, n) * loud
    flow = 0.4 + 0.6 * np.abs(tone)  # the folds let air through while they are open
    return tilt(tone + 1.5 * breath * noise(rng, n) * flow, dull_hz)


def spoken(
    source: Wave,
    envelope: Wave,
    shapes: Sequence[Shape],
    position: Wave | None = None,
    direct: float = 0.05,
) -> Wave:
    """A source heard through a tract that moves through `shapes`; peak 1.

    Args:
        source: From `folds`, or noise.
        envelope: Loudness per sample.
        shapes: Shapes of the tract, see `tract`.
        position: Which shape is heard when, 0 .. len(shapes) - 1; evenly if None.
        direct: How much of the source passes round the resonances.
    """
    n = len(source)
    if len(shapes) == 1:
        mouth = formants(source, *shapes[0])
    else:
        position = np.linspace(0, len(shapes) - 1, n) if position is None else position
        mouth = moving_formants(source, shapes, position)
    return normalise((mouth + direct * source) * envelope)


def calls(
    draw: Draw,
    voice: Voice,
    n: int,
    rates: tuple[float, float],
    make: Callable[[float], Wave | None],
    *,
    jitter: float = 0.15,
) -> tuple[Wave, np.ndarray]:
    """One call after another: `make` gets the seconds until the next call; None is a rest."""
    clip, onsets = np.zeros(n), []
    times = event_times(draw, voice, n / SAMPLE_RATE, *rates, jitter=jitter)
    rate = rates[0] * (rates[1] / rates[0]) ** voice.speed
    gaps = np.append(np.diff(times), 1 / rate)
    for time_s, gap_s in zip(times, gaps, strict=True):
        call = make(float(gap_s))
        if call is not None:
            place(clip, call, time_s, draw.uniform(0.65, 1.0))
            onsets.append(time_s)
    return clip, np.array(onsets)
