"""The sounds of household things and alarms: struck modes, clicks, knocks, rings and beeps."""

import numpy as np

from training.world.dsp import (
    SAMPLE_RATE,
    Draw,
    Sound,
    Synth,
    Voice,
    Wave,
    adsr,
    finish,
    harmonics,
    modal,
    normalise,
    place,
    samples,
)
from training.world.impacts import click
from training.world.voices import scaled


def struck(
    draw: Draw, base: float, ratios: tuple[float, ...], decay_s: float, *, damping: float = 0.7,
    brightness: float = 0.8, spread: float = 0.02,
) -> Wave:  # fmt: skip
    """A struck object by its modes, peak 1.

    Args:
        draw: Source of randomness: each mode is off by `spread`.
        base: Frequency of the lowest mode.
        ratios: Modes relative to it.
        decay_s: Seconds until the lowest mode has fallen by 60 dB.
        damping: How much faster high modes fall; 0 is glass-like, 1 is wood-like.
        brightness: Gain of a mode an octave higher.
        spread: Relative randomness of frequencies.
    """
    rng = draw.rng
    ratios_ = np.asarray(ratios) * (1 + spread * rng.standard_normal(len(ratios)))
    octave = np.log2(np.maximum(ratios_, 0.1))
    gains = brightness**octave * rng.uniform(0.4, 1.0, len(ratios))
    decays = decay_s * 2.0 ** (-damping * octave)
    n = samples(1.2 * max(decays))
    return normalise(modal(n, base * ratios_, decays, gains, rng))


GONG = (1.0, 2.0, 2.76, 3.7, 5.1, 6.8)  # a small steel bell


def _ringer(draw: Draw, voice: Voice, m: int, rate: float, top: float) -> Wave:
    """Two gongs with a clapper between them, struck `rate` times a second."""
    base = scaled(voice, top, 0.45 * top) * draw.uniform(0.9, 1.1)
    ratio = draw.choice((1.0, 1.06, 1.19, 1.26))
    decay, damping = draw.key(0.25, 1.0), draw.uniform(0.2, 0.6)
    gongs = [struck(draw, base * r, GONG, decay, damping=damping) for r in (1.0, ratio)]
    tick = click(draw, 2500, 7000, 0.006)
    y = np.zeros(m + len(gongs[0]))
    for i, at in enumerate(np.arange(0, m / SAMPLE_RATE, 1 / rate)):
        hit = at + draw.rng.normal(0, 0.04 / rate)
        place(y, gongs[i % 2], max(hit, 0), draw.uniform(0.85, 1))
        place(y, tick, max(hit, 0), 0.15)
    return y


def telephone(draw: Draw, voice: Voice, n: int) -> Sound:
    """A bell with a fast clapper, an electronic warble, or a short melody: on, pause, on."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    ring_s = 1.9 * (0.45 / 1.9) ** voice.speed * draw.uniform(0.85, 1.15)
    pause_s = ring_s * draw.uniform(0.3, 1.0)
    start = draw.uniform(0, min(0.25, 0.3 * duration))
    times = np.arange(start, duration - 0.02, ring_s + pause_s)
    is_double = draw.chance(0.3)
    kind = draw.choice(("bell", "bell", "warble", "warble", "melody"))
    m = samples(ring_s)
    if kind == "bell":
        ring = _ringer(draw, voice, m, draw.uniform(18, 28), 2000)
    elif kind == "warble":
        low = scaled(voice, 1500, 600) * draw.uniform(0.9, 1.1)
        high = low * draw.choice((1.122, 1.25, 1.335, 1.5))
        t = np.arange(m) / SAMPLE_RATE
        f0 = np.where((t * draw.uniform(8, 24)) % 1 < 0.5, low, high)
        fall = draw.key(0.2, 0.75)
        ring = harmonics(f0, [fall ** (k - 1) * (1.0 if k % 2 else 0.5) for k in range(1, 9)], m)
        ring = ring * adsr(m, 0.005, release_s=0.02)
    else:
        note_s = draw.uniform(0.07, 0.16)
        base = scaled(voice, 1300, 600)
        motif = [draw.choice((0, 2, 4, 7, 9, 12)) for _ in range(int(rng.integers(3, 8)))]
        ring, k = np.zeros(m), samples(note_s)
        amplitudes = draw.choice(([1, 0, 0.33, 0, 0.2], [1, 0.5, 0.25, 0.12], [1, 0.1]))
        for i, at in enumerate(np.arange(0, ring_s - 0.03, note_s)):
            f0 = base * 2 ** (motif[i % len(motif)] / 12)
            place(ring, harmonics(f0, amplitudes, k) * adsr(k, 0.004, release_s=0.015), at)
    y = np.zeros(n)
    if is_double:  # ring-ring ... ring-ring
        half = ring[: len(ring) * 2 // 5].copy()
        half *= adsr(len(half), 0.001, release_s=0.05)
        ring = np.concatenate([half, np.zeros(len(ring) // 5), half])
    for at in times:
        place(y, ring, at)
    return finish(y, times, draw)


def alarm_clock(draw: Draw, voice: Voice, n: int) -> Sound:
    """Groups of short electronic beeps, or a clapper hammering two small bells without a pause."""
    duration = n / SAMPLE_RATE
    y = np.zeros(n)
    start = draw.uniform(0, min(0.2, 0.2 * duration))
    if draw.chance(0.15):
        y_ring = _ringer(draw, voice, n, draw.uniform(12, 18), 3200)
        place(y, y_ring, start)
        return finish(y, (start,), draw)
    f0 = scaled(voice, 3900, 1700) * draw.uniform(0.95, 1.05)
    beep_s = 0.16 * (0.05 / 0.16) ** voice.speed * draw.uniform(0.85, 1.2)
    beeps = draw.choice((1, 2, 3, 4, 4))
    cycle = beep_s * 2 * beeps + beep_s * draw.uniform(1.0, 5.0) * (beeps > 1)
    m = samples(beep_s)
    edge = draw.key(0.0, 0.7)  # from a pure buzzer to a square wave
    beep = harmonics(f0, [1, 0.25 * edge, 0.6 * edge, 0.1 * edge, 0.4 * edge], m)
    if draw.chance(0.2):
        beep = beep * (0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 60 * np.arange(m) / SAMPLE_RATE)))
    beep = beep * adsr(m, 0.002, release_s=0.004)
    times = []
    for group in np.arange(start, duration, cycle):
        for k in range(beeps):
            at = group + 2 * beep_s * k
            if at < duration - 0.01:
                place(y, beep, at)
                times.append(at)
    return finish(y, times, draw)


SYNTHS: dict[str, Synth] = {"telephone": telephone, "alarm_clock": alarm_clock}
