"""Scenes of the world: a moving picture, its sound, a caption and the true event times."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfilt

from training.world import instruments, recorded, sounds_living, sounds_things
from training.world.captions import caption
from training.world.dsp import Draw, Sound, Voice
from training.world.pictures import STYLES_OF_SPLIT, art_of_thing, blur, film
from training.world.things import BY_ID, IDS

Split = Literal["train", "val", "test", "judge"]
SPLIT_SEEDS = {"train": 1, "val": 2, "test": 3, "judge": 4}
NUM_SAMPLES = 40_960  # 2.56 s at 16 kHz
SAMPLE_RATE = 16_000
SYNTHS = {**sounds_living.SYNTHS, **sounds_things.SYNTHS, **instruments.SYNTHS}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One thing that is seen and heard for 2.56 s."""

    frames: np.ndarray  # uint8 [16, 3, size, size]
    waveform: np.ndarray  # float32 [40960], 16 kHz, in [-1, 1]
    caption: str
    thing: str
    onsets_s: tuple[float, ...]


def _rng(split: Split, seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng([SPLIT_SEEDS[split], seed, part])


def thing_of(seed: int) -> str:
    """Which thing scene `seed` shows: every run of 56 seeds holds each thing once."""
    return IDS[seed % len(IDS)]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The audible half of a scene."""

    waveform: np.ndarray
    onsets_s: tuple[float, ...]
    thing: str
    voice: Voice
    distance: float


def heard(seed: int, split: Split, num_samples: int = NUM_SAMPLES) -> Heard:
    """The sound of scene `seed`; an eighth to a half are recordings if there are any."""
    rng = _rng(split, seed, 0)
    thing = thing_of(seed)
    voice = Voice(size=float(rng.random()), speed=float(rng.random()))
    distance = float(rng.random())
    # Judges must know both parts of the parameter space; nobody else may see the held-out part.
    is_held_out = split == "test" or (split == "judge" and rng.random() < 0.4)
    sound: Sound | None = None
    half = "test" if split == "test" else "train"
    if rng.random() < recorded.share_of(thing, half):
        sound = recorded.sound_of(thing, rng, half, num_samples, voice)
    if sound is None:
        sound = SYNTHS[thing](Draw(rng, is_held_out), voice, num_samples)
    waveform = sound.waveform / max(float(np.abs(sound.waveform).max()), 1e-4)
    waveform = waveform * 10 ** (-(2 + 14 * distance + rng.uniform(0, 3)) / 20)
    if distance > 0.6:  # air dulls what is far away
        cutoff = 7000 - 4500 * (distance - 0.6) / 0.4
        waveform = sosfilt(butter(1, cutoff, fs=SAMPLE_RATE, output="sos"), waveform)
    waveform = waveform + rng.normal(0, 10 ** (-rng.uniform(55, 80) / 20), num_samples)
    return Heard(
        waveform=np.clip(waveform, -1, 1).astype(np.float32),
        onsets_s=sound.onsets_s,
        thing=thing,
        voice=voice,
        distance=distance,
    )


def seen(of: Heard, seed: int, split: Split, size: int = 64, is_plain: bool = False) -> np.ndarray:
    """The picture that belongs to a sound; uint8 frames [16, 3, size, size].

    A plain one shows its thing large, sharp and before a plain background: what a small generator
    learns to draw from.
    """
    rng = _rng(split, seed, 1)
    thing = BY_ID[of.thing]
    drawings = art_of_thing(thing, STYLES_OF_SPLIT[split]) or art_of_thing(
        thing, STYLES_OF_SPLIT["judge"]
    )
    choice = drawings[rng.integers(len(drawings))]
    scale = (0.34 + 0.36 * of.voice.size) * (1.15 - 0.4 * of.distance)
    if is_plain:
        scale = 0.55 + 0.5 * (scale - 0.25)  # from 0.26..0.81 to 0.55..0.83
    frames = film(
        rng, thing, choice, of.onsets_s,
        scale=scale, speed=of.voice.speed, size=size, is_plain=is_plain,
    )  # fmt: skip
    is_blurred = rng.random() < 0.15 and not is_plain
    return blur(frames, 0.5 * size / 64) if is_blurred else frames


def make_scene(seed: int, split: Split, size: int = 64) -> Scene:
    """Scene number `seed` of a split; the same numbers give the same scene on every machine."""
    sound = heard(seed, split)
    text = caption(
        _rng(split, seed, 2),
        BY_ID[sound.thing],
        size=sound.voice.size,
        speed=sound.voice.speed,
        distance=sound.distance,
    )
    return Scene(
        frames=seen(sound, seed, split, size),
        waveform=sound.waveform,
        caption=text,
        thing=sound.thing,
        onsets_s=sound.onsets_s,
    )


def scenes(split: Split, start: int, count: int, size: int = 64) -> Iterator[Scene]:
    """Scenes `start` to `start + count - 1` of a split."""
    for seed in range(start, start + count):
        yield make_scene(seed, split, size)
