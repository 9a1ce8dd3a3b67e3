"""The sounds of things that strike, click and ring: doors, tools, keys, clocks, glasses, bells."""

import numpy as np

from training.world.dsp import (
    SAMPLE_RATE,
    Draw,
    Sound,
    Synth,
    Voice,
    Wave,
    band_noise,
    curve,
    event_times,
    finish,
    modal,
    normalise,
    place,
    pulse,
    samples,
    shaped_noise,
    soft_clip,
    wander,
)
from training.world.impacts import body, click, thump, varied
from training.world.places import in_room, indoor_air, outdoors
from training.world.voices import scaled

WINE_GLASS = (1.0, 2.32, 4.25, 6.63)  # French 1983, Am. J. Phys. 51(8)
CHURCH_BELL = (  # hum, prime, tierce, quint, nominal and the partials above
    0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 4.2, 5.33, 6.7, 8.2, 9.7,
)  # fmt: skip


def door(draw: Draw, voice: Voice, n: int) -> Sound:
    """Knuckles on a wooden panel, in groups of two to five, in a hall."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    base = scaled(voice, 190, 80) * draw.uniform(0.85, 1.2)
    gap = 0.34 * (0.12 / 0.34) ** voice.speed * draw.uniform(0.9, 1.1)
    decay, hard = draw.key(0.06, 0.17), draw.uniform(0.4, 1.0)
    panel = body(draw, 1.2 * base, 2200, 40, decay, damping=draw.uniform(0.4, 0.6), slope_db=-2.5)
    y, times, at = np.zeros(n), [], draw.uniform(0, min(0.3, 0.3 * duration))
    group = int(rng.integers(2, 6))
    while at < duration - 0.02:
        for _ in range(group):
            loud = draw.uniform(0.6, 1)
            place(y, varied(draw, panel, 0.015), at, loud)
            place(y, click(draw, 250, draw.uniform(1200, 2400), 0.025), at, loud * hard)
            place(y, thump(draw, 1.5 * base, 0.05), at, 0.3 * loud)
            times.append(at)
            at += gap * draw.uniform(0.9, 1.1)
        at += draw.uniform(0.3, 1.1)
    y = in_room(y, draw, (0.2, 0.8), (0.1, 0.5))
    times = [t for t in times if t < duration - 0.01]
    return finish(indoor_air(y, draw), times, draw, room=False)


def hammer(draw: Draw, voice: Voice, n: int) -> Sound:
    """A steel head on a nail in wood, or on iron: a hard crack, the plank's thud, a short ring."""
    duration = n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 1.1, 4.0, jitter=draw.uniform(0.02, 0.12))
    is_nail = draw.chance(0.65)
    base = scaled(voice, 2600, 1300) * draw.uniform(0.85, 1.2)
    decay = draw.key(0.06, 0.25) if is_nail else draw.key(0.2, 0.8)
    steel = body(draw, base, 7600, 12 if is_nail else 8, decay, damping=0.3, slope_db=-1)
    plank = body(draw, scaled(voice, 220, 90), 3000, 30, 0.13, damping=0.6, slope_db=-3)
    ring, thud = (draw.uniform(0.15, 0.5), 1.0) if is_nail else (draw.uniform(0.5, 1), 0.4)
    y = np.zeros(n)
    for k, at in enumerate(times):
        loud = draw.uniform(0.7, 1)
        rise = 0.97 ** (k % 6) if is_nail else 1.0  # the free nail gets shorter and rings higher
        place(y, click(draw, 500, 7500, 0.03), at, loud * draw.uniform(0.7, 1.2))
        bent = np.interp(np.arange(0, len(steel) - 1, 1 / rise), np.arange(len(steel)), steel)
        place(y, bent, at, ring * loud)
        place(y, varied(draw, plank), at, thud * loud)
        if draw.chance(0.2):  # the hammer bounces
            place(y, click(draw, 900, 7500, 0.015), at + draw.uniform(0.07, 0.14), 0.25 * loud)
    y = in_room(soft_clip(normalise(y), draw.uniform(0.5, 2)), draw, (0.2, 1.0), (0.15, 0.7))
    return finish(indoor_air(y, draw), times, draw, room=False)


def keyboard(draw: Draw, voice: Voice, n: int) -> Sound:
    """Keys that touch, bottom out and come back, unevenly, over the thump of the desk."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 4.0, 11.0, jitter=0.45)
    base = scaled(voice, 2600, 1400) * draw.uniform(0.85, 1.2)
    hard, decay = draw.key(0.3, 1.0), draw.log_uniform(0.01, 0.03)
    downs, ups = [], []
    for _ in range(5):
        key = body(draw, base * draw.uniform(0.8, 1.2), 7600, 18, decay, damping=0.3, slope_db=-1)
        travel_s = draw.uniform(0.012, 0.03)
        down = np.zeros(samples(0.12))
        place(down, click(draw, 2000, 7500, 0.006), 0.0, 0.25 * hard)
        place(down, key, travel_s, 0.8)
        place(down, click(draw, 900, 7000, 0.012), travel_s, hard)
        place(down, thump(draw, draw.uniform(180, 420), 0.04), travel_s, draw.uniform(0.15, 0.5))
        downs.append(down)
        up = np.zeros(samples(0.05))
        place(up, click(draw, 1500, 7800, 0.01), 0.0, draw.uniform(0.2, 0.5))
        place(up, varied(draw, key, 0.1), 0.002, 0.25)
        ups.append(up)
    y, hold = np.zeros(n), draw.uniform(0.06, 0.12)
    for at in times:
        loud = draw.uniform(0.35, 1)
        place(y, downs[int(rng.integers(5))], at, loud)
        place(y, ups[int(rng.integers(5))], at + hold * draw.uniform(0.7, 1.4), loud)
        if draw.chance(0.12):  # the space bar
            place(y, body(draw, 0.25 * base, 5000, 14, 0.04), at, 0.8 * loud)
    y = in_room(y, draw, (0.1, 0.35), (0.05, 0.25))
    return finish(indoor_air(y, draw, (-45, -28)), times, draw, room=False)


def _shot(draw: Draw, gap_s: float, bright: float, has_motor: bool) -> Wave:
    """One picture: mirror up, first and second curtain, mirror down, and the film's motor."""
    y = np.zeros(samples(gap_s + 0.7))
    clack = body(draw, 900 * bright, 7700, 26, draw.key(0.02, 0.05), damping=0.3, slope_db=0)
    slap = thump(draw, draw.uniform(250, 600), 0.03)
    for at, loud in ((0.0, 0.7), (draw.uniform(0.3, 0.5) * gap_s, 0.45), (gap_s, 1.0)):
        place(y, click(draw, 700, 7800, draw.uniform(0.006, 0.014)), at, 0.6 * loud)
        place(y, varied(draw, clack, 0.15), at, 0.8 * loud)
        place(y, slap, at + 0.001, 0.12 * loud)
        place(y, click(draw, 2000, 7800, 0.008), at + draw.uniform(0.008, 0.02), 0.4 * loud)
    if has_motor:
        m = samples(draw.uniform(0.12, 0.4))
        teeth = pulse(draw.uniform(110, 280) * curve([0.7, 1, 1, 0.8], m), m, 14)
        gears = (0.3 + normalise(np.maximum(teeth, 0))) * band_noise(draw.rng, m, 1200, 7000)
        place(y, normalise(gears * curve([0, 1, 0.8, 0], m)), gap_s + 0.02, draw.uniform(0.1, 0.35))
        place(y, click(draw, 900, 7500, 0.015), gap_s + 0.02 + m / SAMPLE_RATE, 0.3)
    return y


def camera(draw: Draw, voice: Voice, n: int) -> Sound:
    """A single-lens reflex camera: three broad clicks in a tenth of a second, often a motor."""
    times = event_times(draw, voice, n / SAMPLE_RATE, 0.7, 4.0, jitter=draw.choice((0.03, 0.3)))
    gap = scaled(voice, 0.06, 0.15) * draw.uniform(0.8, 1.3)
    shot = _shot(draw, gap, scaled(voice, 1.5, 0.8), draw.chance(0.5))
    y = np.zeros(n)
    for at in times:
        place(y, shot, at, draw.uniform(0.8, 1))
    y = in_room(y, draw, (0.1, 0.4), (0.02, 0.08))
    return finish(y, times, draw, room=False, noise_db=(-75, -60))


def scissors(draw: Draw, voice: Voice, n: int) -> Sound:
    """Blades grinding shut on paper, a snap of thin steel, and the scrape of opening again."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 1.1, 4.5, jitter=0.15)
    slide_s = 0.3 * (0.11 / 0.3) ** voice.speed * draw.uniform(0.85, 1.15)
    lo = scaled(voice, 3600, 2000) * draw.uniform(0.85, 1.15)
    ring_hz, grit = draw.key(2600, 4200), draw.uniform(0.4, 1.0)
    m, k = samples(slide_s), samples(0.7 * slide_s)
    y = np.zeros(n)
    for at in times:
        hiss = shaped_noise(rng, m, [lo / 4, lo, 5500, 7900], [-22, 0, 2, -3])
        teeth = np.clip(1 + grit * wander(rng, m, 160), 0, 3)
        slide = hiss * teeth * curve([0.05, 0.5, 0.7, 1.0, 0.1], m, [0, 0.15, 0.6, 0.9, 1])
        place(y, normalise(slide), at, draw.uniform(0.4, 0.8))
        end = at + slide_s * 0.93
        place(y, body(draw, ring_hz, 7700, 9, draw.uniform(0.05, 0.14), damping=0.2), end,
              draw.uniform(0.3, 0.6))  # fmt: skip
        place(y, click(draw, 1500, 7800, 0.012), end, draw.uniform(0.4, 0.8))
        back = shaped_noise(rng, k, [lo / 2, lo, 7900], [-20, 0, 0])
        back = back * np.clip(1 + grit * wander(rng, k, 200), 0, 3) * curve([0, 1, 0.7, 0], k)
        place(y, normalise(back), end + 0.4 * slide_s, draw.uniform(0.15, 0.4))
    y = in_room(y, draw, (0.08, 0.3), (0.03, 0.15))
    return finish(indoor_air(y, draw, (-60, -42)), times, draw, room=False)


def clock(draw: Draw, voice: Voice, n: int) -> Sound:
    """Tick and tock: the escapement's double click in a small box, steady to a millisecond."""
    duration = n / SAMPLE_RATE
    gap = 1.0 * (0.2 / 1.0) ** voice.speed * draw.uniform(0.93, 1.07)
    start = draw.uniform(0, min(0.6 * gap, 0.4 * duration))
    times = np.arange(start, duration - 0.005, gap)
    times[1::2] += draw.uniform(-0.06, 0.06) * gap
    base = scaled(voice, 2600, 1100) * draw.uniform(0.85, 1.2)
    box, decay = draw.key(0.15, 0.7), draw.log_uniform(0.015, 0.06)
    strokes = []
    for k in (1.0, draw.uniform(0.75, 1.0)):
        stroke = np.zeros(samples(0.25))
        drop_s = draw.uniform(0.01, 0.03)
        for at, loud in ((0.0, 0.5), (drop_s, 1.0)):
            place(stroke, body(draw, base * k, 7700, 16, decay, damping=0.3, slope_db=0), at, loud)
            place(stroke, click(draw, 1500, 7500, 0.008), at, 0.7 * loud)
        wood = body(draw, 0.2 * base * k, 2500, 16, draw.uniform(0.04, 0.1), slope_db=-2)
        place(stroke, wood, drop_s, box)
        strokes.append(stroke)
    y = np.zeros(n)
    for i, at in enumerate(times):
        place(y, strokes[i % 2], at, draw.uniform(0.9, 1))
    y = in_room(y, draw, (0.15, 0.6), (0.05, 0.25))
    return finish(indoor_air(y, draw, (-50, -32)), times, draw, room=False)


def glasses(draw: Draw, voice: Voice, n: int) -> Sound:
    """Glasses that touch: bright short rings with beats, one glass a little off the other."""
    duration = n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.7, 3.0, jitter=0.4)
    base = scaled(voice, 2900, 1800) * draw.uniform(0.9, 1.15)
    decay, damping = draw.key(0.06, 0.3), draw.uniform(0.2, 0.5)
    rims = []
    for ratio in (1.0, draw.uniform(1.04, 1.5), draw.uniform(0.75, 1.7)):
        beat = 1 + draw.uniform(0.001, 0.006)  # a rim is never quite round: each mode is a pair
        modes = np.array([r * b for r in WINE_GLASS for b in (1.0, beat)])
        modes = base * ratio * modes * (1 + 0.06 * draw.rng.standard_normal(len(modes)))
        octave = np.log2(modes / (base * ratio))
        gains = draw.uniform(1.0, 1.6) ** octave * draw.rng.uniform(0.3, 1, len(modes))
        m = samples(1.2 * decay)
        ring = modal(m, modes, decay * 2.0 ** (-damping * octave), gains, draw.rng)
        rims.append(normalise(ring))
    y = np.zeros(n)
    for at in times:
        loud = draw.uniform(0.5, 1)
        first, second = draw.rng.permutation(3)[:2]
        for again in (0.0, draw.uniform(0.03, 0.12))[: 1 + draw.chance(0.2)]:  # they touch twice
            place(y, click(draw, 2500, 7800, 0.008), at + again, draw.uniform(0.5, 1) * loud)
            place(y, varied(draw, rims[first], 0.01), at + again, loud)
            place(y, rims[second], at + again, loud * draw.uniform(0.4, 1))
            loud *= 0.5
    y = in_room(y, draw, (0.2, 0.8), (0.2, 0.7))
    return finish(indoor_air(y, draw, (-68, -50)), times, draw, room=False)


def _bell(draw: Draw, base: float, decay: float, tierce: float) -> Wave:
    """One stroke of a cast bell, peak 1: doublets that beat, high partials that die at once."""
    modes = np.array([tierce if r == 1.2 else r for r in CHURCH_BELL])
    modes = np.concatenate([modes, modes[:7] * draw.rng.uniform(1.001, 1.005, 7)])
    octave = np.log2(modes)
    gains = 1.1**octave * draw.rng.uniform(0.3, 1.0, len(modes))
    gains[0] *= draw.uniform(0.3, 0.9)
    decays = decay * 2.0 ** (-draw.uniform(0.7, 1.0) * (octave + 1))
    m = samples(min(1.2 * decay, 2.6))
    y = normalise(modal(m, base * modes, decays, gains, draw.rng) * np.linspace(1, 0.6, m))
    place(y, body(draw, 900, 7000, 24, 0.3, damping=0.4, slope_db=-1), 0, 0.4)  # the clapper
    return y


def bell(draw: Draw, voice: Voice, n: int) -> Sound:
    """Church bells: one that tolls, or two or three in turn, ringing into each other outside."""
    times = event_times(draw, voice, n / SAMPLE_RATE, 0.5, 2.6, jitter=0.06)
    base = scaled(voice, 850, 260) * draw.uniform(0.9, 1.1)
    decay, tierce = draw.uniform(3.0, 8.0), draw.key(1.17, 1.27)
    ratios = draw.choice(((1.0,), (1.0, 1.19), (1.0, 0.84), (1.12, 1.0, 0.89)))
    toll = _bell(draw, base, decay, tierce)
    tolls = [np.interp(np.arange(0, len(toll) - 1, r), np.arange(len(toll)), toll) for r in ratios]
    y = np.zeros(n)
    for i, at in enumerate(times):
        place(y, tolls[i % len(tolls)], at, draw.uniform(0.75, 1))
    if draw.chance(0.6):  # it rang before the clip starts
        y += draw.uniform(0.2, 0.6) * np.pad(tolls[-1][len(tolls[-1]) // 4 :], (0, n))[:n]
    y = in_room(y, draw, (0.8, 2.5), (0.2, 0.8))
    return finish(outdoors(y, draw, (-50, -32)), times, draw, room=False)


def _step(draw: Draw, ground: str, weight: float, heel: float) -> Wave:
    """One foot: heel, then the sole rolling down with a scuff; the ground decides the noise."""
    y = np.zeros(samples(0.4))
    roll_s = draw.uniform(0.05, 0.09)
    place(y, thump(draw, weight, 0.06), 0, draw.uniform(0.1, 0.5))
    if ground in ("gravel", "leaves"):
        lo, hi = (500, 4500) if ground == "gravel" else (1200, 7000)
        m = samples(draw.uniform(0.15, 0.28))
        crunch = band_noise(draw.rng, m, lo, hi) * np.abs(wander(draw.rng, m, 300)) ** 2
        place(y, normalise(crunch * curve([0, 1, 0.5, 0.7, 0], m)), 0, 0.9)
        return y
    place(y, click(draw, 0.4 * heel, 2.5 * heel, draw.uniform(0.015, 0.05)), 0, 1.0)
    place(y, click(draw, 0.4 * heel, 2 * heel, 0.03), roll_s, draw.uniform(0.2, 0.7))
    m = samples(0.14)
    scuff = shaped_noise(draw.rng, m, [200, 1500, 5000, 7900], [-12, 0, -6, -16])
    scuff = normalise(scuff * curve([0, 1, 0.4, 0], m))
    place(y, scuff, 0.8 * roll_s, draw.uniform(0.1, 0.4))
    if ground == "wood":
        place(y, body(draw, 1.2 * weight, 1500, 20, 0.09, damping=0.5, slope_db=-2), 0, 0.4)
    return y


def footsteps(draw: Draw, voice: Voice, n: int) -> Sound:
    """Heel and sole on stone, wood, gravel or leaves; each foot a little different."""
    ground = draw.choice(("stone", "stone", "wood", "gravel", "leaves"))
    weight = scaled(voice, 220, 95) * draw.uniform(0.85, 1.15)
    heel = draw.key(350, 950)
    times = event_times(draw, voice, n / SAMPLE_RATE, 1.3, 3.2, jitter=0.05)
    y = np.zeros(n)
    for k, at in enumerate(times):
        foot = _step(draw, ground, weight * (1.0 if k % 2 else 1.05), heel)
        place(y, foot, at, draw.uniform(0.7, 1.0))
    if ground in ("gravel", "leaves"):
        y = outdoors(y, draw, (-50, -32))
    else:
        y = indoor_air(in_room(y, draw, (0.3, 0.9), (0.02, 0.15)), draw, (-40, -27))
    return finish(y, times, draw, room=False)


SYNTHS: dict[str, Synth] = {
    "door": door, "hammer": hammer, "keyboard": keyboard, "camera": camera, "scissors": scissors,
    "clock": clock, "glasses": glasses, "bell": bell,
}  # fmt: skip
