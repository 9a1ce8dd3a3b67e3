"""The calls of dogs, cats, farm animals, lions and wolves.

A key parameter is drawn once per clip, so all calls in a clip come from one individual; each call
varies a little around it. Lengths, pitches and formants follow real recordings of the train split.
"""

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
    finish,
    highpass,
    lowpass,
    noise,
    normalise,
    percussive,
    phase,
    pitch_curve,
    place,
    pulse,
    samples,
    soft_clip,
    vibrato,
    wander,
)
from training.world.larynx import Shape, about, calls, folds, sized, spoken, tract
from training.world.places import in_room, outdoors


def dog(draw: Draw, voice: Voice, n: int) -> Sound:
    """Barks in twos to fours: a harsh burst whose mouth opens and shuts, then an echo."""
    pitch = sized(draw, voice, 760, 300)
    size = sized(draw, voice, 1.25, 0.72, 0.1)
    length = draw.key(0.09, 0.22)
    breath, chaos = draw.uniform(0.15, 0.6), draw.key(0.03, 0.16)
    shut = tract([420 * size, 1100 * size, 2600 * size], [0, -12, -24], 0.14)
    wide = tract([800 * size, 1350 * size, 2900 * size], [0, draw.uniform(-8, -2), -16], 0.14)
    rest = draw.uniform(0.2, 0.6) / (0.5 + voice.speed)
    group = int(draw.rng.integers(1, 5))
    count = 0

    def bark() -> Wave:
        m = samples(about(draw, length, 0.15))
        p = about(draw, pitch, 0.06)
        f0 = pitch_curve([0.6 * p, p, 0.9 * p, 0.5 * p], m, [0, 0.2, 0.55, 1])
        source = folds(draw, f0, breath=breath, jitter=0.02, shimmer=0.15, subharmonic=0.4,
                       chaos=chaos, dull_hz=1500)  # fmt: skip
        env = percussive(m, draw.uniform(0.008, 0.025), 2.2 * m / SAMPLE_RATE)
        position = curve([0.1, 1, 0.9, 0], m, [0, 0.3, 0.55, 1])
        return soft_clip(spoken(source, env, [shut, wide], position, 0.1), draw.uniform(1, 2))

    def barks(gap_s: float) -> Wave | None:
        nonlocal count
        count += 1
        is_last = count % group == 0
        if group > 1 and is_last and draw.chance(rest):
            return None
        y = np.zeros(samples(0.9))
        place(y, bark(), 0)
        if not is_last:  # a breath is heard between the barks of a group
            k = samples(0.12)
            pant = band_noise(draw.rng, k, 500, 2600) * np.hanning(k)
            place(y, pant, min(0.6 * gap_s, 0.3), 0.012)
        return y

    clip, times = calls(draw, voice, n, (0.9, 4.0), barks)
    clip = in_room(clip, draw, (0.25, 0.9), (0.25, 0.9))
    return finish(outdoors(clip, draw), times, draw, room=False)


def cat(draw: Draw, voice: Voice, n: int) -> Sound:
    """Meows: a steady bright tone whose mouth opens from 'mee' to 'ow'; low partials are weak."""
    pitch = sized(draw, voice, 820, 480, 0.2)
    size = sized(draw, voice, 1.25, 0.95, 0.1)
    length = draw.key(0.45, 1.0)
    peak_at, drop = draw.key(0.25, 0.55), draw.uniform(0.75, 0.95)
    nasal = tract([400 * size, 1900 * size, 3100 * size], [-10, -2, -6])
    wide = tract([1250 * size, 2100 * size, 3600 * size], [0, draw.uniform(-4, 2), -8])
    round_ = tract([850 * size, 1400 * size, 3000 * size], [0, -6, -16])
    breath, rough, rasp = (
        draw.uniform(0.01, 0.08),
        draw.choice([0, 0, 0.15]),
        draw.uniform(0.03, 0.06),
    )

    def meow(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.2), 0.85 * gap_s))
        p = about(draw, pitch, 0.06)
        f0 = pitch_curve([0.86 * p, p, 0.97 * p, drop * p], m, [0, peak_at, 0.7, 1])
        f0 = f0 * vibrato(draw.rng, m, draw.uniform(5, 8), draw.uniform(0, 0.008), 0.003)
        source = folds(draw, f0, breath=breath, jitter=0.006, shimmer=0.05, subharmonic=rough,
                       chaos=rasp, dull_hz=4500)  # fmt: skip
        source = highpass(source, 1.3 * p)  # the tract of a small head passes little below 1 kHz
        env = curve([0, 0.35, 1, 0.75, 0], m, [0, 0.12, peak_at, 0.75, 1])
        position = curve([0, 0.2, 1, 1.6, 2], m, [0, 0.12, peak_at, 0.8, 1])
        return spoken(source, env, [nasal, wide, round_], position, 0.15)

    clip, times = calls(draw, voice, n, (0.4, 1.6), meow)
    clip = in_room(clip, draw, (0.15, 0.5), (0.08, 0.3))
    return finish(clip, times, draw, room=False, noise_db=(-60, -38))


def cow(draw: Draw, voice: Voice, n: int) -> Sound:
    """Moos: a long rich note from a closed to a wide mouth, bright to 4 kHz and slightly rough."""
    pitch = sized(draw, voice, 260, 140, 0.15)
    size = sized(draw, voice, 1.2, 0.9, 0.08)
    length, breath = draw.key(0.9, 2.0), draw.uniform(0.03, 0.15)
    rough, end = draw.key(0.0, 0.45), draw.uniform(0.85, 1.12)
    lips = tract([230 * size, 700 * size, 1900 * size], [0, -18, -34])
    nasal = tract([320 * size, 1000 * size, 1700 * size, 2700 * size], [0, -6, -8, -16])
    wide = tract([480 * size, 1050 * size, 1750 * size, 2900 * size], [-1, 0, -2, -10])
    opening = draw.uniform(1.3, 2.0)

    def moo(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.15), 0.9 * gap_s))
        p = about(draw, pitch, 0.05)
        f0 = pitch_curve([0.8 * p, 0.88 * p, p, 1.06 * p, end * p], m, [0, 0.3, 0.5, 0.85, 1])
        env = curve([0, 0.4, 0.6, 1, 0.9, 0], m, [0, 0.08, 0.3, 0.5, 0.88, 1])
        position = curve([0, 0.7, opening, opening, 1.2], m, [0, 0.2, 0.5, 0.85, 1])
        late = curve([0.2, 0.5, 1, 1], m, [0, 0.3, 0.55, 1])
        source = folds(draw, f0, breath=breath, jitter=0.006, shimmer=0.05, subharmonic=rough,
                       chaos=0.008, dull_hz=6000)  # fmt: skip
        source = source * (1 + 0.1 * late * wander(draw.rng, m, 30))
        return soft_clip(spoken(source, env, [lips, nasal, wide], position), 1.5)

    clip, times = calls(draw, voice, n, (0.3, 0.85), moo)
    clip = in_room(clip, draw, (0.3, 1.2), (0.1, 0.5))
    return finish(outdoors(clip, draw), times, draw, room=False)


def _grunt(draw: Draw, length_s: float, flaps: float, snout: list[Shape], hoarse: float) -> Wave:
    """One grunt: it starts and stops at once; each flap of the palate lets out a puff of noise."""
    m = samples(about(draw, length_s, 0.2))
    f0 = about(draw, flaps, 0.1) * pitch_curve([0.9, 1.1, 0.85], m)
    f0 = f0 * (1 + 0.05 * wander(draw.rng, m, 60))
    puffs = normalise(pulse(f0, m, draw.uniform(3, 8))) * (1 + hoarse * noise(draw.rng, m))
    k = np.arange(m)
    env = np.minimum(k / samples(0.008), 1) * np.minimum((m - k) / samples(0.018), 1)
    grunt = spoken(puffs + 0.1 * noise(draw.rng, m), env, snout)
    k = samples(draw.uniform(0.08, 0.15))
    sigh = band_noise(draw.rng, k, 400, 4000) / 3 * np.hanning(k) * draw.uniform(0.0, 0.12)
    return np.concatenate([grunt, sigh])


def pig(draw: Draw, voice: Voice, n: int) -> Sound:
    """Series of one to four short grunts through the snout; some clips have a hoarse squeal."""
    flaps = sized(draw, voice, 58, 48, 0.06)
    size = sized(draw, voice, 1.15, 0.88, 0.04)
    length, hoarse = draw.key(0.1, 0.13), draw.uniform(0.7, 1.2)
    gap = 0.3 * (0.2 / 0.3) ** voice.speed
    snout = [tract([220 * size, 1000 * size, 3500 * size],
                   [0, draw.uniform(-6, 0), draw.uniform(-8, -2)], 0.35)]  # fmt: skip
    clip, onsets, time_s = np.zeros(n), [], draw.uniform(0, min(0.3, 0.2 * n / SAMPLE_RATE))
    squeals = draw.chance(0.15)
    while time_s < n / SAMPLE_RATE - 0.03:
        for _ in range(int(draw.rng.integers(1, 5))):
            place(clip, _grunt(draw, length, flaps, snout, hoarse), time_s, draw.uniform(0.6, 1))
            onsets.append(time_s)
            time_s += gap * draw.uniform(0.8, 1.25)
        time_s += draw.uniform(0.1, 0.6)
        if squeals:
            place(clip, _squeal(draw, size), time_s, 0.8)
            onsets.append(time_s)
            time_s += draw.uniform(0.6, 1.2)
    clip = in_room(clip, draw, (0.2, 0.7), (0.04, 0.2))
    onsets = [t for t in onsets if t < n / SAMPLE_RATE - 0.02]
    return finish(outdoors(clip, draw, (-52, -40)), onsets, draw, room=False)


def _squeal(draw: Draw, size: float) -> Wave:
    """A scream full of noise, most of it between 1 and 4 kHz."""
    m = samples(draw.uniform(0.4, 0.9))
    p = draw.uniform(900, 1300)
    f0 = pitch_curve([0.7 * p, p, draw.uniform(0.9, 1.2) * p, 0.75 * p], m)
    source = folds(draw, f0, breath=0.6, jitter=0.02, shimmer=0.25, subharmonic=0.7,
                   chaos=0.1, dull_hz=7000)  # fmt: skip
    env = curve([0, 1, 0.9, 0], m, [0, 0.1, 0.8, 1]) * (1 + 0.2 * wander(draw.rng, m, 30))
    mouth = [tract([1250 * size, 2300 * size, 3300 * size], [0, 1, -3], 0.18)]
    return spoken(source, env, mouth, None, 0.1)


def horse(draw: Draw, voice: Voice, n: int) -> Sound:
    """Neighs: a hoarse squeal that holds, then falls while it shakes, and a fluttering snort."""
    pitch = sized(draw, voice, 1700, 1050, 0.15)
    size = sized(draw, voice, 1.15, 0.85, 0.1)
    length, shake_rate = draw.key(1.1, 2.0), draw.key(9, 14)
    breath, chaos = draw.uniform(0.05, 0.2), draw.uniform(0.002, 0.012)
    mouth = [
        tract([900 * size, 1700 * size, 3400 * size, 5000 * size], [-8, 0, -6, -9], 0.2),
        tract([800 * size, 1500 * size, 3000 * size, 4500 * size], [-4, 0, -7, -14], 0.2),
    ]

    def neigh(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.12), 0.9 * gap_s))
        p = about(draw, pitch, 0.05)
        f0 = pitch_curve([0.75 * p, p, 0.97 * p, 0.75 * p, 0.35 * p], m, [0, 0.1, 0.4, 0.7, 1])
        shake = np.sin(2 * np.pi * phase(shake_rate * (1 + 0.08 * wander(draw.rng, m, 6)), m))
        grow = curve([0, 0.1, 1, 1], m, [0, 0.3, 0.55, 1])
        f0 = f0 * (1 + 0.05 * grow * shake)
        # A second voice an odd interval lower: the folds of a horse whistle and vibrate at once.
        low = folds(draw, 0.41 * f0, breath=0, jitter=0.01, shimmer=0.1, chaos=chaos, dull_hz=3500)
        source = folds(draw, f0, breath=breath, jitter=0.004, shimmer=0.08, subharmonic=0.2,
                       chaos=chaos, dull_hz=6000)  # fmt: skip
        env = curve([0, 1, 0.9, 0.6, 0], m, [0, 0.06, 0.45, 0.8, 1])
        env = env * (1 - 0.42 * grow * (1 - shake)) * (1 + 0.15 * wander(draw.rng, m, 35))
        return spoken(source + 0.5 * low, env, mouth, None, 0.12)

    def snort() -> Wave:
        k = samples(draw.uniform(0.4, 0.8))
        flaps = np.maximum(np.sin(2 * np.pi * phase(draw.uniform(16, 26), k)), 0) ** 2
        gust = band_noise(draw.rng, k, 250, 2200) * (0.15 + flaps)
        return normalise(gust * curve([0, 1, 0.6, 0], k, [0, 0.1, 0.5, 1]))

    def call(gap_s: float) -> Wave:
        y = neigh(gap_s)
        if draw.chance(0.5):
            y = np.concatenate([y, np.zeros(samples(0.1)), 0.4 * snort()])
        return y

    clip, times = calls(draw, voice, n, (0.35, 0.8), call)
    clip = in_room(clip, draw, (0.3, 1.0), (0.1, 0.5))
    return finish(outdoors(clip, draw, (-65, -48)), times, draw, room=False)


def lion(draw: Draw, voice: Voice, n: int) -> Sound:
    """Roars: a groaning low voice, all below 1 kHz, that swells and sinks into grunts."""
    pitch = sized(draw, voice, 230, 120, 0.2)
    size = sized(draw, voice, 1.35, 0.95, 0.1)
    length, chaos = draw.key(0.9, 2.0), draw.key(0.03, 0.16)
    breath = draw.uniform(0.3, 0.8)
    mouth = [
        tract([260 * size, 700 * size, 1500 * size], [0, -10, -28], 0.22),
        tract([520 * size, 900 * size, 1900 * size], [0, -3, -20], 0.22),
        tract([330 * size, 700 * size, 1500 * size], [0, -9, -26], 0.22),
    ]

    def roar(gap_s: float, length_s: float) -> Wave:
        m = samples(min(about(draw, length_s, 0.15), 0.92 * gap_s))
        p = about(draw, pitch, 0.06)
        f0 = pitch_curve([0.7 * p, 1.15 * p, p, 0.55 * p], m, [0, 0.25, 0.6, 1])
        source = folds(draw, f0, breath=breath, jitter=0.06, shimmer=0.4, subharmonic=0.7,
                       chaos=chaos, dull_hz=700)  # fmt: skip
        env = curve([0, 1, 0.85, 0], m, [0, draw.uniform(0.12, 0.35), 0.65, 1])
        env = env * (1 + 0.3 * wander(draw.rng, m, 30))
        return soft_clip(spoken(source, env, mouth, None, 0.1), draw.uniform(1, 2.5))

    def call(gap_s: float) -> Wave:
        y = roar(0.75 * gap_s, length)
        if gap_s > 1.2:
            y = np.concatenate([y, np.zeros(samples(0.12)), 0.6 * roar(0.4, 0.4)])
        return y

    clip, times = calls(draw, voice, n, (0.35, 0.9), call)
    clip = lowpass(in_room(clip, draw, (0.4, 1.5), (0.2, 0.8)), draw.log_uniform(2500, 5000))
    return finish(outdoors(clip, draw, (-70, -52)), times, draw, room=False)


def wolf(draw: Draw, voice: Voice, n: int) -> Sound:
    """Howls: a gliding tone with two or three partials, joined by others, far over the land."""
    pitch = sized(draw, voice, 640, 330, 0.2)
    length, dull = draw.key(1.2, 2.6), draw.key(300, 900)
    pack, breath = draw.choice([1, 1, 2, 3, 4]), draw.uniform(0.15, 0.35)
    mouth = [
        tract([500, 1000, 2300], [0, -8, -22]),
        tract([700, 1150, 2500], [0, -5, -18]),
        tract([450, 850, 2300], [0, -10, -26]),
    ]

    def howl(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.2), max(gap_s, 0.8)))
        p = about(draw, pitch, 0.12)
        start, end = draw.uniform(0.5, 0.8), draw.uniform(0.55, 0.85)
        knots = [start * p, p, 0.96 * p, draw.uniform(0.94, 1.03) * p, end * p]
        f0 = pitch_curve(knots, m, [0, draw.uniform(0.12, 0.3), 0.5, 0.78, 1])
        if draw.chance(0.4):  # the voice breaks from one register to another
            f0 = f0 * np.where(np.arange(m) < draw.uniform(0.08, 0.25) * m, 0.8, 1)
        f0 = f0 * (1 + 0.012 * wander(draw.rng, m, 4))
        source = folds(draw, f0, breath=breath, jitter=0.006, shimmer=0.06, dull_hz=dull)
        env = curve([0, 0.8, 1, 0.8, 0], m, [0, 0.1, 0.4, 0.75, 1])
        return spoken(source, env * (1 + 0.08 * wander(draw.rng, m, 9)), mouth, None, 0.05)

    clip, onsets = np.zeros(n), []
    for k in range(pack):
        howls, times = calls(draw, voice, n, (0.3, 0.7), howl)
        clip += howls * (1 if k == 0 else draw.uniform(0.2, 0.7))
        onsets += list(times)
    clip = in_room(clip, draw, (0.8, 2.2), (0.1, 0.5))
    return finish(outdoors(clip, draw, (-42, -28)), sorted(onsets), draw, room=False)


SYNTHS: dict[str, Synth] = {
    "dog": dog, "cat": cat, "cow": cow, "pig": pig, "horse": horse, "lion": lion, "wolf": wolf,
}  # fmt: skip
