"""Sounds beyond the world's things: further instruments of the sound font, horns and bells."""

from functools import lru_cache

import numpy as np

from training.world.instruments import RENDER_RATE, SLOT_S, _render_program
from training.world.pictures import CACHE
from training.world.scenes import NUM_SAMPLES, SAMPLE_RATE

assert RENDER_RATE == 2 * SAMPLE_RATE
assert SLOT_S > NUM_SAMPLES / SAMPLE_RATE

# General MIDI programs, counted from 0; none that the world keeps for testing.
PROGRAMS: dict[str, tuple[int, ...]] = {
    "an electric piano playing": (4, 5),
    "a harpsichord playing": (6,),
    "a celesta playing": (8,),
    "a glockenspiel playing": (9,),
    "a music box playing": (10,),
    "a vibraphone playing": (11,),
    "a marimba playing": (12,),
    "a xylophone playing": (13,),
    "tubular bells ringing": (14,),
    "a dulcimer playing": (15,),
    "an organ playing": (16, 17, 18, 19, 20),
    "a harmonica playing": (22,),
    "an electric guitar playing": (28, 29, 30),
    "a bass guitar playing": (32, 33, 34, 36),
    "a cello playing": (42,),
    "a double bass playing": (43,),
    "a harp playing": (46,),
    "timpani playing": (47,),
    "a string orchestra playing": (48, 49),
    "a choir singing": (52, 53),
    "a tuba playing": (58,),
    "a French horn playing": (60,),
    "a brass band playing": (61,),
    "an oboe playing": (68, 69),
    "a bassoon playing": (70,),
    "a clarinet playing": (71,),
    "a bottle being blown": (76,),
    "a person whistling": (78,),
    "an ocarina playing": (79,),
    "a synthesizer playing": (80, 81, 90),
    "a sitar playing": (104,),
    "a banjo playing": (105,),
    "a koto playing": (106, 107),
    "a kalimba playing": (108,),
    "bagpipes playing": (109,),
    "a steel drum playing": (114,),
    "a wood block being struck": (115,),
    "a taiko drum beating": (116,),
    "the sea at the shore": (122,),
    "birds tweeting": (123,),
    "a telephone ringing": (124,),
    "a helicopter flying": (125,),
    "an audience applauding": (126,),
    "a gun shot": (127,),
}
KEYS = (41, 48, 55, 62, 69, 76)
HORN, LORRY, BICYCLE = "a car horn honking", "a truck horn blowing", "a bicycle bell ringing"
NAMES = (*PROGRAMS, HORN, LORRY, BICYCLE)
# Whose sound it is: what a picture of its source is called.
SOURCES = {HORN: "a car", LORRY: "a truck", BICYCLE: "a bicycle"}


@lru_cache(maxsize=256)
def _notes(program: int) -> np.ndarray:
    """Six notes of a program, float32 [6, samples], from the cache or the sound font."""
    path = CACHE / "notes" / f"program_{program}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, _render_program(program, 0, [(key, 100) for key in KEYS]).astype(np.float16))
    return np.load(path).astype(np.float32)


def _played(program: int, rng: np.random.Generator) -> np.ndarray:
    """A few notes in time, each shifted by up to three semitones and cut to its length."""
    wave = np.zeros(NUM_SAMPLES, np.float32)
    notes = _notes(program)
    gap = int(rng.uniform(0.15, 0.9) * SAMPLE_RATE)
    for start in range(int(rng.integers(0, 4000)), NUM_SAMPLES, gap):
        note = notes[rng.integers(len(notes))]
        ratio = 2 ** (rng.integers(-3, 4) / 12)
        at = np.arange(0, len(note) - 1, ratio)
        note = np.interp(at, np.arange(len(note)), note)[: int(gap * rng.uniform(0.8, 3))]
        note[-200:] *= np.linspace(1, 0, len(note[-200:]))
        end = min(start + len(note), NUM_SAMPLES)
        wave[start:end] += (note * rng.uniform(0.4, 1))[: end - start]
    return wave


def _horn(rng: np.random.Generator, low_hz: float, high_hz: float) -> np.ndarray:
    """One or two reeds a third apart, rich in harmonics, sounded one to four times."""
    first = rng.uniform(low_hz, high_hz)
    pitches = [first] if rng.random() < 0.3 else [first, first * rng.uniform(1.18, 1.34)]
    t = np.arange(NUM_SAMPLES) / SAMPLE_RATE
    tone = np.zeros(NUM_SAMPLES)
    formant, width = rng.uniform(1200, 3500), rng.uniform(600, 2500)
    for pitch in pitches:
        for n in range(1, int(7800 / pitch)):
            level = n ** -rng.uniform(0.3, 1.0) * (
                0.3 + np.exp(-(((n * pitch - formant) / width) ** 2))
            )
            tone += level * np.sin(2 * np.pi * (n * pitch * t + rng.random()))
    gate = np.zeros(NUM_SAMPLES)
    start = int(rng.integers(0, NUM_SAMPLES // 3))
    for _ in range(int(rng.integers(1, 5))):
        length = int(np.exp(rng.uniform(np.log(0.1), np.log(2.0))) * SAMPLE_RATE)
        gate[start : start + length] = 1
        start += length + int(rng.uniform(0.05, 0.5) * SAMPLE_RATE)
    ramp = np.ones(int(rng.uniform(0.005, 0.03) * SAMPLE_RATE))
    return tone * np.convolve(gate, ramp / len(ramp))[:NUM_SAMPLES]


def _bicycle_bell(rng: np.random.Generator) -> np.ndarray:
    """A small bell struck fast and often by its clapper."""
    wave = np.zeros(NUM_SAMPLES)
    t = np.arange(int(1.2 * SAMPLE_RATE)) / SAMPLE_RATE
    pitch, decay = rng.uniform(1800, 3200), rng.uniform(3, 9)
    partials = [(1.0, 1.0), (rng.uniform(2.4, 2.8), 0.5), (rng.uniform(4.0, 5.5), 0.3)]
    ring = sum(
        a * np.sin(2 * np.pi * pitch * r * t) * np.exp(-decay * r**0.5 * t)
        for r, a in partials
        if pitch * r < 7800
    )
    start = int(rng.integers(0, NUM_SAMPLES // 3))
    for _ in range(int(rng.integers(1, 4))):
        for _ in range(int(rng.integers(1, 9))):
            end = min(start + len(ring), NUM_SAMPLES)
            wave[start:end] += rng.uniform(0.4, 1) * ring[: max(0, end - start)]
            start += int(rng.uniform(0.03, 0.09) * SAMPLE_RATE)
        start += int(rng.uniform(0.2, 0.8) * SAMPLE_RATE)
        if start >= NUM_SAMPLES:
            break
    return wave


def extra_sound(name: str, rng: np.random.Generator) -> np.ndarray:
    """One of `NAMES` as a waveform, float32 [40960], peak 1."""
    if name == HORN:
        wave = _horn(rng, 300, 520)
    elif name == LORRY:
        wave = _horn(rng, 120, 280)
    elif name == BICYCLE:
        wave = _bicycle_bell(rng)
    else:
        wave = _played(int(rng.choice(PROGRAMS[name])), rng)
    return (wave / max(float(np.abs(wave).max()), 1e-6)).astype(np.float32)
