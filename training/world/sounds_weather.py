"""The sounds of weather and water: bursts and rumbles, showers of grains, swells and bubbles."""

import numpy as np

from training.world.dsp import (
    SAMPLE_RATE,
    Draw,
    Sound,
    Synth,
    Voice,
    Wave,
    band_noise,
    coloured_noise,
    curve,
    event_times,
    finish,
    harmonics,
    lowpass,
    modal,
    moving_formants,
    noise,
    normalise,
    percussive,
    pitch_curve,
    place,
    samples,
    scatter,
    shaped_noise,
    sine,
    wander,
)
from training.world.voices import scaled


def bubble(freq: float, decay_s: float, rise: float) -> Wave:
    """A gas bubble under water: a sine at its Minnaert frequency, rising as it nears the surface.

    Source: van den Doel 2005, "Physically based models for liquid sounds".
    """
    n = samples(1.3 * decay_s)
    t = np.arange(n) / SAMPLE_RATE
    return sine(freq * (1 + rise * t / decay_s), n) * percussive(n, 0.001, decay_s)


def thunder(draw: Draw, voice: Voice, n: int) -> Sound:
    """A tearing crack of lightning near by, then a rumble that rolls away; or the rumble alone."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.15, 0.9, jitter=0.3)
    y = np.zeros(n)
    nearness = draw.uniform(0, 1)
    for at in times:
        m = min(n, samples(draw.uniform(2.5, 7.0)))
        t = np.arange(m) / SAMPLE_RATE
        corner = scaled(voice, 190, 70) * draw.uniform(0.8, 1.3)
        slope = draw.key(-22, -10)
        rumble = shaped_noise(rng, m, [20, corner, 4 * corner, 7800], [-3, 0, slope, slope - 34])
        claps = np.exp(0.9 * wander(rng, m, draw.uniform(3, 8)))  # echoes from along the channel
        swell = np.minimum(t / draw.uniform(0.03, 0.4), 1) * np.exp(-t / draw.uniform(0.7, 2.2))
        strike = rumble * claps * swell
        if nearness > 0.35:
            k = min(m, samples(0.9))
            tear = shaped_noise(rng, k, [60, 300, 2500, 7800], [-4, 0, -5, -16])
            bursts = np.zeros(k)
            for _ in range(int(rng.integers(3, 9))):
                burst = percussive(samples(0.4), 0.002, draw.uniform(0.08, 0.5))
                place(bursts, burst, draw.uniform(0, 0.3) ** 1.5, draw.uniform(0.4, 1))
            strike[:k] += 3.5 * nearness * tear * bursts
        place(y, strike, at, draw.uniform(0.6, 1.0))
    if draw.chance(0.4):
        y += draw.log_uniform(0.005, 0.05) * shaped_noise(rng, n, [300, 3000, 7800], [-14, 0, -4])
    return finish(y, times, draw, room=draw.chance(0.5))


def rain(draw: Draw, voice: Voice, n: int) -> Sound:
    """A hiss of distant drops with near ones pattering on top."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    peak = scaled(voice, 5500, 1500) * draw.uniform(0.8, 1.25)
    slope = draw.key(4, 16)
    hiss = shaped_noise(rng, n, [80, peak / 4, peak, 7900], [-2.2 * slope, -slope, 0, -slope / 3])
    rate = 60 * (1500 / 60) ** voice.speed
    count = max(6, int(rate * duration))
    grains = []
    for _ in range(12):
        m = samples(draw.log_uniform(0.003, 0.016))
        ping = modal(m, [draw.uniform(0.5, 1.6) * peak], [m / SAMPLE_RATE], [1.0], rng)
        burst = noise(rng, m) * percussive(m, 0.0005, m / SAMPLE_RATE)
        grain = draw.uniform(0, 1) * normalise(ping) + normalise(burst)
        grains.append(lowpass(grain, min(7500, draw.uniform(0.8, 2.5) * peak)))
    gains = rng.pareto(2.2, count) + 0.1
    drops = scatter(n, grains, rng.integers(0, n, count), np.minimum(gains, 6))
    drops /= np.sqrt(np.mean(drops**2)) + 1e-9
    y = hiss * (1 + 0.06 * wander(rng, n, 2)) + draw.log_uniform(0.25, 1.6) * drops
    if draw.chance(0.3):
        y += draw.uniform(0.1, 0.4) * shaped_noise(rng, n, [40, 200, 900, 7800], [-3, 0, -12, -40])
    return finish(y, (0.0,), draw, room=False)


def wind(draw: Draw, voice: Voice, n: int) -> Sound:
    """Gusts of dull noise, with a howl whose pitch follows their strength."""
    rng = draw.rng
    rate = 0.4 + 1.4 * voice.speed
    gust = wander(rng, n, rate) + 0.35 * wander(rng, n, 4 * rate)
    gust = 1 / (1 + np.exp(-1.3 * gust))
    centre = scaled(voice, 750, 230) * draw.uniform(0.85, 1.2)
    width = draw.key(0.07, 0.6)  # narrow howls, wide rushes
    source = noise(rng, n)
    shapes = [([centre * r, 2.1 * centre * r], [width * centre * r, 1.6 * width * centre * r],
               [1.0, draw.uniform(0.05, 0.4)]) for r in (0.6, 0.85, 1.15, 1.6)]  # fmt: skip
    howl = moving_formants(source, shapes, 3 * gust)
    howl = howl / (np.sqrt(np.mean(howl**2)) + 1e-9) * (0.15 + gust) ** 1.5
    rush = shaped_noise(rng, n, [30, centre / 2, 2 * centre, 7800], [-4, 0, -12, -42])
    y = howl + draw.log_uniform(0.15, 1.2) * rush * (0.25 + gust)
    if draw.chance(0.3):  # buffets against the microphone
        y += 1.2 * lowpass(noise(rng, n), 60) * np.clip(gust - 0.4, 0, 1) * 6
    if draw.chance(0.3):  # leaves
        y += draw.log_uniform(0.05, 0.3) * band_noise(rng, n, 2500, 7000) * gust**2
    return finish(y, (0.0,), draw, room=False)


def ocean(draw: Draw, voice: Voice, n: int) -> Sound:
    """Waves that swell, break with a crash and run out in a hiss of foam."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    period = 6.5 * (2.0 / 6.5) ** voice.speed
    low = scaled(voice, 500, 160) * draw.uniform(0.85, 1.2)
    t = np.arange(n) / SAMPLE_RATE
    swell, crash, foam = np.full(n, 0.15), np.full(n, 0.03), np.full(n, 0.05)
    at = draw.uniform(-0.5, 0.4) * period
    while at < duration + period:
        loud, build = draw.uniform(0.6, 1), draw.uniform(0.15, 0.4) * period
        run = draw.uniform(0.3, 0.6) * period
        before, after = np.clip(t - at + build, 0, build) / build, np.maximum(t - at, 0)
        swell += loud * before**2 * np.exp(-after / (0.4 * run))
        crash += loud * (before >= 1) * np.minimum(after / 0.15, 1) * np.exp(-after / (0.35 * run))
        foam += 0.8 * loud * before**3 * np.minimum((after + 0.1) / 0.5, 1) * np.exp(-after / run)
        at += period * draw.uniform(0.75, 1.25)
    slope = draw.key(-14, -5)
    y = swell * shaped_noise(rng, n, [30, low / 2, 3 * low, 7800], [-6, 0, -14, -45])
    y += crash * shaped_noise(rng, n, [60, low, 2500, 7800], [-6, 0, slope / 2, slope * 1.6])
    fizz = shaped_noise(rng, n, [300, 2500, 5000, 7900], [-22, 0, -1, -5])
    y += draw.uniform(0.15, 0.6) * foam * fizz * (1 + 0.15 * wander(rng, n, 60))
    return finish(y, (0.0,), draw, room=False)


def fire(draw: Draw, voice: Voice, n: int) -> Sound:
    """Snaps and crackles of wood, heavy-tailed in loudness, over a soft fluttering roar."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    rate = 12 * (110 / 12) ** voice.speed
    peak = scaled(voice, 4200, 1400) * draw.uniform(0.8, 1.25)
    grains = []
    for _ in range(14):
        m = samples(draw.log_uniform(0.0015, 0.02))
        snap = noise(rng, m) * percussive(m, 0.0003, m / SAMPLE_RATE)
        snap += 0.6 * modal(m, [peak * draw.log_uniform(0.3, 1.7)], [m / SAMPLE_RATE], [1.0], rng)
        grains.append(lowpass(snap, min(7600, peak * draw.uniform(0.8, 2.5))))
    count = max(8, int(rate * duration))
    starts = np.sort(rng.integers(0, n, count))
    burst = rng.random(count) < 0.35  # crackles come in runs
    starts[1:][burst[1:]] = starts[:-1][burst[1:]] + rng.integers(30, 900, int(burst[1:].sum()))
    starts[0] = int(0.1 * n)
    crackle = scatter(n, grains, starts, np.minimum(0.05 + rng.pareto(1.3, count), 12))
    flutter = np.exp(0.5 * wander(rng, n, 9) + 0.3 * wander(rng, n, 2))
    roar = shaped_noise(rng, n, [30, 120, draw.key(250, 900), 2500, 7800], [-4, 0, -8, -26, -42])
    hiss = shaped_noise(rng, n, [800, 4000, 7800], [-20, 0, -3])
    y = normalise(crackle) + draw.log_uniform(0.02, 0.16) * roar * flutter
    y += draw.log_uniform(0.003, 0.03) * hiss
    return finish(y, (0.0,), draw, room=False)


def drops(draw: Draw, voice: Voice, n: int) -> Sound:
    """Single drops: a tick on the surface and the rising note of the bubble it leaves."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.9, 7.0, jitter=draw.choice((0.03, 0.15, 0.4)))
    base = scaled(voice, 2400, 550) * draw.uniform(0.85, 1.2)
    rise, decay = draw.key(0.1, 1.1), draw.log_uniform(0.05, 0.22)
    y = np.zeros(n)
    for at in times:
        freq = base * draw.log_uniform(0.8, 1.25)
        tick = band_noise(rng, 200, 2500, 7000) * percussive(200, 0.0005, 0.008)
        place(y, tick, at, draw.log_uniform(0.03, 0.3))
        place(y, bubble(freq, decay * draw.uniform(0.7, 1.3), rise), at + draw.uniform(0.004, 0.03))
        for _ in range(int(rng.integers(0, 4))):  # the splash leaves smaller bubbles
            small = bubble(freq * draw.uniform(1.1, 2.2), 0.4 * decay, rise)
            place(y, small, at + draw.uniform(0.02, 0.12), draw.uniform(0.1, 0.45))
    if draw.chance(0.3):  # a trickle behind the drops
        count = int(60 * duration) + 4
        grains = [bubble(base * draw.log_uniform(0.7, 1.8), 0.03, 0.3) for _ in range(8)]
        y += scatter(n, grains, rng.integers(0, n, count), rng.uniform(0.01, 0.1, count))
    return finish(y, times, draw)


def toilet(draw: Draw, voice: Voice, n: int) -> Sound:
    """A rush of water that swells and swirls, gurgles down the pipe, and a tank that refills."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    length = min(duration * draw.uniform(0.7, 1.5), 2.5 + 4 * (1 - voice.speed))
    start = draw.uniform(0.0, 0.12) * duration
    t = np.arange(n) / SAMPLE_RATE - start
    u = np.clip(t / length, 0, 1.5)
    rush = np.clip(t / draw.uniform(0.1, 0.35), 0, 1) * np.exp(-np.maximum(u - 0.45, 0) * 6)
    centre = scaled(voice, 1100, 420) * draw.uniform(0.85, 1.2)
    levels = [-14, -2, 0, -9, draw.key(-30, -14)]
    water = shaped_noise(rng, n, [80, centre / 2, centre, 3 * centre, 7800], levels)
    # The bowl's resonance wobbles as the water swirls.
    source = noise(rng, n)
    shapes = [([centre * r, 1.9 * centre * r], [0.16 * centre * r, 0.3 * centre * r], [1, 0.6])
              for r in (0.55, 0.8, 1.1, 1.5)]  # fmt: skip
    position = 1.5 + 1.1 * np.sin(2 * np.pi * np.cumsum(2 + 2 * u) / SAMPLE_RATE)
    swirl = moving_formants(source, shapes, np.clip(position + 0.5 * wander(rng, n, 10), 0, 3))
    swirl /= np.sqrt(np.mean(swirl**2)) + 1e-9
    y = rush * (water + draw.uniform(0.3, 1.0) * swirl) * (1 + 0.2 * wander(rng, n, 25))
    count = int(45 * length) + 5  # the gurgle: big bubbles, mostly towards the end
    low = scaled(voice, 520, 190)
    grains = [
        bubble(low * draw.log_uniform(0.6, 2.2), draw.uniform(0.03, 0.1), draw.uniform(0.1, 0.6))
        for _ in range(12)
    ]
    when = start + length * np.clip(rng.beta(3.0, 2.0, count), 0, 1)
    starts = (when * SAMPLE_RATE).astype(int)
    y += draw.uniform(0.5, 1.6) * scatter(n, grains, starts, rng.uniform(0.2, 1, count))
    refill = shaped_noise(rng, n, [400, 2500, 5000, 7800], [-25, 0, -2, -12])
    y += draw.log_uniform(0.04, 0.25) * refill * np.clip(4 * u - 1, 0, 1)
    if draw.chance(0.4):  # the lever
        freqs, decays = [180, 420, 1300, 2600], [0.06, 0.05, 0.03, 0.02]
        clunk = modal(1600, freqs, decays, [1, 0.8, 0.5, 0.4], rng)
        place(y, clunk, start, draw.uniform(0.5, 1.5))
    return finish(y, (0.0,), draw)


def fireworks(draw: Draw, voice: Voice, n: int) -> Sound:
    """Whistles that climb, booms with an echo, and showers of crackle."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.6, 4.0, jitter=0.4)
    y = np.zeros(n)
    has_whistle, has_crackle = draw.chance(0.45), draw.chance(0.65)
    for at in times:
        m = samples(1.6)
        t = np.arange(m) / SAMPLE_RATE
        corner = scaled(voice, 320, 95) * draw.uniform(0.7, 1.4)
        slope = draw.key(-14, -4)
        blast = shaped_noise(rng, m, [25, corner, 1500, 7800], [-3, 0, slope, 2.2 * slope])
        boom = blast * percussive(m, 0.002, draw.uniform(0.25, 0.8))
        boom += 0.7 * sine(corner * np.exp(-6 * t) + 30, m) * percussive(m, 0.002, 0.3)
        echo = lowpass(coloured_noise(rng, m, -5), 1200) * percussive(m, 0.15, 1.8)
        place(y, normalise(boom) + draw.uniform(0.02, 0.15) * echo, at, draw.uniform(0.5, 1))
        if has_crackle and draw.chance(0.7):
            k = samples(draw.uniform(0.5, 1.3))
            count = int(rng.integers(20, 160))
            grains = [noise(rng, g) * percussive(g, 0.0005, g / SAMPLE_RATE) for g in (40, 80, 140)]
            starts = (k * rng.beta(1.6, 2.2, count)).astype(int)
            shower = scatter(k, grains, starts, rng.uniform(0.1, 0.6, count))
            place(y, shower, at + draw.uniform(0.08, 0.3), draw.uniform(0.2, 0.6))
        if has_whistle and at > 0.35 and draw.chance(0.7):
            k = samples(min(at, draw.uniform(0.4, 1.2)))
            f0 = scaled(voice, 2600, 1300) * draw.uniform(0.8, 1.3)
            glide = draw.choice(((0.6, 1.2, 1.0), (1.2, 0.7), (0.7, 1.3)))
            scream = harmonics(f0 * pitch_curve(glide, k) * (1 + 0.01 * wander(rng, k, 50)),
                               [1, 0.4, 0.15], k)  # fmt: skip
            scream = scream + 0.2 * band_noise(rng, k, f0, 2.5 * f0)
            scream = scream * curve([0, 0.6, 1, 0], k, [0, 0.3, 0.8, 1])
            place(y, scream, at - k / SAMPLE_RATE, draw.uniform(0.08, 0.4))
    return finish(y, times, draw)


SYNTHS: dict[str, Synth] = {
    "thunder": thunder,
    "rain": rain,
    "wind": wind,
    "ocean": ocean,
    "fire": fire,
    "drops": drops,
    "toilet": toilet,
    "fireworks": fireworks,
}
