"""The sounds of animals and people, synthesised from how they are made.

Voices are source and filter: a rough saw-tooth (the larynx) through moving formants (the mouth).
Key parameters are drawn once per clip, so all calls in a clip come from one individual; each call
varies a little around them.
"""

from collections.abc import Sequence

import numpy as np

from training.world import sounds_impacts, sounds_mammals
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
    moving_formants,
    noise,
    normalise,
    percussive,
    phase,
    pitch_curve,
    place,
    pulse,
    samples,
    saw,
    scatter,
    shaped_noise,
    soft_clip,
    tilt,
    vibrato,
    wander,
)
from training.world.larynx import Shape, about, calls, folds, sized, spoken, tract
from training.world.places import in_room, indoor_air, outdoors


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
    return spoken(source, envelope, shapes, position, direct)


# Mammals


def sheep(draw: Draw, voice: Voice, n: int) -> Sound:
    """Bleats: a nasal 'baa' that trembles about ten times a second."""
    pitch = sized(draw, voice, 420, 150)
    tract = sized(draw, voice, 1.15, 0.8, 0.12)
    length, tremble = draw.key(0.5, 1.3), draw.key(7, 14)
    depth = draw.uniform(0.35, 0.75)
    mouth = [
        _shape([300, 1100, 2300], tract, 10),
        _shape([720, 1650, 2600, 3600], tract, draw.uniform(0, 3), 0.1),
        _shape([600, 1500, 2400, 3400], tract, draw.uniform(1, 5), 0.1),
    ]

    def baa(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.15), 0.85 * gap_s))
        p = about(draw, pitch, 0.06)
        wave = np.sin(2 * np.pi * phase(tremble * (1 + 0.08 * wander(draw.rng, m, 8)), m))
        f0 = pitch_curve([0.85 * p, p, 0.95 * p, 0.8 * p], m, [0, 0.2, 0.7, 1])
        f0 = f0 * (1 + 0.045 * wave)
        env = curve([0, 1, 0.9, 0], m, [0, 0.12, 0.75, 1]) * (1 - depth * 0.5 * (1 - wave))
        position = curve([0, 1, 2], m, [0, 0.12, 1])
        return _voiced(draw, f0, env, mouth, position, breath=draw.uniform(0.05, 0.25),
                       rough=0.15, jitter=0.015, cutoff=4500)  # fmt: skip

    return finish(*calls(draw, voice, n, (0.5, 1.4), baa), draw)


def elephant(draw: Draw, voice: Voice, n: int) -> Sound:
    """Trumpets: a screaming brassy blast through the trunk, often rough, sometimes a rumble."""
    pitch = sized(draw, voice, 650, 300)
    length, rough = draw.key(0.6, 1.7), draw.key(0.1, 0.8)
    centre, breath = draw.key(900, 1900), draw.uniform(0.1, 0.4)
    buzz_rate, has_rumble = draw.uniform(25, 70), draw.chance(0.35)
    mouth = [
        ([centre, 2.1 * centre, 3.3 * centre], [0.7 * centre, 1.2 * centre, 900], [1, 0.8, 0.4]),
        ([0.8 * centre, 1.9 * centre, 3 * centre], [0.7 * centre, centre, 900], [1, 0.6, 0.3]),
    ]

    def trumpeting(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.2), 0.85 * gap_s))
        p = about(draw, pitch, 0.08)
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

    clip, times = calls(draw, voice, n, (0.4, 1.0), trumpeting)
    if has_rumble:
        rumble = harmonics(draw.uniform(18, 28) * vibrato(draw.rng, n, 3, 0.05, 0.03),
                           [0, 1, 0.9, 0.7, 0.5, 0.4, 0.3, 0.2], n)  # fmt: skip
        clip = clip + draw.uniform(0.03, 0.1) * rumble * curve(draw.rng.uniform(0, 1, 5), n)
    return finish(clip, times, draw)


# Birds


def _cluck(draw: Draw, pitch: float, mouth: list[Shape]) -> Wave:
    """One short low note of a hen."""
    m = samples(draw.uniform(0.05, 0.12))
    f0 = 0.6 * pitch * pitch_curve([0.9, 1.1, 0.75], m)
    source = folds(draw, f0, breath=0.3, jitter=0.03, shimmer=0.2, subharmonic=0.4, dull_hz=4000)
    return spoken(source, curve([0, 1, 0.5, 0], m, [0, 0.2, 0.6, 1]), mouth)


def rooster(draw: Draw, voice: Voice, n: int) -> Sound:
    """Crows: two short notes, a long one, the longest held flat and dropped; hens cluck between."""
    pitch = sized(draw, voice, 860, 600, 0.12)
    tempo = 1.25 - 0.5 * voice.speed
    centre = draw.key(1350, 1850) * 1.13 * (0.88 / 1.13) ** voice.size
    breath = draw.uniform(0.05, 0.2)
    mouth = [
        tract([0.55 * centre, 0.85 * centre, 1.7 * centre], [-3, -3, -20], 0.14),
        tract([0.6 * centre, centre, 1.7 * centre, 2.4 * centre], [-9, 0, -7, -14], 0.14),
        tract([0.5 * centre, 0.8 * centre, 1.5 * centre], [-2, 0, -12], 0.14),
    ]
    lengths = np.array([0.13, 0.2, 0.36, 0.8]) * np.exp(0.12 * draw.rng.standard_normal(4)) * tempo
    heights = np.array([0.72, 0.95, 0.86, 1.0]) * np.exp(0.04 * draw.rng.standard_normal(4))
    last_fall, rasp = draw.uniform(0.5, 0.7), draw.uniform(0.03, 0.06)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.35, 0.2 * n / SAMPLE_RATE))
    while time_s < n / SAMPLE_RATE - 0.05:
        for k in range(4):
            m = samples(about(draw, lengths[k]))
            p = pitch * heights[k]
            ends, at = [0.85 * p, p, p, 0.9 * p], [0, 0.12, 0.85, 1]
            if k == 3:
                ends, at = [0.88 * p, p, 0.97 * p, 0.95 * p, last_fall * p], [0, 0.06, 0.5, 0.8, 1]
            f0 = pitch_curve(ends, m, at) * (1 + 0.004 * wander(draw.rng, m, 12))
            source = folds(draw, f0, breath=breath, jitter=0.02, shimmer=0.08,
                           subharmonic=0.6 if k < 2 else 0.1, chaos=rasp, dull_hz=4500)  # fmt: skip
            env = curve([0, 1, 0.9, 0], m, [0, 0.1, 0.8, 1])
            place(clip, soft_clip(spoken(source, env, mouth), 2), time_s, [0.6, 0.8, 0.9, 1.0][k])
            onsets.append(time_s)
            time_s += m / SAMPLE_RATE + draw.uniform(0.005, 0.03)
        rest_s = draw.uniform(0.6, 1.5) * tempo
        for _ in range(int(draw.rng.integers(0, 7))):
            cluck = _cluck(draw, pitch, mouth)
            place(clip, cluck, time_s + draw.uniform(0, rest_s), draw.uniform(0.1, 0.35))
        time_s += rest_s
    clip = in_room(clip, draw, (0.3, 1.2), (0.1, 0.5))
    return finish(outdoors(clip, draw), onsets, draw, room=False)


def duck(draw: Draw, voice: Voice, n: int) -> Sound:
    """Quacks: short nasal buzzes with a strong resonance of the bill, in falling series."""
    pitch = sized(draw, voice, 330, 150)
    bill = sized(draw, voice, 1500, 1000, 0.2)
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
        m = samples(min(about(draw, length, 0.12), 0.8 * gap_s))
        p = about(draw, pitch, 0.05) * (0.5 + 0.5 * fade)
        f0 = pitch_curve([0.85 * p, 1.1 * p, 0.8 * p], m, [0, 0.3, 1])
        env = adsr(m, 0.012, 0.04, 0.8, 0.5 * m / SAMPLE_RATE)
        y = _voiced(draw, f0, env, mouth, breath=breath, rough=0.45, jitter=0.03, cutoff=5000,
                    direct=0.05)  # fmt: skip
        return fade * soft_clip(highpass(y, 400), 2.0)

    return finish(*calls(draw, voice, n, (1.6, 5.0), quack), draw)


def owl(draw: Draw, voice: Voice, n: int) -> Sound:
    """Hoots: soft low tones that scoop up into pitch, in a rhythm of one to five, at night."""
    pitch = sized(draw, voice, 560, 330, 0.15)
    length, scoop, end = draw.key(0.2, 0.4), draw.uniform(0.55, 0.8), draw.uniform(0.6, 0.9)
    overtone, breath = draw.log_uniform(0.03, 0.1), draw.log_uniform(0.01, 0.06)
    rhythm = draw.choice([(1,), (1,), (1, 1), (0.6, 0.6, 1.3), (1, 0.6, 0.6, 1.3), (0.8,) * 5])
    tempo, tremor = 1.5 - 0.4 * voice.speed, draw.uniform(0.0, 0.03)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.4, 0.2 * n / SAMPLE_RATE))
    end_s = n / SAMPLE_RATE - min(0.08, 0.3 * n / SAMPLE_RATE)
    while time_s < end_s:
        for step in rhythm:
            m = samples(max(length * step, 0.09))
            f0 = pitch * pitch_curve([scoop, 1, 1, end], m, [0, 0.25, 0.7, 1])
            f0 = f0 * vibrato(draw.rng, m, 7, tremor if step > 1 else 0.0, 0.004)
            env = curve([0, 0.9, 1, 0.7, 0], m, [0, 0.15, 0.4, 0.7, 1])
            env = env * (1 + 0.1 * wander(draw.rng, m, 25))
            air = breath * bandpass(noise(draw.rng, m), 1.5 * pitch, 1)
            tone = harmonics(f0, [1, overtone, 0.4 * overtone, 0.1 * overtone], m)
            place(clip, env * (tone + air), time_s, draw.uniform(0.75, 1.0))
            onsets.append(time_s)
            time_s += length * step * tempo + 0.08
        time_s += draw.uniform(0.3, 0.9) * tempo
    clip = in_room(clip, draw, (0.5, 1.8), (0.05, 0.4))
    onsets = [t for t in onsets if t < end_s]
    return finish(outdoors(clip, draw, (-42, -28)), onsets, draw, room=False)


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
    centre = sized(draw, voice, 5200, 2400, 0.2)
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
    tone = sized(draw, voice, 1900, 480, 0.25)
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
        m = samples(min(about(draw, length, 0.12), 0.8 * gap_s))
        rate = about(draw, pulse_rate, 0.06)
        if not is_ribbit:
            return part(m, 0.9, bend, rate * curve([0.85, 1.1], m))
        first = part(samples(0.45 * m / SAMPLE_RATE), 0.85, 0.95, rate)
        rest = np.zeros(samples(0.08 * m / SAMPLE_RATE))
        second = part(samples(0.4 * m / SAMPLE_RATE), 1.0, 1.25 * bend, 1.25 * rate)
        return np.concatenate([0.7 * first, rest, second])

    return finish(*calls(draw, voice, n, (0.8, 3.2), croak), draw, noise_db=(-70, -40))


def bee(draw: Draw, voice: Voice, n: int) -> Sound:
    """A buzz: harmonics of the wing beat, drifting in pitch as the bee flies near and away."""
    beat = sized(draw, voice, 290, 145, 0.15)
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
    tone = sized(draw, voice, 5800, 3300, 0.12)
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
    pitch = sized(draw, voice, 560, 360, 0.2)
    tract = sized(draw, voice, 1.7, 1.35, 0.1)
    length, rough = draw.key(0.45, 1.2), draw.key(0.0, 0.45)
    breath, wobble = draw.uniform(0.02, 0.2), draw.uniform(0.005, 0.03)
    closed = _shape([480, 1000, 2500], tract, 8)
    opened = _shape(draw.choice([[720, 1150, 2600, 3600], [620, 1600, 2500, 3500]]), tract, 2, 0.1)

    def cry(gap_s: float) -> Wave:
        m = samples(min(about(draw, length, 0.2), 0.8 * gap_s))
        p = about(draw, pitch, 0.06)
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

    return finish(*calls(draw, voice, n, (0.7, 1.6), cry), draw)


def _clap(draw: Draw, centre: float) -> Wave:
    """One pair of hands: a burst of noise around the resonance of the cupped palms."""
    m = samples(0.05)
    burst = noise(draw.rng, m) * percussive(m, 0.0006, draw.uniform(0.008, 0.03))
    y = bandpass(burst, centre, draw.uniform(1.5, 4.0)) + 0.15 * highpass(burst, 2500)
    return normalise(y)


def applause(draw: Draw, voice: Voice, n: int) -> Sound:
    """Many hands, each pair with its own tempo and palms, before a hall that claps as a hiss."""
    num_people = int(draw.log_uniform(12, 130))
    centre = sized(draw, voice, 2200, 1300, 0.15)
    tempo = 2.6 * (5.2 / 2.6) ** voice.speed
    grains = [_clap(draw, about(draw, centre, 0.3)) for _ in range(16)]
    total_s = n / SAMPLE_RATE
    starts, gains = [], []
    for _ in range(num_people):
        rate = about(draw, tempo, 0.15)
        times = (np.arange(int(total_s * rate) + 2) + draw.rng.random()) / rate
        starts.append(times + 0.02 * draw.rng.standard_normal(len(times)))
        gains.append(draw.log_uniform(0.2, 1.0) * draw.rng.uniform(0.6, 1.0, len(times)))
    at, gain = np.concatenate(starts), np.concatenate(gains)
    at = at - at.min() + draw.uniform(0, min(0.15, 0.3 * total_s))  # the first clap is early
    order = draw.rng.permutation(len(at))
    clip = scatter(n, grains, (at[order] * SAMPLE_RATE).astype(int), gain[order])
    hiss = shaped_noise(draw.rng, n, [200, 800, 1500, 4000, 8000], [-30, -6, 0, -8, -20])
    clip = clip + draw.uniform(0.5, 1.6) * np.std(clip) * hiss
    clip = clip * np.exp(0.1 * wander(draw.rng, n, 2))
    clip = in_room(clip, draw, (0.4, 1.5), (0.15, 0.6))
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
    """Ha-ha-ha: bouts of short falling vowels, about five a second, with breath between them."""
    pitch = sized(draw, voice, 440, 170, 0.25)
    size = sized(draw, voice, 1.2, 0.92, 0.06)
    rate = 3.9 * (6.0 / 3.9) ** voice.speed * draw.uniform(0.9, 1.1)
    vowel = _shape(VOWELS[draw.choice(("a", "ae", "uh", "e", "o"))], size, draw.uniform(2, 5), 0.1)
    fraction, breath = draw.key(0.35, 0.55), draw.uniform(0.1, 0.35)
    sink, drop = draw.uniform(0.92, 1.0), draw.uniform(0.6, 0.85)
    aspiration = draw.uniform(0.06, 0.25)
    clip, onsets = np.zeros(n), []
    time_s = draw.uniform(0, min(0.25, 0.2 * n / SAMPLE_RATE))
    while time_s < n / SAMPLE_RATE - 0.05:
        p, loudness = about(draw, pitch, 0.1), 1.0
        for _ in range(int(draw.rng.integers(4, 10))):
            period = about(draw, 1 / rate, 0.08)
            m, h = samples(fraction * period), samples(period)
            f0 = pitch_curve([1.1 * p, 1.12 * p, drop * p], m, [0, 0.25, 1])
            source = folds(draw, f0, breath=breath, jitter=0.015, shimmer=0.1, dull_hz=3000)
            env = curve([0, 1, 0.7, 0], m, [0, 0.12, 0.5, 1])
            sigh = normalise(formants(noise(draw.rng, h), *vowel) * curve([0.5, 0.3, 1, 0.5], h))
            place(clip, aspiration * sigh, time_s, loudness)
            place(clip, spoken(source, env, [vowel], None, 0.1), time_s, loudness)
            onsets.append(time_s)
            time_s += period
            p, loudness = p * sink, loudness * draw.uniform(0.82, 1.0)
        if draw.chance(0.6):  # drawing breath
            k = samples(draw.uniform(0.2, 0.45))
            gasp = normalise(formants(noise(draw.rng, k), *vowel) * np.hanning(k))
            place(clip, gasp, time_s + 0.03, draw.uniform(0.1, 0.35))
        time_s += draw.uniform(0.3, 0.8) / (0.6 + voice.speed)
    clip = in_room(clip, draw, (0.2, 0.8), (0.08, 0.4))
    onsets = [t for t in onsets if t < n / SAMPLE_RATE - 0.03]
    return finish(indoor_air(clip, draw), onsets, draw, room=False)


def snore(draw: Draw, voice: Voice, n: int) -> Sound:
    """Snores: a rattling breath in, a soft breath out."""
    rattle_rate = sized(draw, voice, 75, 28, 0.25)
    tract = sized(draw, voice, 1.15, 0.85, 0.1)
    share, sharpness = draw.key(0.4, 0.6), draw.uniform(2, 10)
    nasal = _shape([300, 950, 2100, 3000], tract, draw.uniform(3, 8), 0.25)
    mouth = _shape([550, 1200, 2400, 3300], tract, draw.uniform(2, 6), 0.2)
    hiss, out_level = draw.uniform(0.15, 0.6), draw.log_uniform(0.04, 0.35)

    def breath(gap_s: float) -> Wave:
        m = samples(min(about(draw, share, 0.1) * gap_s, 1.6))
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

    return finish(*calls(draw, voice, n, (0.35, 0.9), breath, jitter=0.06), draw)


SYNTHS: dict[str, Synth] = {
    "rooster": rooster, "sheep": sheep, "duck": duck, "frog": frog, "owl": owl, "bird": bird,
    "bee": bee, "cricket": cricket, "elephant": elephant, "baby": baby, "applause": applause,
    "laughter": laughter, "snore": snore, "footsteps": sounds_impacts.footsteps,
    **sounds_mammals.SYNTHS,
}  # fmt: skip
