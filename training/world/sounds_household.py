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
    band_noise,
    coloured_noise,
    curve,
    event_times,
    finish,
    harmonics,
    lowpass,
    modal,
    noise,
    normalise,
    percussive,
    place,
    pulse,
    samples,
    shaped_noise,
    soft_clip,
    wander,
)
from training.world.voices import scaled


def click(draw: Draw, lo: float, hi: float, decay_s: float) -> Wave:
    """A dry click: a brief burst of noise between lo and hi, peak 1."""
    n = samples(1.5 * decay_s + 0.002)
    return normalise(band_noise(draw.rng, n, lo, hi) * percussive(n, 0.0004, decay_s))


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
WOOD = (1.0, 1.6, 2.3, 3.1, 4.4, 6.0, 8.2)
BAR = (1.0, 2.756, 5.404, 8.933)  # a free bar in bending
WINE_GLASS = (1.0, 2.32, 4.25, 6.63, 9.38)  # French 1983, Am. J. Phys. 51(8)
CHURCH_BELL = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 5.33)  # hum, prime, tierce, quint ...


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


def door(draw: Draw, voice: Voice, n: int) -> Sound:
    """Knuckles on a wooden panel, in groups of two to five."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    base = scaled(voice, 260, 85) * draw.uniform(0.85, 1.2)
    gap = 0.32 * (0.1 / 0.32) ** voice.speed * draw.uniform(0.9, 1.1)
    decay, damping = draw.key(0.07, 0.28), draw.uniform(0.3, 0.9)
    panel = struck(
        draw, base, WOOD, decay, damping=damping, brightness=draw.uniform(0.55, 0.9), spread=0.08
    )
    times, at = [], draw.uniform(0, min(0.3, 0.3 * duration))
    y = np.zeros(n)
    group = int(rng.integers(2, 6))
    while at < duration - 0.02:
        for _ in range(group):
            loud = draw.uniform(0.65, 1)
            knuckle = click(draw, 300, draw.uniform(1200, 3500), 0.015)
            place(y, panel, at, loud)
            place(y, knuckle, at, loud * draw.uniform(0.2, 0.7))
            times.append(at)
            at += gap * draw.uniform(0.9, 1.1)
        at += draw.uniform(0.3, 1.1)
    return finish(y, [t for t in times if t < duration - 0.01], draw)


def hammer(draw: Draw, voice: Voice, n: int) -> Sound:
    """Steel on a nail in wood, or on an anvil."""
    duration = n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.9, 5.0, jitter=draw.uniform(0.02, 0.15))
    is_nail = draw.chance(0.6)
    base = scaled(voice, 2600, 900) * draw.uniform(0.85, 1.2)
    decay = draw.key(0.05, 0.35) if is_nail else draw.key(0.3, 1.4)
    steel = struck(draw, base, (*BAR[:3], 1.9, 3.4, 4.6), decay, damping=0.3, brightness=0.9)
    wood = struck(draw, scaled(voice, 320, 110), WOOD, draw.uniform(0.05, 0.14), spread=0.08)
    thud = draw.uniform(0.5, 1.5) if is_nail else draw.uniform(0.0, 0.3)
    y = np.zeros(n)
    for k, at in enumerate(times):
        loud = draw.uniform(0.7, 1)
        place(y, click(draw, 1000, 7000, 0.012), at, loud * draw.uniform(0.5, 1.0))
        rise = 1.0 + (0.03 * (k % 6) if is_nail else 0.0)  # the free nail gets shorter
        ring = np.interp(np.arange(0, len(steel) - 1, rise), np.arange(len(steel)), steel)
        place(y, ring, at, loud * (0.5 if is_nail else 1.0))
        place(y, wood, at, loud * thud)
        if draw.chance(0.15):  # the hammer bounces
            place(y, ring, at + draw.uniform(0.06, 0.12), 0.3 * loud)
    return finish(soft_clip(normalise(y), draw.uniform(0.3, 2)), times, draw)


def keyboard(draw: Draw, voice: Voice, n: int) -> Sound:
    """Keys going down and coming up, unevenly, with now and then a space bar."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 3.5, 13.0, jitter=0.45)
    base = scaled(voice, 3200, 1300) * draw.uniform(0.85, 1.2)
    hardness, decay = draw.key(0.2, 1.0), draw.log_uniform(0.012, 0.04)
    downs, ups = [], []
    for _ in range(5):
        f = base * draw.uniform(0.8, 1.25)
        body = struck(draw, f, (1.0, 1.5, 2.2), decay, damping=0.5, spread=0.05)
        down = np.zeros(samples(0.09))
        place(down, body, 0.0, 0.6)
        place(down, click(draw, 1200, 7500, 0.008), 0.0, hardness)
        place(down, click(draw, 150, 700, 0.03), 0.002, draw.uniform(0.2, 0.7))
        downs.append(down)
        ups.append(0.4 * click(draw, 1.2 * base, 7800, 0.008))
    y = np.zeros(n)
    hold = draw.uniform(0.05, 0.12)
    for at in times:
        loud = draw.uniform(0.4, 1)
        place(y, downs[int(rng.integers(5))], at, loud)
        place(y, ups[int(rng.integers(5))], at + hold * draw.uniform(0.7, 1.3), loud)
        if draw.chance(0.1):
            place(y, struck(draw, 0.25 * base, WOOD[:4], 0.06), at, 0.5 * loud)
    return finish(y, times, draw, noise_db=(-65, -40))


def camera(draw: Draw, voice: Voice, n: int) -> Sound:
    """Mirror up, shutter, mirror down: click-clack, sometimes a motor winding the film."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.7, 5.5, jitter=draw.choice((0.03, 0.3)))
    gap = scaled(voice, 0.045, 0.14) * draw.uniform(0.8, 1.3)
    base = scaled(voice, 2600, 1000) * draw.uniform(0.85, 1.2)
    decay = draw.key(0.015, 0.06)
    shot = np.zeros(samples(gap + 0.7))
    first = struck(draw, base, (1, 1.7, 2.6), decay, spread=0.06)
    second = struck(draw, 0.75 * base, (1, 1.6, 2.4, 3.3), 1.4 * decay, spread=0.06)
    mirror = click(draw, 200, 900, 0.03)
    place(shot, normalise(click(draw, 900, 7500, 0.012)), 0.0, 0.9)
    place(shot, first, 0.0, 0.5)
    place(shot, mirror, 0.003, draw.uniform(0.2, 0.6))
    place(shot, click(draw, 2500, 7800, 0.01), 0.4 * gap, draw.uniform(0.1, 0.5))
    place(shot, click(draw, 700, 6500, 0.02), gap, draw.uniform(0.6, 1))
    place(shot, second, gap, 0.6)
    place(shot, mirror, gap + 0.002, draw.uniform(0.2, 0.6))
    if draw.chance(0.4):
        m = samples(draw.uniform(0.15, 0.5))
        whir = pulse(draw.uniform(90, 320) * curve([0.6, 1, 1, 0.8], m), m, 12)
        whir = normalise(whir) + 0.5 * normalise(band_noise(rng, m, 1500, 6000))
        place(shot, whir * adsr(m, 0.03, release_s=0.05), gap + 0.03, draw.uniform(0.05, 0.25))
    y = np.zeros(n)
    for at in times:
        place(y, shot, at, draw.uniform(0.8, 1))
    return finish(y, times, draw)


def scissors(draw: Draw, voice: Voice, n: int) -> Sound:
    """Blades sliding shut with a rising hiss and a snap, then opening again."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 1.1, 5.0, jitter=0.12)
    slide_s = 0.26 * (0.09 / 0.26) ** voice.speed * draw.uniform(0.85, 1.15)
    lo = scaled(voice, 4200, 1900) * draw.uniform(0.85, 1.15)
    ring_hz, grit = draw.key(0.9, 1.9) * lo, draw.uniform(0.2, 0.9)
    m = samples(slide_s)
    y = np.zeros(n)
    for at in times:
        hiss = shaped_noise(rng, m, [lo / 3, lo, 6500, 7900], [-24, 0, 1, -4])
        teeth = 1 + grit * np.sign(wander(rng, m, 220))
        slide = hiss * teeth * curve([0.02, 0.35, 0.5, 1.0, 0.0], m, [0, 0.2, 0.6, 0.95, 1])
        place(y, slide, at, draw.uniform(0.15, 0.3))
        snap = struck(draw, ring_hz, (1, 1.43, 1.92, 2.3), draw.uniform(0.04, 0.2), damping=0.2)
        end = at + slide_s * 0.95
        place(y, snap, end, draw.uniform(0.2, 0.6))
        place(y, click(draw, 2000, 7800, 0.01), end, draw.uniform(0.4, 0.9))
        k = samples(0.6 * slide_s)
        back = shaped_noise(rng, k, [lo / 2, lo, 7900], [-20, 0, -2])
        place(y, back * adsr(k, 0.3 * slide_s, release_s=0.2 * slide_s), end + 0.35 * slide_s,
              draw.uniform(0.02, 0.1))  # fmt: skip
    return finish(y, times, draw)


def clock(draw: Draw, voice: Voice, n: int) -> Sound:
    """Tick and tock, a little different, in a small box of wood or metal."""
    duration = n / SAMPLE_RATE
    gap = 1.0 * (0.18 / 1.0) ** voice.speed * draw.uniform(0.93, 1.07)
    start = draw.uniform(0, min(0.6 * gap, 0.4 * duration))
    limp = draw.uniform(-0.08, 0.08) * gap
    times = np.arange(start, duration - 0.005, gap)
    times[1::2] += limp
    base = scaled(voice, 3000, 900) * draw.uniform(0.85, 1.2)
    box, decay = draw.key(0.1, 0.9), draw.log_uniform(0.008, 0.06)
    ratio = draw.uniform(0.72, 1.0)
    strokes = []
    for k in (1.0, ratio):
        stroke = np.zeros(samples(0.25))
        place(stroke, struck(draw, base * k, (1, 1.8, 2.4), decay, damping=0.4), 0.0, 0.8)
        place(stroke, click(draw, 2000, 7500, 0.004), 0.0, draw.uniform(0.4, 0.9))
        place(stroke, click(draw, 2500, 7500, 0.004), draw.uniform(0.008, 0.03), 0.35)
        wood = struck(draw, 0.2 * base * k, WOOD[:5], draw.uniform(0.04, 0.12), spread=0.06)
        place(stroke, wood, 0.001, box)
        strokes.append(stroke)
    y = np.zeros(n)
    for i, at in enumerate(times):
        place(y, strokes[i % 2], at, draw.uniform(0.9, 1))
    return finish(y, times, draw, noise_db=(-65, -42))


def glasses(draw: Draw, voice: Voice, n: int) -> Sound:
    """Two crystal glasses touching: a bright double ring with slow beats."""
    duration = n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.6, 3.5, jitter=0.3)
    base = scaled(voice, 2000, 620) * draw.uniform(0.9, 1.15)
    decay, damping = draw.key(0.5, 2.6), draw.uniform(0.1, 0.45)
    brightness = draw.uniform(0.7, 1.15)
    rims = []
    for ratio in (1.0, draw.uniform(1.02, 1.35)):
        beat = 1 + draw.uniform(0.0008, 0.004)  # a rim is never quite round: each mode is a pair
        modes = tuple(r * b for r in WINE_GLASS for b in (1.0, beat))
        rims.append(
            struck(
                draw, base * ratio, modes, decay, damping=damping, brightness=brightness,
                spread=0.002,
            )
        )  # fmt: skip
    y = np.zeros(n)
    for at in times:
        loud = draw.uniform(0.6, 1)
        place(y, click(draw, 3000, 7800, 0.005), at, 0.4 * loud)
        for rim in rims:
            place(y, rim, at + draw.uniform(0, 0.002), loud * draw.uniform(0.5, 1))
        if draw.chance(0.35):  # they touch twice
            place(y, rims[0], at + draw.uniform(0.03, 0.09), 0.4 * loud)
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
    f0 = scaled(voice, 3300, 900) * draw.uniform(0.95, 1.05)
    beep_s = 0.16 * (0.05 / 0.16) ** voice.speed * draw.uniform(0.85, 1.2)
    beeps = draw.choice((1, 2, 3, 4, 4))
    cycle = beep_s * 2 * beeps + beep_s * draw.uniform(1.0, 5.0) * (beeps > 1)
    m = samples(beep_s)
    edge = draw.key(0.0, 1.0)  # from a pure buzzer to a square wave
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


def bell(draw: Draw, voice: Voice, n: int) -> Sound:
    """A cast bell: hum, prime, minor third and the partials above, ringing into each other."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    times = event_times(draw, voice, duration, 0.45, 2.6, jitter=0.04)
    base = scaled(voice, 1000, 150) * draw.uniform(0.9, 1.1)
    decay, damping = draw.uniform(2.5, 7.0), draw.uniform(0.3, 0.9)
    tierce = draw.key(1.17, 1.27)
    modes = [tierce if r == 1.2 else r for r in CHURCH_BELL]
    modes += [r * draw.uniform(1.001, 1.004) for r in modes[:5]]  # doublets beat
    n_tail = min(n, samples(1.2 * decay))
    brightness = draw.uniform(0.7, 1.1)
    octave = np.log2(np.asarray(modes))
    gains = brightness**octave * rng.uniform(0.4, 1.0, len(modes))
    gains[0] *= draw.uniform(0.2, 0.8)
    decays = decay * 2.0 ** (-damping * (octave + 1))
    toll = normalise(modal(n_tail, base * np.asarray(modes), decays, gains, rng))
    k = samples(0.03)
    toll[: min(k, n_tail)] += (0.3 * noise(rng, k) * percussive(k, 0.0005, 0.02))[:n_tail]
    second = draw.choice((None, None, 1.19, 0.84, 0.75))  # a pair of bells in turn
    other = toll
    if second is not None:
        at = np.arange(0, len(toll) - 1, second)
        other = np.interp(at, np.arange(len(toll)), toll)
    y = np.zeros(n)
    for i, at in enumerate(times):
        place(y, toll if i % 2 == 0 else other, at, draw.uniform(0.75, 1))
    if draw.chance(0.3):
        y = lowpass(y, draw.log_uniform(1800, 5000)) + 0.01 * coloured_noise(rng, n, -5)
    return finish(y, times, draw)


SYNTHS: dict[str, Synth] = {
    "telephone": telephone,
    "door": door,
    "hammer": hammer,
    "keyboard": keyboard,
    "camera": camera,
    "scissors": scissors,
    "clock": clock,
    "glasses": glasses,
    "alarm_clock": alarm_clock,
    "bell": bell,
}
