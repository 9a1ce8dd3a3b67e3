"""The sounds of vehicles: combustion pulses, exhausts, tyres, rotors, horns, and driving past."""

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
    formants,
    harmonics,
    highpass,
    lowpass,
    modal,
    noise,
    percussive,
    phase,
    pitch_curve,
    place,
    pulse,
    samples,
    saw,
    shaped_noise,
    sine,
    soft_clip,
    vibrato,
    wander,
)
from training.world.places import in_room
from training.world.voices import scaled

SPEED_OF_SOUND = 340.0  # m/s


def _unit(x: Wave) -> Wave:
    """Scaled to unit rms, so that parts can be mixed by ratio."""
    return x / (np.sqrt(np.mean(x * x)) + 1e-9)


def pass_by(draw: Draw, n: int, speed: float, miss: float) -> tuple[Wave, Wave]:
    """Loudness (peak 1) and Doppler factor heard while something drives past.

    Args:
        draw: Source of randomness: when it is nearest.
        n: Number of samples.
        speed: Metres per second.
        miss: Distance at the nearest point, metres.
    """
    t = np.arange(n) / SAMPLE_RATE
    x = speed * (t - t[-1] * draw.uniform(0.3, 0.75))
    distance = np.sqrt(x * x + miss * miss)
    doppler = 1 / (1 + speed * x / distance / SPEED_OF_SOUND)
    return distance.min() / distance, doppler


def engine(
    draw: Draw, cycle: Wave, cylinders: int, *, sharpness: float, uneven: float, crank: float = 0.0
) -> Wave:
    """Combustion pulses: each cylinder fires once per cycle, none quite like the next.

    Args:
        draw: Source of randomness.
        cycle: Engine cycles (two turns of a four-stroke) per second at each sample.
        cylinders: How many fire in one cycle.
        sharpness: How brief a pulse is; 2 is dull, 10 rasps.
        uneven: Spread of loudness and timing between cylinders; the lumps of an idle.
        crank: Shift of every second cylinder, in cycles: the gallop of a V-twin.
    """
    n = len(cycle)
    p = 2 * np.pi * phase(cycle, n)
    y = np.zeros(n)
    for k in range(cylinders):
        at = (k + 0.25 * uneven * draw.uniform(-1, 1)) / cylinders + crank * (k % 2)
        loud = 1 + uneven * draw.uniform(-1, 1)
        y += loud * np.exp(sharpness * cylinders**2 / 4 * (np.cos(p - 2 * np.pi * at) - 1))
    stutter = 1 + 0.25 * uneven * wander(draw.rng, n, 25.0)
    y = y * stutter
    return y - y.mean()


def exhaust(draw: Draw, x: Wave, low: float, spread: float, hiss: float) -> Wave:
    """The pipe and body that combustion pulses sound through, with the noise of their gas."""
    flow = np.clip(x, 0, None)
    x = _unit(x) + hiss * _unit(flow * noise(draw.rng, len(x)))
    freqs = [low * spread**k * draw.uniform(0.9, 1.1) for k in range(5)]
    gains = [1.0, 0.8, 0.5, 0.35, 0.2]
    return 0.6 * _unit(lowpass(x, 3 * low)) + 1.2 * _unit(
        formants(x, freqs, [0.35 * f for f in freqs], gains)
    )


def gears(draw: Draw, n: int, lo: float, hi: float, gear_s: float) -> Wave:
    """Engine speed over time while accelerating through gears: climbs, drops, climbs."""
    t = np.arange(n) / SAMPLE_RATE / gear_s + draw.uniform(0, 0.8)
    climb = t % 1.0
    drop = draw.uniform(0.45, 0.7)
    rpm = lo + (hi - lo) * (drop * np.minimum(t.astype(int), 1) * (1 - climb) + climb**0.8)
    return np.convolve(np.pad(rpm, 200, mode="edge"), np.full(401, 1 / 401), "valid")


def car(draw: Draw, voice: Voice, n: int) -> Sound:
    """Driving past on its tyres, pulling away through the gears, or standing with the engine on."""
    rng, kind = draw.rng, draw.choice(("pass", "pass", "drive off", "drive off", "idle"))
    cylinders = draw.choice((4, 4, 6, 6))
    idle = scaled(voice, 13, 8) * draw.uniform(0.9, 1.2)
    loudness, doppler = np.ones(n), np.ones(n)
    low, tyres = scaled(voice, 260, 130) * draw.uniform(0.8, 1.3), draw.log_uniform(0.4, 1.6)
    if kind == "pass":
        loudness, doppler = pass_by(draw, n, 10 + 22 * voice.speed, draw.log_uniform(2.5, 8))
        cycle = idle * draw.uniform(1.8, 3.5) * doppler
    elif kind == "drive off":
        cycle = gears(draw, n, idle * 1.4, idle * 4, 1.2 + 3 * (1 - voice.speed))
        loudness = curve([1, draw.uniform(0.5, 1.3)], n)
    else:
        revs = draw.uniform(1.0, 2.5)
        cycle = idle * curve([1, 1, revs, revs, 1.1, 1], n) * (1 + 0.5 * voice.speed)
        tyres = 0.15
    cycle = cycle * (1 + 0.012 * wander(rng, n, 20.0))
    # Pipes of unlike length put energy between the firing orders: a growl, not a tone.
    fire = engine(draw, cycle, cylinders, sharpness=draw.uniform(3, 7), uneven=draw.uniform(0.4, 1))
    motor = exhaust(draw, fire, low, draw.key(1.7, 2.3), draw.uniform(0.4, 0.9))
    motor = soft_clip(0.5 * motor, draw.uniform(1, 2))
    levels = [-3, 0, draw.uniform(-5, 0), -12, -26]
    road = shaped_noise(rng, n, [40, 150, draw.key(600, 1300), 3000, 7800], levels)
    y = _unit(motor) * loudness**0.8 + tyres * road * loudness
    y = in_room(y, draw, (0.2, 0.9), (0.08, 0.35))  # the houses of the street
    return finish(highpass(y, draw.log_uniform(30, 150)), (0.0,), draw, room=False)


def racing_car(draw: Draw, voice: Voice, n: int) -> Sound:
    """A strained engine that flies past, climbs through its gears, or is revved in the pits."""
    rng, kind = draw.rng, draw.choice(("pass", "gears", "gears", "revs", "revs"))
    top = scaled(voice, 90, 55) * draw.uniform(0.85, 1.15)  # cycles per second: 10 800 to 6600 rpm
    loudness = np.ones(n)
    if kind == "pass":
        loudness, doppler = pass_by(draw, n, 45 + 40 * voice.speed, draw.log_uniform(6, 25))
        cycle = 0.85 * top * doppler
        if draw.chance(0.5):
            cycle = cycle * gears(draw, n, 0.75, 1.05, 1.0)
    elif kind == "gears":
        cycle = gears(draw, n, 0.3 * top, 1.0 * top, 0.7 + 2.0 * (1 - voice.speed))
    else:
        knots = rng.choice([0.3, 1.0, 0.5, 1.1], max(4, int(n / SAMPLE_RATE * 2.0) + 2))
        cycle = top * curve(knots, n)
    cycle = cycle * (1 + 0.012 * wander(rng, n, 30.0))
    # Each bank of a V engine empties into one pipe, so two rough pulses are heard per cycle.
    fire = engine(draw, cycle, 2, sharpness=draw.uniform(14, 24), uneven=draw.key(0.25, 0.5),
                  crank=-0.1)  # fmt: skip
    low = scaled(voice, 220, 155) * draw.uniform(0.95, 1.05)
    y = exhaust(draw, fire, low, draw.key(1.9, 2.1), draw.uniform(0.15, 0.6))
    y = soft_clip(0.45 * _unit(y), draw.uniform(1.5, 2.5))
    air = shaped_noise(rng, n, [150, 800, 4000, 7800], [-16, 0, -2, -14])
    y = _unit(y) * loudness**1.2 + draw.log_uniform(0.03, 0.09) * air * loudness
    if draw.chance(0.3):  # tyres squeal in a bend
        squeal = draw.log_uniform(800, 1500) * (1 + 0.02 * wander(rng, n, 25))
        grip = np.clip(wander(rng, n, 1.5), 0, 1)
        y += draw.uniform(0.3, 1.0) * grip * (saw(squeal, n) + 0.3 * noise(rng, n))
    y = in_room(y, draw, (0.4, 1.5), (0.03, 0.15))  # the stands echo
    return finish(highpass(y, 50), (0.0,), draw, room=False)


def motorcycle(draw: Draw, voice: Voice, n: int) -> Sound:
    """A lumpy idle with blips of the throttle, or a rasp that rides past."""
    rng, kind = draw.rng, draw.choice(("idle", "blips", "blips", "blips", "pass"))
    cylinders = draw.choice((1, 2, 2, 2))
    crank = draw.choice((0.0, -0.125, -0.1)) if cylinders == 2 else 0.0
    idle = scaled(voice, 17.0, 10.0) * draw.uniform(0.9, 1.15)
    loudness = np.ones(n)
    if kind == "blips":
        shape = np.ones(n)
        for at in event_times(draw, voice, n / SAMPLE_RATE, 0.5, 2.2, jitter=0.3):
            m = samples(draw.uniform(0.35, 0.9))
            blip = curve([0, 1, 0.45, 0.12, 0], m, [0, 0.25, 0.5, 0.8, 1])
            place(shape, blip, at, draw.uniform(1.5, 4.0))
        cycle = idle * shape
        loudness = (0.35 + 0.65 * (shape - shape.min()) / max(np.ptp(shape), 1e-6)) ** 0.7
    elif kind == "idle":
        cycle = np.full(n, idle * draw.uniform(1.3, 2.2))
    else:
        loudness, doppler = pass_by(draw, n, 14 + 26 * voice.speed, draw.log_uniform(3, 10))
        cycle = idle * draw.uniform(1.8, 2.8) * doppler
    cycle = cycle * (1 + 0.03 * wander(rng, n, 6.0))
    fire = engine(draw, cycle, cylinders, sharpness=draw.uniform(14, 50),
                  uneven=draw.uniform(0.4, 0.9), crank=crank)  # fmt: skip
    low = scaled(voice, 330, 210) * draw.uniform(0.9, 1.1)
    pipe = exhaust(draw, fire, low, draw.key(1.8, 2.2), draw.uniform(0.7, 1.3))
    pipe = in_room(pipe, draw, (0.1, 0.4), (0.1, 0.3))  # the ground and walls echo
    pipe = soft_clip(0.45 * _unit(pipe), draw.uniform(1.5, 2.5)) * loudness
    clatter = shaped_noise(rng, n, [150, 800, 4000, 7800], [-16, 0, -2, -14])
    y = _unit(pipe) + draw.log_uniform(0.02, 0.06) * clatter
    return finish(highpass(y, 50), (0.0,), draw, room=False)


def _whistle(draw: Draw, voice: Voice, n: int, blast_s: float) -> Wave:
    """A steam whistle: a breathy chord whose pitch rises into place and sags at the end."""
    m = min(n, samples(blast_s))
    base = scaled(voice, 900, 380) * draw.uniform(0.85, 1.2)
    bend = pitch_curve([0.9, 1.0, 1.0, 0.93], m, [0, 0.12, 0.85, 1])
    bend = bend * vibrato(draw.rng, m, 6, 0.002, 0.002)
    chord = draw.choice(((1.0,), (1, 1.26, 1.5), (1, 1.19, 1.5, 1.78), (1, 1.33), (1, 1.2, 1.68)))
    y = sum(harmonics(base * r * bend, [1, 0.35, 0.25, 0.1, 0.06], m) for r in chord)
    y = _unit(y) + draw.uniform(0.1, 0.5) * band_noise(draw.rng, m, base, 5 * base)
    return y * adsr(m, 0.06, 0.1, 0.85, 0.15)


def train(draw: Draw, voice: Voice, n: int) -> Sound:
    """Steam chuffs in fours, or wheels clacking over rail joints; sometimes a whistle."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    y = np.zeros(n)
    is_steam = draw.chance(0.68)
    if is_steam:
        gap = 1 / (1.6 * (9 / 1.6) ** voice.speed)
        first = draw.uniform(0, min(gap, 0.3 * duration))
        accents = 1 + draw.uniform(0.1, 0.6) * rng.uniform(-1, 1, 4)
        low = scaled(voice, 500, 220) * draw.uniform(0.8, 1.2)
        m = samples(min(0.35, 1.3 * gap))
        puff = percussive(m, min(0.07, 0.35 * gap), min(0.6, 2.5 * gap))
        levels = [-12, 0, -2, -9, -22]
        freqs = [low / 4, low, draw.key(2, 5) * low, 3000, 7800]
        for i, at in enumerate(np.arange(first, duration, gap)):
            chuff = shaped_noise(rng, m, freqs, levels) * puff
            place(y, chuff, at + rng.normal(0, 0.006 * gap), accents[i % 4])
        hiss = shaped_noise(rng, n, [200, 2000, 7800], [-20, 0, -4])
        y = y + draw.log_uniform(0.08, 0.4) * hiss
        y += draw.log_uniform(0.1, 0.4) * shaped_noise(
            rng, n, [30, 90, 400, 7800], [-5, 0, -6, -34]
        )
    else:
        roll = shaped_noise(rng, n, [30, 90, 400, 2000, 7800], [-5, 0, -3, -10, -24])
        y += draw.log_uniform(0.6, 1.8) * roll * (1 + 0.2 * wander(rng, n, 5))
        gap = 1 / (0.7 * (3.0 / 0.7) ** voice.speed)
        freqs = [f * draw.uniform(0.85, 1.15) for f in (110, 260, 700, 1700, 3300)]
        clack = modal(2400, freqs, [0.12, 0.1, 0.07, 0.05, 0.04], [1, 1, 0.7, 0.5, 0.3], rng)
        clack = 0.5 * clack + percussive(2400, 0.002, 0.1) * noise(rng, 2400)
        pair = draw.uniform(0.12, 0.25) * gap
        for at in np.arange(draw.uniform(0, min(gap, 0.3 * duration)), duration, gap):
            place(y, clack, at, 2.0 * draw.uniform(0.8, 1))
            place(y, clack, at + pair, 1.6 * draw.uniform(0.8, 1))
        if draw.chance(0.3):  # wheels squeal in a curve
            f = draw.uniform(1800, 3800) * (1 + 0.01 * wander(rng, n, 3))
            y += 0.25 * harmonics(f, [1, 0.5], n) * np.clip(wander(rng, n, 2.0), 0, 1)
    if draw.chance(0.5):
        at = draw.uniform(0, 0.4) * duration
        blast_s = draw.uniform(0.5, 2.0)
        if is_steam:
            place(y, _whistle(draw, voice, n, blast_s), at, draw.uniform(0.5, 1.4))
        else:
            m = min(n, samples(blast_s))
            base = scaled(voice, 350, 230)
            horn = sum(saw(base * r, m) for r in (1.0, 1.2, 1.5, draw.choice((1.68, 1.78, 2.0))))
            horn = _unit(lowpass(horn, 2500)) * adsr(m, 0.05, 0.1, 0.9, 0.15)
            place(y, horn, at, draw.uniform(0.4, 1.2))
    return finish(y, (0.0,), draw, room=draw.chance(0.5))


def helicopter(draw: Draw, voice: Voice, n: int) -> Sound:
    """Rotor blades slapping the air, the buzz of the tail rotor and a whining turbine."""
    rng = draw.rng
    rate = scaled(voice, 24, 10) * (0.75 + 0.55 * voice.speed) * draw.uniform(0.95, 1.05)
    beat = rate * (1 + 0.01 * wander(rng, n, 1.0))
    p = 2 * np.pi * phase(beat, n, draw.uniform(0, 1))
    sharp = draw.uniform(3, 14)
    slap = np.exp(sharp * (np.cos(p) - 1))
    slap = slap * (1 + 0.15 * np.cos(p / draw.choice((2, 3, 4))))  # one blade is louder
    low = scaled(voice, 130, 55)
    thump = lowpass(slap - slap.mean(), 6 * low)
    air = shaped_noise(
        rng, n, [50, low * 2, draw.key(400, 1400), 3000, 7800], [-4, 0, -2, -14, -34]
    )
    y = draw.uniform(0.4, 1.1) * _unit(thump) + _unit(air * (draw.uniform(0.06, 0.3) + slap))
    tail = harmonics(beat * draw.uniform(4.2, 6.5), [1, 0.7, 0.4, 0.3, 0.2], n)
    whine = sine(draw.log_uniform(1500, 5000) * (1 + 0.002 * wander(rng, n, 4)), n)
    roar = coloured_noise(rng, n, -5)
    y += draw.log_uniform(0.03, 0.3) * tail + draw.log_uniform(0.003, 0.07) * whine
    y += draw.log_uniform(0.03, 0.25) * roar
    if draw.chance(0.5):
        y = y * curve(draw.choice(((0.4, 1.0), (1.0, 0.4), (0.5, 1.0, 0.6))), n)
    return finish(y, (0.0,), draw, room=False)


def _ground_echo(x: Wave, delay: Wave, gain: float) -> Wave:
    """Add a copy of x delayed by a moving number of samples: the comb of a jet overhead."""
    at = np.arange(len(x)) - delay
    return x + gain * np.interp(at, np.arange(len(x)), x)


def airplane(draw: Draw, voice: Voice, n: int) -> Sound:
    """A jet's roar and falling whine sweeping over, or the drone of a propeller."""
    rng = draw.rng
    speed = 55 + 110 * voice.speed
    loudness, doppler = pass_by(draw, n, speed, draw.log_uniform(90, 260))
    doppler = doppler / doppler.max()
    if draw.chance(0.68):
        centre = scaled(voice, 420, 150) * draw.uniform(0.8, 1.25)
        dull = shaped_noise(rng, n, [25, centre, 4 * centre, 7800], [-4, 0, -12, -38])
        peak = draw.key(700, 2400)
        bright = shaped_noise(rng, n, [centre / 2, peak, 2.2 * peak, 7800], [-16, 0, -6, -20])
        y = dull * loudness**0.7 + draw.log_uniform(0.3, 1.2) * bright * loudness**1.4
        delay = samples(0.0015) + draw.uniform(40, 160) * (1 - loudness)
        y = _ground_echo(y, delay, draw.uniform(0.3, 0.8))
        fan = scaled(voice, 3200, 1400) * doppler * (1 + 0.002 * wander(rng, n, 6))
        whine = sine(fan, n) + 0.5 * sine(1.47 * fan, n) + 0.4 * sine(2.02 * fan, n)
        y += draw.log_uniform(0.01, 0.25) * whine * loudness**1.3
    else:
        blade = scaled(voice, 130, 62) * draw.uniform(0.9, 1.1) * doppler
        detuned = blade * (1 + draw.uniform(0.004, 0.02))
        buzz = _unit(pulse(blade, n, draw.log_uniform(60, 600)))
        buzz += draw.choice((0.0, 0.9)) * _unit(pulse(detuned, n, 150))  # two engines beat
        freqs = [draw.key(180, 420), draw.uniform(600, 900), draw.uniform(1300, 2200)]
        buzz = 0.7 * _unit(lowpass(buzz, 3000)) + 1.0 * _unit(formants(buzz, freqs, [150, 250, 400],
                                                                [1, 0.6, 0.3]))  # fmt: skip
        rush = shaped_noise(rng, n, [60, 400, 2000, 7800], [-6, 0, -8, -24])
        y = (buzz + draw.log_uniform(0.15, 0.7) * rush) * loudness**0.9
    if draw.chance(0.25):  # cruising: no rise and fall
        y = y / np.maximum(loudness, 0.15) ** 0.8
    return finish(y, (0.0,), draw, room=False)


def ship(draw: Draw, voice: Voice, n: int) -> Sound:
    """A deep horn of one or two beating reeds, in long blasts that ring over harbour and water."""
    rng, duration = draw.rng, n / SAMPLE_RATE
    base = scaled(voice, 190, 75) * draw.uniform(0.92, 1.08)
    times = event_times(draw, voice, duration, 0.25, 0.8)
    gap = 1 / (0.25 * (0.8 / 0.25) ** voice.speed)
    m = samples(gap * draw.uniform(0.6, 0.9))
    bend = pitch_curve([draw.uniform(0.95, 0.99), 1, 1, 0.97], m, [0, 0.1, 0.92, 1])
    bend = bend * vibrato(rng, m, 5, 0.0, 0.003)
    ratios = draw.choice(((1.0,), (1.0, 1.006), (1.0, 1.19), (1.0, 1.26), (1.0, 1.003, 1.498)))
    tone = sum(_unit(pulse(base * r * bend, m, draw.log_uniform(40, 300))) for r in ratios)
    freqs = [draw.uniform(180, 300), draw.key(420, 800), draw.uniform(1100, 1700)]
    freqs = [f * scaled(voice, 1.2, 0.8) for f in freqs]
    tone = _unit(lowpass(tone, 500)) + draw.uniform(0.5, 1.2) * _unit(
        formants(tone, freqs, [200, 300, 600], [1, 0.7, 0.5])
    )
    tone += draw.uniform(0.08, 0.25) * band_noise(rng, m, 150, 1800)  # compressed air
    tone = tone * adsr(m, draw.uniform(0.05, 0.2), 0.2, 0.9, draw.uniform(0.1, 0.3))
    y = np.zeros(n)
    for at in times:
        place(y, tone, at)
    y = in_room(y, draw, (1.5, 4.0), (0.4, 1.5))
    water = shaped_noise(rng, n, [40, 200, 1500, 7800], [-4, 0, -9, -28])
    y = _unit(y) + draw.log_uniform(0.04, 0.25) * water * (1 + 0.4 * wander(rng, n, 1.5))
    return finish(y, times, draw, room=False)


def _horn(draw: Draw, f0: Wave, brightness: float) -> Wave:
    """A loud pressure horn or horn speaker: many harmonics, strong between 1 and 3 kHz."""
    tone = saw(f0, len(f0)) + 0.4 * pulse(f0, len(f0), 12)
    freqs = [draw.uniform(700, 1000), draw.uniform(1400, 2000), draw.uniform(2400, 3300)]
    body = formants(tone, freqs, [350, 500, 800], [1, 0.9 * brightness, 0.7 * brightness])
    return soft_clip(_unit(body) + 0.5 * _unit(lowpass(tone, 1200)), draw.uniform(0.4, 1.5))


def _two_tone(draw: Draw, voice: Voice, n: int) -> Wave:
    """The pitch of a horn that goes to and fro between two notes."""
    low = scaled(voice, 580, 350) * draw.uniform(0.95, 1.05)
    high = low * draw.choice((1.189, 1.26, 1.335, 1.335))
    tone_s = 0.9 * (0.3 / 0.9) ** voice.speed * draw.uniform(0.92, 1.08)
    which = ((np.arange(n) / SAMPLE_RATE / tone_s + draw.uniform(0, 2)).astype(int)) % 2
    f0 = np.where(which == 1, high, low).astype(float)
    glide = samples(draw.uniform(0.004, 0.03))
    kernel = np.full(2 * glide + 1, 1 / (2 * glide + 1))
    return np.convolve(np.pad(f0, glide, mode="edge"), kernel, "valid")


def _wail(draw: Draw, voice: Voice, n: int) -> Wave:
    """The pitch of a motor siren: it winds up, and coasts down more slowly."""
    low, high = scaled(voice, 440, 250), scaled(voice, 1150, 680) * draw.uniform(0.9, 1.1)
    rate = 0.2 * (0.6 / 0.2) ** voice.speed
    cycles = (np.arange(n) / SAMPLE_RATE * rate + draw.uniform(0, 1)) % 1
    up, down = cycles / 0.35, np.maximum(cycles - 0.35, 0) / 0.65
    u = np.where(cycles < 0.35, 1 - (1 - up) ** 2, 1 - down**1.3)
    return low * (high / low) ** np.clip(u, 0, 1)


def _air_horn(draw: Draw, voice: Voice, n: int) -> Wave:
    """Blasts of the truck's air horns: two or three harsh low reeds at once."""
    base = scaled(voice, 330, 200) * draw.uniform(0.9, 1.1)
    m = samples(draw.uniform(0.5, 1.4))
    reeds = sum(_horn(draw, np.full(m, base * r), 1.0) for r in (1.0, 1.19, 1.5))
    y = np.zeros(n)
    for at in np.arange(draw.uniform(0, 0.5), n / SAMPLE_RATE, draw.uniform(1.2, 2.5)):
        place(y, _unit(reeds) * adsr(m, 0.04, release_s=0.08), at)
    return y


def _diesel(draw: Draw, voice: Voice, n: int, doppler: Wave) -> Wave:
    """A heavy truck: knocking cylinders, a whistling turbo, tyres and wind."""
    cycle = scaled(voice, 11, 7) * draw.uniform(1.2, 2.2) * doppler
    cycle = cycle * curve(draw.rng.uniform(0.85, 1.2, 4), n)
    fire = engine(draw, cycle, 6, sharpness=draw.uniform(4, 9), uneven=0.4)
    motor = _unit(exhaust(draw, fire, scaled(voice, 125, 75), 2.2, 1.2))
    road = shaped_noise(draw.rng, n, [40, 150, 900, 3000, 7800], [-4, 0, -5, -14, -28])
    return motor + draw.uniform(0.5, 1.2) * road


def fire_engine(draw: Draw, voice: Voice, n: int) -> Sound:
    """A two-tone horn or a winding motor siren, air horns, and a roaring diesel truck."""
    kind = draw.choice(("two-tone", "wail", "wail"))
    f0 = _two_tone(draw, voice, n) if kind == "two-tone" else _wail(draw, voice, n)
    loudness, doppler = np.ones(n), np.ones(n)
    if draw.chance(0.6):
        loudness, doppler = pass_by(draw, n, draw.uniform(8, 20), draw.log_uniform(6, 25))
    y = _unit(_horn(draw, f0 * doppler, draw.key(0.3, 1.3)))
    horns = draw.uniform(0.5, 0.9) if kind == "two-tone" else draw.uniform(0.8, 1.6)
    y = y + horns * _air_horn(draw, voice, n)
    y = in_room(y, draw, (0.5, 1.8), (0.3, 1.0))  # the houses of the street
    y = _unit(y) + draw.log_uniform(0.4, 0.9) * _unit(_diesel(draw, voice, n, doppler))
    return finish(y * loudness**0.8, (0.0,), draw, room=False)


def siren(draw: Draw, voice: Voice, n: int) -> Sound:
    """A pitch that sweeps up and down: a slow wail, a quick yelp, or a hand-cranked howl."""
    rng = draw.rng
    kind = draw.choice(("wail", "wail", "yelp", "yelp", "mechanical", "phaser"))
    low = scaled(voice, 750, 420) * draw.uniform(0.9, 1.1)
    high = low * draw.uniform(1.9, 2.7)
    slow, fast = {"wail": (0.2, 0.7), "yelp": (2.0, 4.5), "phaser": (9, 17)}.get(kind, (0.1, 0.35))
    rate = slow * (fast / slow) ** voice.speed
    cycles = (np.arange(n) / SAMPLE_RATE * rate + draw.uniform(0, 1)) % 1
    rise = draw.key(0.25, 0.75)  # part of the sweep that goes up
    u = np.where(cycles < rise, cycles / rise, (1 - cycles) / (1 - rise))
    if kind == "mechanical":
        low, u = 0.45 * low, 1 - (1 - u) ** 2  # a rotor that spins up and coasts down
    else:
        u = u * u * (3 - 2 * u) if draw.chance(0.6) else u
    f0 = low * (high / low) ** u
    loudness, doppler = np.ones(n), 1.0
    if draw.chance(0.5):
        loudness, doppler = pass_by(draw, n, draw.uniform(10, 28), draw.log_uniform(6, 30))
    tone = _unit(_horn(draw, f0 * doppler * (1 + 0.001 * wander(rng, n, 8)), draw.uniform(0.3, 1)))
    if draw.chance(0.4):
        tone = lowpass(tone, draw.log_uniform(1200, 4000))  # heard from down the street
    y = tone * loudness**0.8
    street = coloured_noise(rng, n, -5)
    return finish(y + draw.log_uniform(0.01, 0.12) * street, (0.0,), draw)


SYNTHS: dict[str, Synth] = {
    "car": car,
    "racing_car": racing_car,
    "motorcycle": motorcycle,
    "train": train,
    "helicopter": helicopter,
    "airplane": airplane,
    "ship": ship,
    "fire_engine": fire_engine,
    "siren": siren,
}
