"""The sounds of animals and people, synthesised from how they are made.

Voices are source and filter: a rough saw-tooth (the larynx) through moving formants (the mouth).
Key parameters are drawn once per clip, so all calls in a clip come from one individual; each call
varies a little around them.
"""

from collections.abc import Callable, Sequence

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
    bandpass,
    coloured_noise,
    curve,
    event_times,
    finish,
    formants,
    harmonics,
    highpass,
    lowpass,
    modal,
    moving_formants,
    noise,
    normalise,
    percussive,
    phase,
    pitch_curve,
    place,
    pulse,
    reverb,
    samples,
    saw,
    scatter,
    shaped_noise,
    soft_clip,
    tilt,
    vibrato,
    wander,
)

Shape = tuple[Sequence[float], Sequence[float], Sequence[float]]  # formants: Hz, Hz, gains


def _sized(draw: Draw, voice: Voice, small: float, large: float, spread: float = 0.25) -> float:
    """A frequency between that of a small and a large one, give or take `spread` octaves."""
    return small * (large / small) ** voice.size * 2 ** draw.key(-spread, spread)


def _about(draw: Draw, value: float, relative: float = 0.08) -> float:
    """A value near another: how one call differs from the next."""
    return value * float(np.exp(relative * np.clip(draw.rng.standard_normal(), -2, 2)))


def _shape(freqs: Sequence[float], scale: float, falloff_db: float, width: float = 0.12) -> Shape:
    """A mouth shape: formants scaled by the size of the tract, each weaker than the one before."""
    scaled = [f * scale for f in freqs]
    gains = [10 ** (-falloff_db * k / 20) for k in range(len(freqs))]
    return scaled, [60 + width * f for f in scaled], gains


def _voiced(
    draw: Draw,
    f0: Wave,
    envelope: Wave,
    shapes: Sequence[Shape],
    position: Wave | None = None,
    *,
    breath: float = 0.1,
    rough: float = 0.0,
    jitter: float = 0.01,
    direct: float = 0.1,
    cutoff: float = 3500.0,
) -> Wave:
    """One call of a larynx and a mouth, peak 1.

    Args:
        draw: Source of randomness.
        f0: Pitch per sample.
        envelope: Loudness per sample.
        shapes: Mouth shapes, see `_shape`.
        position: Which shape is heard when; the first to the last, evenly, if None.
        breath: Level of noise against the tone, 0 clear .. 1 hoarse.
        rough: Depth of subharmonics and of irregular loudness, 0 .. 1.
        jitter: Relative irregularity of the pitch.
        direct: How much of the source passes round the formants.
        cutoff: The source falls faster above this frequency.
    """
    n, rng = len(f0), draw.rng
    f0 = f0 * (1 + jitter * wander(rng, n, 60) + 0.5 * jitter * wander(rng, n, 250))
    source = saw(f0, n)
    if rough > 0:
        sub = np.cos(np.pi * phase(f0, n))
        source = source * (1 + rough * sub) * (1 + 0.5 * rough * wander(rng, n, 90))
    source = source + 1.2 * breath * noise(rng, n) * (0.6 + 0.4 * np.abs(source))
    source = tilt(source, cutoff)
    if position is None:
        position = np.linspace(0, len(shapes) - 1, n)
    mouth = (
        formants(source, *shapes[0])
        if len(shapes) == 1
        else moving_formants(source, shapes, position)
    )
    return normalise((mouth + direct * source) * envelope)


def _calls(
    draw: Draw,
    voice: Voice,
    n: int,
    rates: tuple[float, float],
    make: Callable[[float], Wave],
    *,
    jitter: float = 0.15,
) -> tuple[Wave, np.ndarray]:
    """One call after another: `make` gets the seconds until the next call."""
    clip = np.zeros(n)
    times = event_times(draw, voice, n / SAMPLE_RATE, *rates, jitter=jitter)
    rate = rates[0] * (rates[1] / rates[0]) ** voice.speed
    gaps = np.append(np.diff(times), 1 / rate)
    for time_s, gap_s in zip(times, gaps, strict=True):
        place(clip, make(float(gap_s)), time_s, draw.uniform(0.65, 1.0))
    return clip, times


# Mammals


def dog(draw: Draw, voice: Voice, n: int) -> Sound:
    """Barks: short harsh bursts; the pitch jumps up and falls, the mouth opens and closes."""
    pitch = _sized(draw, voice, 850, 230)
    tract = _sized(draw, voice, 1.45, 0.75, 0.15)
    length = draw.key(0.11, 0.3)
    breath, rough, peak_at = draw.uniform(0.2, 0.7), draw.key(0.15, 0.7), draw.uniform(0.15, 0.4)
    closed = _shape([380, 950, 2600], tract, 8)
    opened = _shape([750, 1350, 2700, 3800], tract, draw.uniform(2, 6), 0.16)
    is_double = draw.chance(0.3)

    def bark(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.15), 0.8 * gap_s))
        p = _about(draw, pitch)
        f0 = pitch_curve([0.65 * p, p, 0.85 * p, 0.5 * p], m, [0, peak_at, 0.6, 1])
        env = adsr(m, draw.uniform(0.004, 0.02), 0.3 * m / SAMPLE_RATE, 0.6, 0.6 * m / SAMPLE_RATE)
        position = curve([0.2, 1, 1, 0], m, [0, peak_at, 0.55, 1])
        y = _voiced(draw, f0, env, [closed, opened], position, breath=breath, rough=rough,
                    jitter=0.025, cutoff=3000)  # fmt: skip
        return soft_clip(y, draw.uniform(1.0, 2.5))

    def barks(gap_s: float) -> Wave:
        if not is_double or gap_s < 0.5:
            return bark(gap_s)
        pair = np.zeros(samples(0.9 * gap_s))
        place(pair, bark(gap_s / 2), 0, 0.8)
        place(pair, bark(gap_s / 2), min(1.5 * length, 0.45 * gap_s))
        return pair

    return finish(*_calls(draw, voice, n, (0.9, 4.0), barks), draw)


def cat(draw: Draw, voice: Voice, n: int) -> Sound:
    """Meows: a clear rich tone whose mouth goes from 'ee' over 'a' to 'oo'."""
    pitch = _sized(draw, voice, 900, 430)
    tract = _sized(draw, voice, 1.5, 1.05, 0.12)
    length = draw.key(0.4, 1.1)
    rise, fall = draw.uniform(0.65, 0.9), draw.uniform(0.55, 0.95)
    peak_at, wobble = draw.key(0.25, 0.6), draw.uniform(0.0, 0.025)
    mouth = [
        _shape([330, 2100, 2900, 4000], tract, draw.uniform(1, 4)),
        _shape([850, 1600, 2800, 4000], tract, draw.uniform(0, 4)),
        _shape([480, 950, 2500, 3600], tract, draw.uniform(4, 9)),
    ]
    breath, rough = draw.uniform(0.01, 0.12), draw.choice([0, 0, 0.15])

    def meow(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.2), 0.85 * gap_s))
        p = _about(draw, pitch, 0.06)
        f0 = pitch_curve([rise * p, p, 0.95 * p, fall * p], m, [0, peak_at, 0.75, 1])
        f0 = f0 * vibrato(draw.rng, m, draw.uniform(5, 9), wobble, 0.006)
        env = curve([0, 0.5, 1, 0.7, 0], m, [0, 0.15, peak_at, 0.8, 1])
        position = curve([0, 0.4, 1, 1.9, 2], m, [0, 0.15, peak_at, 0.9, 1])
        return _voiced(draw, f0, env, mouth, position, breath=breath, rough=rough, jitter=0.004,
                       cutoff=5000)  # fmt: skip

    return finish(*_calls(draw, voice, n, (0.4, 1.6), meow), draw)


def cow(draw: Draw, voice: Voice, n: int) -> Sound:
    """Moos: a long low note that starts behind closed lips and opens."""
    pitch = _sized(draw, voice, 190, 85)
    tract = _sized(draw, voice, 0.85, 0.6, 0.1)
    length, breath = draw.key(0.9, 2.1), draw.uniform(0.02, 0.15)
    rough, end = draw.key(0.0, 0.35), draw.uniform(0.6, 1.1)
    mouth = [
        _shape([260, 1000, 2200], tract, draw.uniform(14, 20)),
        _shape([480, 850, 2400, 3300], tract, draw.uniform(5, 9)),
        _shape([750, 1200, 2500, 3500], tract, draw.uniform(4, 8)),
    ]
    opening = draw.uniform(1.0, 2.0)

    def moo(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.15), 0.9 * gap_s))
        p = _about(draw, pitch, 0.05)
        f0 = pitch_curve([0.7 * p, 0.85 * p, p, 1.05 * p, end * p], m, [0, 0.2, 0.4, 0.75, 1])
        env = curve([0, 0.45, 1, 0.9, 0], m, [0, 0.12, 0.4, 0.8, 1])
        position = curve([0, 0.1, opening, opening, 0.7], m, [0, 0.15, 0.45, 0.8, 1])
        y = _voiced(draw, f0, env, mouth, position, breath=breath, rough=rough, jitter=0.012,
                    cutoff=2200)  # fmt: skip
        return soft_clip(y, 1.5)

    return finish(*_calls(draw, voice, n, (0.3, 0.85), moo), draw)


def pig(draw: Draw, voice: Voice, n: int) -> Sound:
    """Grunts and oinks: snorting noise chopped by a slow larynx, sometimes a squeal."""
    pitch = _sized(draw, voice, 170, 65)
    tract = _sized(draw, voice, 1.2, 0.7, 0.12)
    length, snort = draw.key(0.1, 0.3), draw.key(0.3, 0.9)
    squeal_chance = draw.choice([0.0, 0.1, 0.3, 0.8])
    grunt_mouth = [_shape([420, 1100, 2300, 3300], tract, 4), _shape([550, 1500, 2700], tract, 3)]
    squeal_mouth = [_shape([1100, 2600, 3800], tract, 1, 0.2)]

    def grunt(m: int) -> Wave:
        p = _about(draw, pitch, 0.15)
        f0 = pitch_curve([0.8 * p, 1.1 * p, draw.uniform(0.7, 1.6) * p], m)
        rattle = 0.25 + normalise(np.maximum(pulse(f0 / 2, m, 3), 0))
        env = adsr(m, 0.02, 0.05, 0.8, 0.4 * m / SAMPLE_RATE)
        y = _voiced(draw, f0, env, grunt_mouth, breath=snort, rough=0.6, jitter=0.06, cutoff=2500)
        return normalise(y * rattle)

    def squeal(m: int) -> Wave:
        p = draw.uniform(650, 1500)
        f0 = pitch_curve([0.6 * p, p, draw.uniform(0.8, 1.3) * p, 0.7 * p], m)
        env = adsr(m, 0.03, 0.05, 0.9, 0.1)
        return _voiced(draw, f0, env, squeal_mouth, breath=0.3, rough=0.5, jitter=0.03, cutoff=6000)

    def oink(gap_s: float) -> Wave:
        if draw.chance(squeal_chance):
            return squeal(samples(min(draw.uniform(0.25, 0.8), 0.85 * gap_s)))
        return grunt(samples(min(_about(draw, length, 0.25), 0.8 * gap_s)))

    return finish(*_calls(draw, voice, n, (1.2, 4.0), oink, jitter=0.3), draw)


def horse(draw: Draw, voice: Voice, n: int) -> Sound:
    """Neighs: a high squeal that falls and shakes, and a snort at the end."""
    pitch = _sized(draw, voice, 1400, 650)
    tract = _sized(draw, voice, 1.0, 0.7, 0.12)
    length, shake_rate = draw.key(1.0, 2.1), draw.key(7, 13)
    depth, breath, rough = draw.uniform(0.05, 0.15), draw.uniform(0.08, 0.35), draw.uniform(0, 0.5)
    mouth = [_shape([1000, 1900, 3300, 4500], tract, 2, 0.15), _shape([650, 1500, 2700], tract, 4)]

    def neigh(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.12), 0.9 * gap_s))
        p = _about(draw, pitch, 0.05)
        f0 = pitch_curve([0.55 * p, p, 0.9 * p, 0.55 * p, 0.25 * p], m, [0, 0.12, 0.35, 0.7, 1])
        rate = curve([0.7 * shake_rate, shake_rate, 0.9 * shake_rate], m)
        shake = np.sin(2 * np.pi * phase(rate, m))
        grow = curve([0.1, 1, 1], m, [0, 0.35, 1])
        f0 = f0 * (1 + depth * grow * shake)
        env = curve([0, 1, 0.9, 0.6, 0], m, [0, 0.08, 0.4, 0.8, 1])
        env = env * (1 - 0.45 * grow * (1 - shake))
        y = _voiced(draw, f0, env, mouth, breath=breath, rough=rough, jitter=0.012, cutoff=4500)
        if gap_s - m / SAMPLE_RATE > 0.1 and draw.chance(0.6):
            k = samples(min(0.5, gap_s - m / SAMPLE_RATE))
            flutter = 0.3 + np.maximum(np.sin(2 * np.pi * phase(draw.uniform(18, 30), k)), 0)
            y = np.concatenate([y, 0.4 * percussive(k, 0.05, 0.6) * flutter
                                * band_noise(draw.rng, k, 300, 2500) / 3])  # fmt: skip
        return y

    return finish(*_calls(draw, voice, n, (0.35, 0.8), neigh), draw)


def sheep(draw: Draw, voice: Voice, n: int) -> Sound:
    """Bleats: a nasal 'baa' that trembles about ten times a second."""
    pitch = _sized(draw, voice, 420, 150)
    tract = _sized(draw, voice, 1.15, 0.8, 0.12)
    length, tremble = draw.key(0.5, 1.3), draw.key(7, 14)
    depth = draw.uniform(0.35, 0.75)
    mouth = [
        _shape([300, 1100, 2300], tract, 10),
        _shape([720, 1650, 2600, 3600], tract, draw.uniform(0, 3), 0.1),
        _shape([600, 1500, 2400, 3400], tract, draw.uniform(1, 5), 0.1),
    ]

    def baa(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.15), 0.85 * gap_s))
        p = _about(draw, pitch, 0.06)
        wave = np.sin(2 * np.pi * phase(tremble * (1 + 0.08 * wander(draw.rng, m, 8)), m))
        f0 = pitch_curve([0.85 * p, p, 0.95 * p, 0.8 * p], m, [0, 0.2, 0.7, 1])
        f0 = f0 * (1 + 0.045 * wave)
        env = curve([0, 1, 0.9, 0], m, [0, 0.12, 0.75, 1]) * (1 - depth * 0.5 * (1 - wave))
        position = curve([0, 1, 2], m, [0, 0.12, 1])
        return _voiced(draw, f0, env, mouth, position, breath=draw.uniform(0.05, 0.25),
                       rough=0.15, jitter=0.015, cutoff=4500)  # fmt: skip

    return finish(*_calls(draw, voice, n, (0.5, 1.4), baa), draw)


def lion(draw: Draw, voice: Voice, n: int) -> Sound:
    """Roars: a very rough low voice with much breath, swelling and falling."""
    pitch = _sized(draw, voice, 170, 60)
    tract = _sized(draw, voice, 0.7, 0.45, 0.1)
    length, breath = draw.key(0.9, 2.2), draw.key(0.35, 0.9)
    growl_rate = draw.uniform(18, 38)
    mouth = [
        _shape([450, 1000, 2100], tract, 7, 0.3),
        _shape([950, 1700, 2900, 4200], tract, draw.uniform(2, 5), 0.3),
        _shape([500, 1100, 2300], tract, 8, 0.3),
    ]

    def roar(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.15), 0.92 * gap_s))
        p = _about(draw, pitch, 0.06)
        f0 = pitch_curve([0.7 * p, 1.15 * p, p, 0.5 * p], m, [0, 0.25, 0.6, 1])
        growl = np.sin(2 * np.pi * phase(growl_rate * (1 + 0.2 * wander(draw.rng, m, 12)), m))
        env = curve([0, 1, 0.85, 0], m, [0, draw.uniform(0.15, 0.4), 0.65, 1])
        env = env * (1 + 0.45 * growl) * (1 + 0.25 * wander(draw.rng, m, 40))
        y = _voiced(draw, f0, env, mouth, breath=breath, rough=0.8, jitter=0.07, cutoff=1600,
                    direct=0.3)  # fmt: skip
        return soft_clip(y, draw.uniform(2, 4))

    return finish(*_calls(draw, voice, n, (0.35, 0.9), roar), draw)


def elephant(draw: Draw, voice: Voice, n: int) -> Sound:
    """Trumpets: a screaming brassy blast through the trunk, often rough, sometimes a rumble."""
    pitch = _sized(draw, voice, 650, 300)
    length, rough = draw.key(0.6, 1.7), draw.key(0.1, 0.8)
    centre, breath = draw.key(900, 1900), draw.uniform(0.1, 0.4)
    buzz_rate, has_rumble = draw.uniform(25, 70), draw.chance(0.35)
    mouth = [
        ([centre, 2.1 * centre, 3.3 * centre], [0.7 * centre, 1.2 * centre, 900], [1, 0.8, 0.4]),
        ([0.8 * centre, 1.9 * centre, 3 * centre], [0.7 * centre, centre, 900], [1, 0.6, 0.3]),
    ]

    def trumpeting(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.2), 0.85 * gap_s))
        p = _about(draw, pitch, 0.08)
        top = draw.uniform(1.1, 1.5)
        f0 = pitch_curve([0.6 * p, p, top * p, p, 0.65 * p], m, [0, 0.12, 0.4, 0.75, 1])
        f0 = f0 * vibrato(draw.rng, m, draw.uniform(4, 7), 0.015, 0.02)
        env = adsr(m, 0.04, 0.1, 0.85, 0.25 * m / SAMPLE_RATE)
        split = (wander(draw.rng, m, 5) > 0.1).astype(float)  # the tone breaks up now and then
        split = tilt(split, 20)
        env = env * (1 + rough * split * np.sin(2 * np.pi * phase(buzz_rate, m)))
        y = _voiced(draw, f0, env, mouth, breath=breath, rough=rough, jitter=0.02, cutoff=6000,
                    direct=0.2)  # fmt: skip
        return soft_clip(y, draw.uniform(2, 5))

    clip, times = _calls(draw, voice, n, (0.4, 1.0), trumpeting)
    if has_rumble:
        rumble = harmonics(draw.uniform(18, 28) * vibrato(draw.rng, n, 3, 0.05, 0.03),
                           [0, 1, 0.9, 0.7, 0.5, 0.4, 0.3, 0.2], n)  # fmt: skip
        clip = clip + draw.uniform(0.03, 0.1) * rumble * curve(draw.rng.uniform(0, 1, 5), n)
    return finish(clip, times, draw)


def wolf(draw: Draw, voice: Voice, n: int) -> Sound:
    """Howls: one to three long gliding tones with few harmonics, in the open air."""
    pitch = _sized(draw, voice, 800, 330)
    length, darkness = draw.key(1.1, 2.4), draw.key(500, 1300)
    num_wolves = draw.choice([1, 1, 1, 2, 3])
    has_yips = draw.chance(0.2)
    total_s = n / SAMPLE_RATE

    def howl(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.2), max(gap_s, 0.8)))
        p = _about(draw, pitch, 0.12)
        start, end = draw.uniform(0.45, 0.75), draw.uniform(0.5, 0.9)
        f0 = pitch_curve([start * p, p, 0.97 * p, 1.02 * p, end * p], m,
                         [0, draw.uniform(0.1, 0.3), 0.5, 0.75, 1])  # fmt: skip
        if draw.chance(0.35):  # the voice breaks from one register to another
            f0 = f0 * np.where(
                np.arange(m) < draw.uniform(0.1, 0.4) * m, draw.choice([0.75, 0.84]), 1
            )
        f0 = f0 * vibrato(draw.rng, m, draw.uniform(3, 6), draw.uniform(0, 0.015), 0.004)
        env = curve([0, 1, 0.9, 0], m, [0, 0.18, 0.7, 1])
        mouth = [_shape([450, 900, 2600], 1.0, 12), _shape([620, 1050, 2700], 1.0, 10)]
        y = _voiced(draw, f0, env, mouth, breath=0.03, jitter=0.004, cutoff=darkness, direct=0.1)
        return lowpass(y, 2.5 * darkness)

    clip, onsets = np.zeros(n), []
    for k in range(num_wolves):
        calls, times = _calls(draw, voice, n, (0.3, 0.7), howl)
        clip += calls * (1 if k == 0 else draw.uniform(0.2, 0.7))
        onsets += list(times)
    if has_yips:
        for t in draw.rng.uniform(0, total_s, 4):
            m = samples(draw.uniform(0.06, 0.14))
            f0 = pitch_curve([pitch, 1.8 * pitch, pitch], m)
            place(clip, harmonics(f0, [1, 0.4, 0.2], m) * np.hanning(m), t, 0.3)
    clip = reverb(clip, draw.rng, draw.uniform(0.6, 1.8), draw.uniform(0.1, 0.5))
    return finish(clip, sorted(onsets), draw, room=False)


# Birds


def rooster(draw: Draw, voice: Voice, n: int) -> Sound:
    """Crows: cock-a-doodle-doo, four loud syllables, the last long and falling."""
    pitch = _sized(draw, voice, 1000, 560)
    centre, tempo = draw.key(1500, 2500), 1.25 - 0.5 * voice.speed
    breath, rough = draw.uniform(0.03, 0.2), draw.uniform(0.0, 0.4)
    mouth = [([0.55 * centre, centre, 1.75 * centre], [350, 600, 800], [0.7, 1, 0.6])]
    lengths = np.array([0.16, 0.14, 0.34, 0.75]) * np.exp(0.15 * draw.rng.standard_normal(4))
    heights = np.array([0.7, 0.85, 1.05, 1.0]) * np.exp(0.05 * draw.rng.standard_normal(4))
    rests, last_fall = draw.rng.uniform(0.02, 0.07, 4), draw.uniform(0.45, 0.8)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.35, 0.2 * n / SAMPLE_RATE))
    while time_s < n / SAMPLE_RATE - 0.05:
        for k in range(4):
            m = samples(_about(draw, lengths[k] * tempo))
            p = pitch * heights[k]
            ends = [0.8 * p, p, 0.9 * p] if k < 3 else [0.85 * p, 1.03 * p, p, last_fall * p]
            f0 = pitch_curve(ends, m) * vibrato(draw.rng, m, 12, 0.006, 0.006)
            env = adsr(m, 0.015, 0.03, 0.9, 0.05 if k < 3 else 0.3)
            y = _voiced(draw, f0, env, mouth, breath=breath, rough=rough, jitter=0.006, cutoff=6000)
            place(clip, soft_clip(y, 2), time_s, [0.7, 0.75, 0.95, 1.0][k])
            onsets.append(time_s)
            time_s += m / SAMPLE_RATE + rests[k]
        time_s += draw.uniform(0.5, 1.5) * tempo
    return finish(clip, onsets, draw)


def duck(draw: Draw, voice: Voice, n: int) -> Sound:
    """Quacks: short nasal buzzes with a strong resonance of the bill, in falling series."""
    pitch = _sized(draw, voice, 330, 150)
    bill = _sized(draw, voice, 1500, 1000, 0.2)
    length, breath = draw.key(0.08, 0.24), draw.uniform(0.1, 0.5)
    mouth = [
        ([0.6 * bill, 1.1 * bill, 2.2 * bill], [200, 250, 400], [0.5, 0.8, 0.4]),
        ([0.75 * bill, 1.45 * bill, 2.4 * bill], [200, 250, 450], [0.7, 1.0, 0.7]),
        ([0.6 * bill, bill, 2.1 * bill], [200, 300, 450], [0.6, 0.8, 0.4]),
    ]
    count = 0

    def quack(gap_s: float) -> Wave:
        nonlocal count
        fade = 0.93**count  # a series falls in pitch and loudness
        count = (count + 1) % 8
        m = samples(min(_about(draw, length, 0.12), 0.8 * gap_s))
        p = _about(draw, pitch, 0.05) * (0.5 + 0.5 * fade)
        f0 = pitch_curve([0.85 * p, 1.1 * p, 0.8 * p], m, [0, 0.3, 1])
        env = adsr(m, 0.012, 0.04, 0.8, 0.5 * m / SAMPLE_RATE)
        y = _voiced(draw, f0, env, mouth, breath=breath, rough=0.45, jitter=0.03, cutoff=5000,
                    direct=0.05)  # fmt: skip
        return fade * soft_clip(highpass(y, 400), 2.0)

    return finish(*_calls(draw, voice, n, (1.6, 5.0), quack), draw)


def owl(draw: Draw, voice: Voice, n: int) -> Sound:
    """Hoots: soft, almost pure low tones in a rhythm of one to five."""
    pitch = _sized(draw, voice, 850, 290, 0.2)
    length, bend = draw.key(0.16, 0.5), draw.uniform(0.0, 0.12)
    overtone, breath = draw.log_uniform(0.01, 0.15), draw.log_uniform(0.004, 0.04)
    tremolo = draw.choice([0, 0, 0, draw.uniform(8, 14)])
    rhythm = draw.choice([(1,), (1, 1), (0.6, 0.6, 1.3), (1.2, 0.5, 0.5, 1.2), (0.8,) * 5])
    tempo = draw.uniform(1.2, 1.7) * (1.25 - 0.6 * voice.speed)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.4, 0.2 * n / SAMPLE_RATE))
    end_s = n / SAMPLE_RATE - min(0.08, 0.3 * n / SAMPLE_RATE)
    while time_s < end_s:
        for step in rhythm:
            m = samples(max(length * step, 0.09))
            f0 = pitch * pitch_curve([1 - bend, 1, 1 - 0.7 * bend], m, [0, 0.35, 1])
            f0 = f0 * vibrato(draw.rng, m, 6, 0.004, 0.003)
            env = adsr(m, 0.25 * m / SAMPLE_RATE, 0, 1, 0.45 * m / SAMPLE_RATE) ** 1.3
            if tremolo and step > 1:
                env = env * (0.55 + 0.45 * np.sin(2 * np.pi * tremolo * np.arange(m) / SAMPLE_RATE))
            air = breath * bandpass(noise(draw.rng, m), pitch, 2)
            place(clip, env * (harmonics(f0, [1, overtone, 0.4 * overtone], m) + air), time_s,
                  draw.uniform(0.75, 1.0))  # fmt: skip
            onsets.append(time_s)
            time_s += length * step * tempo + 0.06
        time_s += draw.uniform(0.3, 1.0) * tempo
    return finish(clip, [t for t in onsets if t < end_s], draw)


def _bird_syllable(draw: Draw, centre: float) -> Wave:
    """One note of a song: a sweep, an arch, a whistle, a trill or a buzz."""
    kind = draw.choice(["sweep", "arch", "whistle", "zigzag", "trill", "buzz"])
    length = {"whistle": (0.09, 0.3), "trill": (0.12, 0.4), "buzz": (0.08, 0.2)}
    m = samples(draw.uniform(*length.get(kind, (0.03, 0.13))))
    span = draw.uniform(0.15, 0.7) * draw.choice([-1, 1])
    shapes = {
        "sweep": [-span, span],
        "arch": [-span, span, -span],
        "whistle": [0.05 * span, 0, -0.1 * span],
        "zigzag": [-span, span, -0.5 * span, span],
        "trill": [0.2 * span, -0.2 * span],
        "buzz": [0.1 * span, -0.1 * span],
    }
    octaves = 0.6 * curve(shapes[kind], m)
    t = np.arange(m) / SAMPLE_RATE
    if kind == "trill":
        octaves = octaves + draw.uniform(0.08, 0.3) * np.sin(2 * np.pi * draw.uniform(18, 45) * t)
    env = adsr(m, 0.2 * m / SAMPLE_RATE, 0, 1, 0.35 * m / SAMPLE_RATE)
    if kind == "buzz":
        env = env * (0.5 + 0.5 * np.sin(2 * np.pi * draw.uniform(70, 160) * t))
    f0 = np.clip(centre * 2**octaves, 900, 7400)
    return env * harmonics(f0, [1, draw.log_uniform(0.01, 0.25), draw.log_uniform(0.005, 0.08)], m)


def bird(draw: Draw, voice: Voice, n: int) -> Sound:
    """Songs: phrases of repeated whistled notes between two and seven kilohertz."""
    centre = _sized(draw, voice, 5200, 2400, 0.2)
    repertoire = [
        _bird_syllable(draw, centre * 2 ** draw.key(-0.35, 0.35))
        for _ in range(draw.choice([1, 1, 2, 3, 4]))
    ]
    rest = draw.uniform(0.02, 0.12) * (1.6 - voice.speed)
    pause = draw.uniform(0.15, 0.7) * (1.4 - voice.speed)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.3, 0.3 * n / SAMPLE_RATE))
    while time_s < n / SAMPLE_RATE - 0.04:
        note = draw.choice(repertoire)
        for _ in range(int(draw.rng.integers(1, 7))):
            if time_s >= n / SAMPLE_RATE - 0.04:
                break
            place(clip, note, time_s, draw.uniform(0.6, 1.0))
            onsets.append(time_s)
            time_s += len(note) / SAMPLE_RATE + rest * draw.uniform(0.8, 1.25)
            if draw.chance(0.25):
                note = draw.choice(repertoire)
        time_s += pause * draw.uniform(0.6, 1.4)
    return finish(clip, onsets, draw, noise_db=(-70, -35))


# Small ones


def frog(draw: Draw, voice: Voice, n: int) -> Sound:
    """Croaks: trains of short resonant pulses, often in two parts like 'rib-bit'."""
    tone = _sized(draw, voice, 1900, 480, 0.25)
    pulse_rate = draw.key(24, 85)
    length, sharpness = draw.key(0.14, 0.5), draw.uniform(1.5, 6)
    overtones = [1, draw.uniform(0.2, 0.9), draw.uniform(0.05, 0.5), draw.uniform(0, 0.25)]
    is_ribbit, bend = draw.chance(0.5), draw.uniform(0.85, 1.15)

    def part(m: int, start: float, end: float, rate: float) -> Wave:
        f0 = tone * pitch_curve([start, end], m) * (1 + 0.02 * wander(draw.rng, m, 80))
        gate = np.exp(sharpness * (np.cos(2 * np.pi * phase(rate, m)) - 1))
        env = adsr(m, 0.25 * m / SAMPLE_RATE, 0, 1, 0.2 * m / SAMPLE_RATE)
        rasp = 0.5 * bandpass(noise(draw.rng, m), tone, 3)
        return env * gate * (harmonics(f0, overtones, m) + rasp)

    def croak(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.12), 0.8 * gap_s))
        rate = _about(draw, pulse_rate, 0.06)
        if not is_ribbit:
            return part(m, 0.9, bend, rate * curve([0.85, 1.1], m))
        first = part(samples(0.45 * m / SAMPLE_RATE), 0.85, 0.95, rate)
        rest = np.zeros(samples(0.08 * m / SAMPLE_RATE))
        second = part(samples(0.4 * m / SAMPLE_RATE), 1.0, 1.25 * bend, 1.25 * rate)
        return np.concatenate([0.7 * first, rest, second])

    return finish(*_calls(draw, voice, n, (0.8, 3.2), croak), draw, noise_db=(-70, -40))


def bee(draw: Draw, voice: Voice, n: int) -> Sound:
    """A buzz: harmonics of the wing beat, drifting in pitch as the bee flies near and away."""
    beat = _sized(draw, voice, 290, 145, 0.15)
    slope, drift = draw.key(0.6, 1.5), draw.uniform(0.015, 0.07)
    speed = 0.5 + 2.5 * voice.speed
    f0 = (
        beat * 2 ** (drift * 2 * wander(draw.rng, n, speed)) * (1 + 0.006 * wander(draw.rng, n, 60))
    )
    k = np.arange(1, 33)
    levels = k**-slope * np.exp(-k / draw.uniform(5, 14)) * draw.rng.uniform(0.3, 1.0, 32)
    buzz = harmonics(f0, list(levels), n)
    buzz = buzz * (1 + 0.15 * wander(draw.rng, n, 70)) + 0.1 * saw(f0, n) * noise(draw.rng, n)
    body = draw.key(350, 1100)
    buzz = buzz + 1.2 * bandpass(buzz, body, 1.5) + 0.6 * bandpass(buzz, 3.2 * body, 2)
    near = np.exp(0.7 * wander(draw.rng, n, speed))
    has_stops = draw.chance(0.25)
    if has_stops:  # it lands and takes off again
        near = near * (0.06 + tilt((wander(draw.rng, n, 1.5) > -0.5).astype(float), 2.5))
    return finish(buzz * np.minimum(near, 3.0), [0.0], draw, noise_db=(-70, -35))


def cricket(draw: Draw, voice: Voice, n: int) -> Sound:
    """Chirps: groups of very regular pulses of a pure tone at three to six kilohertz."""
    tone = _sized(draw, voice, 5800, 3300, 0.12)
    pulse_rate, pulses = draw.key(28, 75), int(draw.rng.integers(2, 7))
    duty, brightness = draw.uniform(0.45, 0.8), draw.log_uniform(0.005, 0.06)
    if draw.chance(0.2):
        pulses = 400  # some species trill without a pause
    total_s = n / SAMPLE_RATE
    pulse_n = samples(duty / pulse_rate)
    f0 = tone * pitch_curve([1.01, 1.0, 0.97], pulse_n)
    grain = harmonics(f0, [1, brightness], pulse_n) * np.sin(np.linspace(0, np.pi, pulse_n)) ** 0.8
    clip = np.zeros(n)
    slow, fast = (1.2, 4.5) if pulses < 10 else (0.3, 0.6)
    times = event_times(draw, voice, total_s, slow, fast, jitter=0.04)
    rate = slow * (fast / slow) ** voice.speed
    pulses = max(2, min(pulses, int(0.75 * pulse_rate / rate)))
    for t in times:
        loudness = draw.uniform(0.85, 1.0)
        for k in range(pulses):
            swell = 0.5 + 0.5 * min(1.0, (k + 1) / min(3, pulses))
            place(clip, grain, t + k / pulse_rate, loudness * swell)
    if draw.chance(0.35):  # others in the distance
        far = np.sin(2 * np.pi * phase(tone * draw.uniform(0.85, 1.12), n))
        gate = np.maximum(np.sin(2 * np.pi * phase(draw.uniform(25, 60), n)), 0)
        clip = clip + draw.uniform(0.01, 0.06) * far * gate
    return finish(clip, times, draw, noise_db=(-70, -38))


# People


def baby(draw: Draw, voice: Voice, n: int) -> Sound:
    """Cries: 'waah' of about a second, rising then falling, with a gasp between."""
    pitch = _sized(draw, voice, 560, 360, 0.2)
    tract = _sized(draw, voice, 1.7, 1.35, 0.1)
    length, rough = draw.key(0.45, 1.2), draw.key(0.0, 0.45)
    breath, wobble = draw.uniform(0.02, 0.2), draw.uniform(0.005, 0.03)
    closed = _shape([480, 1000, 2500], tract, 8)
    opened = _shape(draw.choice([[720, 1150, 2600, 3600], [620, 1600, 2500, 3500]]), tract, 2, 0.1)

    def cry(gap_s: float) -> Wave:
        m = samples(min(_about(draw, length, 0.2), 0.8 * gap_s))
        p = _about(draw, pitch, 0.06)
        f0 = pitch_curve([0.75 * p, p, 1.06 * p, 0.95 * p, 0.7 * p], m, [0, 0.15, 0.4, 0.75, 1])
        f0 = f0 * vibrato(draw.rng, m, draw.uniform(5, 8), wobble, 0.008)
        env = curve([0, 0.8, 1, 0.8, 0], m, [0, 0.1, 0.4, 0.8, 1])
        position = curve([0, 1, 1, 0.5], m, [0, 0.2, 0.8, 1])
        y = _voiced(draw, f0, env, [closed, opened], position, breath=breath, rough=rough,
                    jitter=0.012, cutoff=5500)  # fmt: skip
        rest_s = gap_s - m / SAMPLE_RATE
        if rest_s > 0.15 and draw.chance(0.7):  # breathing in
            k = samples(min(0.25, 0.7 * rest_s))
            gasp = band_noise(draw.rng, k, 900, 4500) / 4 * np.hanning(k)
            pad = np.zeros(samples(0.15 * rest_s))
            y = np.concatenate([y, pad, draw.uniform(0.1, 0.4) * gasp])
        return y

    return finish(*_calls(draw, voice, n, (0.7, 1.6), cry), draw)


def _clap(draw: Draw, centre: float) -> Wave:
    """One pair of hands: a burst of noise around the resonance of the cupped palms."""
    m = samples(0.05)
    burst = noise(draw.rng, m) * percussive(m, 0.0006, draw.uniform(0.01, 0.035))
    y = bandpass(burst, centre, draw.uniform(0.9, 2.2)) + 0.15 * highpass(burst, 2500)
    return normalise(y)


def applause(draw: Draw, voice: Voice, n: int) -> Sound:
    """Many hands: every clapper has an own tempo and palms; from three people to a full hall."""
    num_people = int(draw.log_uniform(4, 90))
    centre = _sized(draw, voice, 1900, 900, 0.2)
    tempo = 2.6 * (5.2 / 2.6) ** voice.speed
    grains = [_clap(draw, _about(draw, centre, 0.3)) for _ in range(8)]
    total_s = n / SAMPLE_RATE
    starts, gains = [], []
    for _ in range(num_people):
        rate = _about(draw, tempo, 0.12)
        times = (np.arange(int(total_s * rate) + 2) + draw.rng.random()) / rate
        times = times + 0.012 * draw.rng.standard_normal(len(times))
        starts.append(times)
        gains.append(draw.log_uniform(0.1, 1.0) * draw.rng.uniform(0.6, 1.0, len(times)))
    at, gain = np.concatenate(starts), np.concatenate(gains)
    at = at - at.min() + draw.uniform(0, min(0.15, 0.3 * total_s))  # the first clap is early
    order = draw.rng.permutation(len(at))
    clip = scatter(n, grains, (at[order] * SAMPLE_RATE).astype(int), gain[order])
    if num_people > 20:  # the far rows melt into a hiss
        hiss = shaped_noise(draw.rng, n, [200, 800, 1500, 4000, 8000], [-30, -6, 0, -8, -20])
        clip = clip + 0.15 * np.std(clip) * hiss * draw.uniform(1, 5)
    clip = clip * np.exp(0.12 * wander(draw.rng, n, 2))
    clip = reverb(clip, draw.rng, draw.uniform(0.3, 1.4), draw.uniform(0.15, 0.6))
    if draw.chance(0.25):
        clip = clip * np.minimum(1, 0.1 + np.arange(n) / samples(0.3 * total_s))
    return finish(soft_clip(normalise(clip), 1.5), [at.min()], draw, room=False)


VOWELS = {
    "a": [750, 1250, 2600, 3500],
    "ae": [680, 1700, 2500, 3500],
    "e": [530, 1850, 2550, 3500],
    "i": [320, 2300, 3000, 3700],
    "o": [500, 900, 2500, 3400],
    "uh": [600, 1200, 2450, 3400],
}


def laughter(draw: Draw, voice: Voice, n: int) -> Sound:
    """Ha-ha-ha: bouts of breathy vowels, about five a second, sinking in pitch and loudness."""
    pitch = _sized(draw, voice, 420, 150, 0.3)
    tract = _sized(draw, voice, 1.25, 0.92, 0.06)
    rate = 3.6 * (6.5 / 3.6) ** voice.speed * draw.uniform(0.9, 1.1)
    vowel = _shape(VOWELS[draw.choice(list(VOWELS))], tract, draw.uniform(2, 6), 0.1)
    fraction, breath = draw.key(0.4, 0.7), draw.uniform(0.05, 0.4)
    sink, arch = draw.uniform(0.9, 1.0), draw.key(0.8, 1.35)
    aspiration = draw.uniform(0.1, 0.35)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.25, 0.2 * n / SAMPLE_RATE))
    while time_s < n / SAMPLE_RATE - 0.05:
        p, loudness = _about(draw, pitch, 0.1), 1.0
        for _ in range(int(draw.rng.integers(4, 11))):
            period = _about(draw, 1 / rate, 0.08)
            m, h = samples(fraction * period), samples(0.45 * (1 - fraction) * period)
            hiss = formants(noise(draw.rng, h), *vowel)
            puff = normalise(hiss * np.sin(np.linspace(0, np.pi, h))) * aspiration
            f0 = pitch_curve([0.95 * p * arch, 1.05 * p, 0.85 * p], m)
            env = adsr(m, 0.02, 0.02, 0.85, 0.5 * m / SAMPLE_RATE)
            ha = _voiced(draw, f0, env, [vowel], breath=breath, rough=draw.choice([0, 0.2]),
                         jitter=0.02, cutoff=3000)  # fmt: skip
            onsets.append(time_s)
            place(clip, np.concatenate([puff, ha]), time_s, loudness)
            time_s += period
            p, loudness = p * sink, loudness * draw.uniform(0.85, 1.0)
        if draw.chance(0.6):
            k = samples(draw.uniform(0.15, 0.4))
            gasp = normalise(formants(noise(draw.rng, k), *vowel) * np.hanning(k))
            place(clip, gasp, time_s + 0.03, draw.uniform(0.08, 0.3))
        time_s += draw.uniform(0.3, 0.8) / (0.6 + voice.speed)
    return finish(clip, [t for t in onsets if t < n / SAMPLE_RATE - 0.03], draw)


def snore(draw: Draw, voice: Voice, n: int) -> Sound:
    """Snores: a rattling breath in, a soft breath out."""
    rattle_rate = _sized(draw, voice, 75, 28, 0.25)
    tract = _sized(draw, voice, 1.15, 0.85, 0.1)
    share, sharpness = draw.key(0.4, 0.6), draw.uniform(2, 10)
    nasal = _shape([300, 950, 2100, 3000], tract, draw.uniform(3, 8), 0.25)
    mouth = _shape([550, 1200, 2400, 3300], tract, draw.uniform(2, 6), 0.2)
    hiss, out_level = draw.uniform(0.15, 0.6), draw.log_uniform(0.04, 0.35)

    def breath(gap_s: float) -> Wave:
        m = samples(min(_about(draw, share, 0.1) * gap_s, 1.6))
        f0 = rattle_rate * curve([0.85, 1.1, 0.9], m) * (1 + 0.12 * wander(draw.rng, m, 20))
        flaps = pulse(f0, m, sharpness) * (1 + 0.35 * wander(draw.rng, m, 40))
        open_airway = np.clip(0.5 + flaps, 0.1, 2)
        source = 3 * flaps + hiss * noise(draw.rng, m) * open_airway
        y = moving_formants(source, [nasal, mouth], curve([0, 1, 0.3], m))
        env = curve([0, 0.6, 1, 0], m, [0, 0.25, 0.75, 1])
        snort = normalise((y + 0.05 * source) * env)
        k = samples(min(0.6 * (gap_s - m / SAMPLE_RATE), 1.2))
        puff = formants(coloured_noise(draw.rng, k, -3), *mouth)
        puff = normalise(puff * curve([0, 1, 0.5, 0], k, [0, 0.2, 0.6, 1]))
        pause = np.zeros(samples(0.15 * max(gap_s - m / SAMPLE_RATE, 0.01)))
        return np.concatenate([snort, pause, out_level * puff])

    return finish(*_calls(draw, voice, n, (0.35, 0.9), breath, jitter=0.06), draw)


def footsteps(draw: Draw, voice: Voice, n: int) -> Sound:
    """Steps: a heel thud and a softer toe, on a hard floor, wood, gravel, leaves or snow."""
    ground = draw.choice(["hard", "hard", "wood", "wood", "gravel", "leaves"])
    weight = _sized(draw, voice, 160, 65, 0.2)  # pitch of the thud
    click = draw.key(1200, 3200)
    toe_s, toe_level = draw.uniform(0.05, 0.13), draw.uniform(0.15, 0.6)
    ring = draw.uniform(0.02, 0.07) if ground == "hard" else draw.uniform(0.04, 0.16)
    boards = [draw.uniform(150, 320), draw.uniform(330, 700), draw.uniform(700, 1400)]

    def contact(hardness: float) -> Wave:
        m = samples(0.22)
        thud = modal(m, [_about(draw, weight, 0.06), 1.9 * weight], [0.12, 0.07], [1.0, 0.5])
        thud = thud * percussive(m, 0.003, 0.3)
        if ground == "hard":
            tap = noise(draw.rng, m) * percussive(m, 0.0005, ring)
            tap = bandpass(tap, _about(draw, click), 1.2) + 0.25 * bandpass(tap, 0.35 * click, 1.5)
            return 0.6 * thud + 2.2 * hardness * normalise(tap)
        if ground == "wood":
            knock = modal(m, [_about(draw, f, 0.03) for f in boards], [ring * 2, ring, ring / 2],
                          [1.0, 0.6, 0.3], draw.rng)  # fmt: skip
            tap = bandpass(noise(draw.rng, m) * percussive(m, 0.0005, 0.02), 0.6 * click, 1)
            return thud + normalise(knock) + 0.6 * hardness * normalise(tap)
        m = samples(draw.uniform(0.16, 0.28))
        lo, hi = (700, 4500) if ground == "gravel" else (1500, 7000)
        crunch = band_noise(draw.rng, m, lo, hi) * np.abs(wander(draw.rng, m, 350)) ** 2.5
        return 0.4 * np.resize(thud, m) * percussive(m, 0.003, 0.1) + normalise(
            crunch * adsr(m, 0.02, 0.04, 0.6, 0.6 * m / SAMPLE_RATE)
        )

    is_left = False

    def step(gap_s: float) -> Wave:
        nonlocal is_left
        is_left = not is_left
        y = np.zeros(samples(0.45))
        place(y, contact(1.0), 0, 1.0 if is_left else 0.88)
        place(y, contact(0.5), min(toe_s, 0.5 * gap_s), toe_level)
        return y

    clip, times = _calls(draw, voice, n, (1.3, 3.2), step, jitter=0.05)
    clip = reverb(clip, draw.rng, draw.uniform(0.1, 0.8), draw.uniform(0.03, 0.3))
    return finish(clip, times, draw, room=False)


SYNTHS: dict[str, Synth] = {
    "dog": dog, "cat": cat, "cow": cow, "rooster": rooster, "pig": pig, "horse": horse,
    "sheep": sheep, "duck": duck, "frog": frog, "lion": lion, "owl": owl, "bird": bird,
    "bee": bee, "cricket": cricket, "elephant": elephant, "wolf": wolf, "baby": baby,
    "applause": applause, "laughter": laughter, "snore": snore, "footsteps": footsteps,
}  # fmt: skip
