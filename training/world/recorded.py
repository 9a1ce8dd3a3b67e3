"""Real recordings of the world's things, cut, varied and joined into scene sounds."""

import json
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from training.world.dsp import SAMPLE_RATE, Draw, Sound, Voice, Wave, curve, samples, tilt
from training.world.onsets import onsets_in
from training.world.pictures import CACHE
from training.world.places import in_room, indoor_air, outdoors
from training.world.things import BY_ID

FOLDER = CACHE / "recordings"
ENGINES = ("car", "racing_car", "motorcycle")

# Of things whose recordings are often of one event each: events per second, slow and fast, and
# how uneven their gaps are, 0 .. 1.
RATES = {
    "keyboard": (3.0, 9.0, 0.5), "footsteps": (1.3, 3.0, 0.1), "hammer": (1.0, 4.0, 0.15),
    "door": (1.5, 5.0, 0.2), "clock": (1.0, 4.0, 0.03), "drum": (1.5, 6.0, 0.1),
    "drops": (1.0, 6.0, 0.4), "applause": (2.2, 4.8, 0.1), "scissors": (1.0, 4.0, 0.2),
    "guitar": (1.0, 4.0, 0.1), "piano": (1.0, 4.0, 0.1),
}  # fmt: skip


@lru_cache(maxsize=1)
def entries() -> tuple[dict[str, str], ...]:
    """All recordings with file, thing, text and split; none if nothing was fetched."""
    path = FOLDER / "index.json"
    return tuple(json.loads(path.read_text())) if path.exists() else ()


# Recordings whose description contradicts what captions say of their thing: a crowd that cheers is
# no applause, a turbine that starts has no rotor to hear yet.
OFF_CAPTION = ("cheering", "starting its engine", "stopping its engine")


@lru_cache(maxsize=1)
def _index() -> dict[tuple[str, str], list[str]]:
    """Files for scenes by (thing, split); empty when nothing was fetched."""
    files: dict[tuple[str, str], list[str]] = {}
    for entry in entries():
        if entry["thing"] and not any(words in entry["text"] for words in OFF_CAPTION):
            files.setdefault((entry["thing"], entry["split"]), []).append(entry["file"])
    return files


def share_of(thing: str, split: str) -> float:
    """The part of a thing's scenes made of recordings: 0.12 for one or two, 0.5 for eight or more.

    Each half of the recordings decides its own share, so that no few files fill half of a test.
    """
    count = len(_index().get((thing, split), []))
    return min(0.5, max(0.12, count / 16))


@lru_cache(maxsize=2048)
def samples_of(file: str) -> np.ndarray:
    """Mono samples of a recording at 16 kHz."""
    samples, rate = soundfile.read(FOLDER / file, dtype="float32")
    assert rate == SAMPLE_RATE, (file, rate)
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def varied_speed(samples: np.ndarray, ratio: float) -> np.ndarray:
    """Played `ratio` times as fast, pitch and all (linear interpolation)."""
    at = np.arange(0, len(samples) - 1, ratio)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _trimmed(x: Wave) -> Wave:
    """Without the silence before the sound: starts 10 ms before it is within 35 dB of its peak."""
    loud = np.flatnonzero(np.abs(x) > 0.018 * np.abs(x).max())
    return x[max(0, loud[0] - SAMPLE_RATE // 100) :] if len(loud) else x


def _looped(x: Wave, n: int) -> Wave:
    """At least n samples of a steady sound, repeated with cross-fades."""
    fade = min(len(x) // 3, samples(0.1))
    ramp = np.linspace(0, 1, fade)
    y = x
    while len(y) < n:
        seam = y[len(y) - fade :] * np.sqrt(1 - ramp) + x[:fade] * np.sqrt(ramp)
        y = np.concatenate([y[: len(y) - fade], seam, x[fade:]])
    return y


def _revved(draw: Draw, x: Wave, voice: Voice, n: int) -> Wave:
    """An engine's steady sound played faster and slower, as its driver would."""
    knots = int(2 + n / SAMPLE_RATE * (0.4 + 1.2 * voice.speed))
    ratio = np.exp(curve(draw.rng.uniform(-0.35, 0.45, knots), n))
    at = np.cumsum(ratio)
    x = _looped(x, int(at[-1]) + 2)
    return np.interp(at, np.arange(len(x)), x)


def _siblings(file: str, files: list[str]) -> list[str]:
    """Numbered takes of the same sound, the file itself among them."""

    def stem(name: str) -> str:
        return re.sub(r"[\d_-]+", "", str(Path(name).with_suffix(""))[:-5])

    return [other for other in files if stem(other) == stem(file)]


def _cut(draw: Draw, x: Wave, n: int) -> Wave:
    """N samples of a longer recording, from just before one of its events."""
    starts = [t for t in onsets_in(x) if t * SAMPLE_RATE <= len(x) - n]
    start = round(draw.choice(starts) * SAMPLE_RATE) if starts else 0
    start = max(0, min(start - samples(draw.uniform(0.01, 0.4)), len(x) - n))
    return x[start : start + n]


def _repeated(draw: Draw, thing: str, takes: list[Wave], voice: Voice, n: int) -> Wave:
    """Short takes one after the other, more often with `voice.speed`."""
    length_s = len(takes[0]) / SAMPLE_RATE
    once = (0.5 / max(length_s, 0.4), 0.9 / max(length_s, 0.25), 0.25)
    slow, fast, uneven = RATES.get(thing, once)
    rate = slow * (fast / slow) ** voice.speed
    clip, at = np.zeros(n), draw.uniform(0, min(0.4 * n / SAMPLE_RATE, 0.6 / rate))
    while at < n / SAMPLE_RATE - 0.03:
        take = draw.choice(takes)
        if thing in RATES:  # no key, step or hand sounds the same twice
            take = varied_speed(take, draw.uniform(0.92, 1.08))
        start = round(at * SAMPLE_RATE)
        end = min(n, start + len(take))
        clip[start:end] += draw.uniform(0.6, 1.0) * take[: end - start]
        gap = (1 + uneven * draw.uniform(-1, 1)) / rate
        at += gap if thing in RATES else max(gap, 0.9 * len(take) / SAMPLE_RATE)
    return clip


def _played(draw: Draw, thing: str, files: list[str], voice: Voice, n: int) -> Wave:
    """One clip from a recording, faster for a small thing and slower for a large one."""
    file = draw.choice(files)
    ratio = float(np.exp(0.3 * (0.5 - voice.size) + draw.uniform(-0.1, 0.1)))
    first = _trimmed(varied_speed(samples_of(file), ratio))
    is_steady = BY_ID[thing].is_continuous
    if thing in ENGINES and len(first) < 2 * n:
        return _revved(draw, first, voice, n)
    if len(first) >= n:
        return _cut(draw, first, n)
    if is_steady and len(first) > SAMPLE_RATE:
        return _looped(first, n)[:n]
    others = _siblings(file, files) if len(first) < SAMPLE_RATE else [file]
    picked = [draw.choice(others) for _ in range(min(len(others) - 1, 3))]
    takes = [first, *(_trimmed(varied_speed(samples_of(f), ratio)) for f in picked)]
    return _repeated(draw, thing, takes, voice, n)


def _coloured(draw: Draw, x: Wave) -> Wave:
    """Another microphone: treble up or down by at most 6 dB."""
    bass = tilt(x, draw.log_uniform(300, 3000))
    return bass + 10 ** (draw.uniform(-6, 6) / 20) * (x - bass)


def sound_of(
    thing: str, rng: np.random.Generator, split: str, num_samples: int, voice: Voice
) -> Sound | None:
    """A scene sound from recordings of the thing; None if the split has none.

    The speed of playing follows `voice.size`, the pace of short takes `voice.speed`. Some scenes
    hold two takes at once; all get another colour, and most a room or the open air.
    """
    files = _index().get((thing, split), [])
    if not files:
        return None
    draw = Draw(rng, held_out=False)
    clip = _played(draw, thing, files, voice, num_samples)
    if draw.chance(0.15):
        clip = clip + draw.uniform(0.2, 0.7) * _played(draw, thing, files, voice, num_samples)
    onsets = (0.0,) if BY_ID[thing].is_continuous else onsets_in(clip)
    clip = _coloured(draw, clip)
    if draw.chance(0.5):
        clip = in_room(clip, draw, (0.15, 0.8), (0.05, 0.4))
    if draw.chance(0.6) and not BY_ID[thing].is_continuous:
        is_outside = BY_ID[thing].group in ("animals", "vehicles", "weather and water")
        clip = (outdoors if is_outside else indoor_air)(clip, draw)
    return Sound(waveform=clip.astype(np.float32), onsets_s=onsets)
