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
from training.world.impacts import click as impact_click
from training.world.impacts import thump
from training.world.places import in_room, outdoors
from training.world.voices import scaled


def bubble(freq: float, decay_s: float, rise: float) -> Wave:
    """A gas bubble under water: a sine at its Minnaert frequency, rising as it nears the surface.

    Source: van den Doel 2005, "Physically based models for liquid sounds".
    """
    n = samples(1.3 * decay_s)
    t = np.arange(n) / SAMPLE_RATE
    return sine(freq * (1 + rise * t / decay_s), n) * percussive(n, 0.001, decay_s)


def _rolls(draw: Draw, m: int, rate: float) -> Wave:
    """Loudness of a strike over time: echoes from along a crooked channel, ever weaker."""
    t = np.arange(m) / SAMPLE_RATE
    fall = np.exp(-t / draw.uniform(0.8, 2.5))
    return fall * np.exp(0.8 * wander(draw.rng, m, rate) + 0.35 * wander(draw.rng, m, 5 * rate))


def thunder(draw: Draw, voice: Voice, n: int) -> Sound:
    """A crack that tears and at once loses its treble, then a long rumble that rolls away."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.15, 0.7, jitter=0.3)
    y, nearness = np.zeros(n), draw.uniform(0, 1)
    corner = scaled(voice, 320, 130) * draw.uniform(0.8, 1.3)
    slope, rate = draw.key(-16, -9), draw.uniform(3, 7)
    for at in times:
        m = min(n, samples(draw.uniform(2.5, 6.0)))
        t = np.arange(m) / SAMPLE_RATE
        deep = shaped_noise(rng, m, [20, 60, corner, 4 * corner, 7800],
                            [-8, 0, 0, 2 * slope, 4 * slope])  # fmt: skip
        mid = shaped_noise(rng, m, [60, corner, 4 * corner, 3000, 7800], [-12, 0, -4, -18, -36])
        attack = np.minimum(t / (0.02 + 0.5 * (1 - nearness)), 1)
        early = np.exp(-t / draw.uniform(0.3, 0.9))  # far treble dies in the air
        strike = attack * (deep * _rolls(draw, m, rate) + 1.1 * mid * early * _rolls(draw, m, rate))
        if nearness > 0.5:
            k = min(m, samples(0.7))
            tear = shaped_noise(rng, k, [80, 300, 2000, 7800], [-6, 0, -4, -22])
            rip = np.abs(wander(rng, k, 60)) ** 2 * np.exp(-np.arange(k) / samples(0.12))
            strike[:k] += 1.6 * nearness * tear * rip
        place(y, strike, at, draw.uniform(0.6, 1.0))
    y = in_room(normalise(y), draw, (1.2, 3.0), (0.3, 1.0))
    if draw.chance(0.6):  # rain
        y = normalise(y) + draw.log_uniform(0.004, 0.03) * shaped_noise(
            rng, n, [300, 1500, 5000, 7800], [-14, -3, 0, -4]
        )
    return finish(y, times, draw, room=False)


def rain(draw: Draw, voice: Voice, n: int) -> Sound:
    """A hiss of distant drops with near ones pattering on top."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    peak = scaled(voice, 4500, 1300) * draw.uniform(0.8, 1.25)
    slope = draw.key(3, 9)
    hiss = shaped_noise(rng, n, [80, peak / 4, peak, 7900], [-2.2 * slope, -slope, 0, -slope / 3])
    rate = 120 * (2500 / 120) ** voice.speed
    count = max(6, int(rate * duration))
    grains = []
    for _ in range(12):
        m = samples(draw.log_uniform(0.003, 0.016))
        ping = modal(m, [draw.uniform(0.5, 1.6) * peak], [m / SAMPLE_RATE], [1.0], rng)
        burst = noise(rng, m) * percussive(m, 0.0005, m / SAMPLE_RATE)
        grain = draw.uniform(0, 1) * normalise(ping) + normalise(burst)
        grains.append(lowpass(grain, min(7500, draw.uniform(0.8, 2.5) * peak)))
    gains = rng.pareto(2.6, count) + 0.1
    drops = scatter(n, grains, rng.integers(0, n, count), np.minimum(gains, 3))
    drops /= np.sqrt(np.mean(drops**2)) + 1e-9
    y = hiss * (1 + 0.06 * wander(rng, n, 2)) + draw.log_uniform(0.3, 1.2) * drops
    if draw.chance(0.3):
        y += draw.uniform(0.1, 0.4) * shaped_noise(rng, n, [40, 200, 900, 7800], [-3, 0, -12, -40])
    return finish(y, (0.0,), draw, room=False)


def wind(draw: Draw, voice: Voice, n: int) -> Sound:
    """Gusts that boom at the microphone and howl at an edge; the howl rises with their strength."""
    rng = draw.rng
    rate = 0.4 + 1.2 * voice.speed
    gust = wander(rng, n, rate) + 0.3 * wander(rng, n, 4 * rate)
    gust = 1 / (1 + np.exp(-1.3 * gust))
    centre = scaled(voice, 750, 280) * draw.uniform(0.85, 1.2)
    width = draw.key(0.06, 0.3)
    shapes = [([centre * r, 1.9 * centre * r], [width * centre * r, 2 * width * centre * r],
               [1.0, draw.uniform(0.05, 0.3)]) for r in (0.75, 0.95, 1.15, 1.4)]  # fmt: skip
    howl = moving_formants(noise(rng, n), shapes, 3 * gust)
    howl = howl / (np.sqrt(np.mean(howl**2)) + 1e-9) * (0.25 + gust)
    rush = shaped_noise(rng, n, [30, 150, centre, 3 * centre, 7800], [0, 0, -6, -24, -50])
    y = draw.uniform(0.5, 1.2) * howl + draw.log_uniform(0.3, 1.0) * rush * (0.4 + gust)
    # Eddies at the microphone: deep, and much quicker than the gusts.
    eddies = shaped_noise(rng, n, [20, 50, 120, 400, 2000], [-3, 0, -3, -24, -60])
    flutter = np.exp(0.7 * wander(rng, n, 7)) * (0.3 + gust)
    y += draw.uniform(0.4, 1.6) * eddies * flutter
    if draw.chance(0.3):  # leaves
        y += draw.log_uniform(0.01, 0.06) * band_noise(rng, n, 2500, 7000) * gust**2
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
    """Hundreds of dry crackles and a few loud pops, all of them broad, over a deep soft roar."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    rate = 35 * (200 / 35) ** voice.speed
    bright = scaled(voice, 1.5, 0.7) * draw.uniform(0.8, 1.25)
    grains = []
    for _ in range(12):
        m = samples(draw.log_uniform(0.001, 0.009))
        snap = noise(rng, m) * percussive(m, 0.0002, m / SAMPLE_RATE)
        grains.append(normalise(lowpass(snap, min(7600, draw.log_uniform(2500, 9000) * bright))))
    count = max(10, int(rate * duration))
    starts = np.sort(rng.integers(0, n, count))
    is_run = rng.random(count) < 0.4  # one crack sets off the next
    starts[1:][is_run[1:]] = starts[:-1][is_run[1:]] + rng.integers(30, 700, int(is_run[1:].sum()))
    starts[0] = int(0.1 * n)
    crackle = scatter(n, grains, starts, np.minimum(0.04 + 0.12 * rng.pareto(1.6, count), 1.0))
    pops = [impact_click(draw, 300, 5000, draw.uniform(0.015, 0.04)) for _ in range(3)]
    at = rng.integers(0, n, max(2, int(duration * rate / 25)))
    crackle += scatter(n, pops, at, rng.uniform(0.2, 0.9, len(at)))
    flutter = np.exp(0.4 * wander(rng, n, 11) + 0.2 * wander(rng, n, 2))
    corner = draw.key(150, 240) * scaled(voice, 1.3, 0.7)
    roar = shaped_noise(rng, n, [20, 60, corner, 4 * corner, 7800], [-3, 0, -3, -26, -56])
    sizzle = shaped_noise(rng, n, [500, 3000, 7800], [-16, -2, 0])
    y = normalise(crackle) + draw.log_uniform(0.02, 0.12) * roar * flutter
    y += draw.log_uniform(0.004, 0.02) * sizzle * (1 + 0.4 * wander(rng, n, 120))
    return finish(y, (0.0,), draw, room=False)


def drops(draw: Draw, voice: Voice, n: int) -> Sound:
    """Single drops: a tick on the surface and the rising note of the bubble it leaves."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.9, 7.0, jitter=draw.choice((0.03, 0.15, 0.4)))
    base = scaled(voice, 1600, 450) * draw.uniform(0.85, 1.2)
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
    return finish(in_room(y, draw, (0.3, 1.5), (0.1, 0.5)), times, draw, room=False)


def toilet(draw: Draw, voice: Voice, n: int) -> Sound:
    """The lever, a burst of water that gurgles in a tiled room, a gulp in the pipe, the refill."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    length = min(duration * draw.uniform(0.8, 1.6), 2.2 + 3 * (1 - voice.speed))
    start = draw.uniform(0.0, 0.15) * duration
    t = np.arange(n) / SAMPLE_RATE - start
    u = np.clip(t / length, 0, 1.5)
    flow = np.clip(t / draw.uniform(0.05, 0.25), 0, 1) * np.exp(-5 * np.maximum(u - 0.55, 0))
    centre = scaled(voice, 1300, 650) * draw.uniform(0.85, 1.2)
    jet = shaped_noise(rng, n, [80, 300, centre, 3 * centre, 7800],
                       [-20, -5, 0, -3, draw.key(-20, -10)])  # fmt: skip
    jet = jet * np.exp(0.2 * wander(rng, n, 40))
    # The water in the bowl is a torrent of bubbles; its pitch sinks as the bowl empties.
    grains = [
        bubble(centre * draw.log_uniform(0.35, 1.8), draw.log_uniform(0.01, 0.05), 0.4)
        for _ in range(16)
    ]
    count = int(350 * length) + 10
    when = start + length * rng.beta(1.2, 1.6, count)
    torrent = scatter(n, grains, (when * SAMPLE_RATE).astype(int), rng.pareto(2.5, count) + 0.2)
    torrent /= np.sqrt(np.mean(torrent**2)) + 1e-9
    y = flow * (jet + draw.uniform(0.5, 1.3) * torrent)
    low = scaled(voice, 420, 200)
    for k in range(int(rng.integers(3, 9))):  # air gulped down the pipe, quicker and quicker
        at = start + length * (0.5 + 0.5 * (k + rng.random()) / 9)
        gulp = bubble(low * draw.log_uniform(0.7, 1.5), draw.uniform(0.06, 0.16), 0.5)
        place(y, gulp, at, draw.uniform(0.8, 2.5))
    refill = shaped_noise(rng, n, [300, 1500, 4000, 7800], [-22, -6, 0, -6])
    y += draw.log_uniform(0.08, 0.3) * refill * np.clip(3 * u - 0.5, 0, 1)
    if draw.chance(0.6):  # the lever
        place(y, thump(draw, 350, 0.05), start, draw.uniform(0.5, 1.5))
        place(y, impact_click(draw, 800, 5000, 0.02), start + 0.04, draw.uniform(0.3, 1.0))
    return finish(in_room(y, draw, (0.3, 0.8), (0.4, 1.0)), (0.0,), draw, room=False)


def fireworks(draw: Draw, voice: Voice, n: int) -> Sound:
    """Whistles that climb, booms with an echo, and showers of crackle."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.6, 4.0, jitter=0.4)
    y = np.zeros(n)
    has_whistle, has_crackle = draw.chance(0.45), draw.chance(0.85)
    for at in times:
        m = samples(1.2)
        t = np.arange(m) / SAMPLE_RATE
        corner = scaled(voice, 320, 95) * draw.uniform(0.7, 1.4)
        slope = draw.key(-14, -4)
        blast = shaped_noise(rng, m, [25, corner, 1500, 7800], [-3, 0, slope, 2.2 * slope])
        boom = blast * percussive(m, 0.002, draw.uniform(0.25, 0.8))
        boom += 0.15 * sine(corner * np.exp(-6 * t) + 30, m) * percussive(m, 0.002, 0.3)
        echo = lowpass(coloured_noise(rng, m, -5), 1200) * percussive(m, 0.15, 1.8)
        place(y, normalise(boom) + draw.uniform(0.02, 0.15) * echo, at, draw.uniform(0.5, 1))
        if has_crackle and draw.chance(0.7):
            k = samples(draw.uniform(0.5, 1.3))
            count = int(rng.integers(20, 160))
            grains = [noise(rng, g) * percussive(g, 0.0005, g / SAMPLE_RATE) for g in (40, 80, 140)]
            starts = (k * rng.beta(1.6, 2.2, count)).astype(int)
            shower = scatter(k, grains, starts, rng.uniform(0.1, 0.6, count))
            shower = lowpass(shower, scaled(voice, 7800, 3500))
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
    return finish(outdoors(y, draw, (-60, -45)), times, draw, room=False)


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
