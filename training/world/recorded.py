"""Real recordings of the world's things, cut and varied into scene sounds."""

import json
from functools import lru_cache

import numpy as np
import soundfile

from training.world.dsp import SAMPLE_RATE, Sound
from training.world.pictures import CACHE

FOLDER = CACHE / "recordings"


@lru_cache(maxsize=1)
def entries() -> tuple[dict[str, str], ...]:
    """All recordings with file, thing, text and split; none if nothing was fetched."""
    path = FOLDER / "index.json"
    return tuple(json.loads(path.read_text())) if path.exists() else ()


@lru_cache(maxsize=1)
def _index() -> dict[tuple[str, str], list[str]]:
    """Files by (thing, split); empty when nothing was fetched."""
    files: dict[tuple[str, str], list[str]] = {}
    for entry in entries():
        if entry["thing"]:
            files.setdefault((entry["thing"], entry["split"]), []).append(entry["file"])
    return files


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


def sound_of(thing: str, rng: np.random.Generator, split: str, num_samples: int) -> Sound | None:
    """A recording of the thing, varied in speed by ±15 % and placed at random; None if none."""
    files = _index().get((thing, split), [])
    if not files:
        return None
    samples = varied_speed(
        samples_of(files[rng.integers(len(files))]), float(np.exp(rng.uniform(-0.15, 0.15)))
    )
    waveform = np.zeros(num_samples, np.float32)
    if len(samples) >= num_samples:
        start = int(rng.integers(0, min(len(samples) - num_samples, SAMPLE_RATE) + 1))
        waveform[:] = samples[start : start + num_samples]
        onset = 0
    else:
        onset = int(rng.integers(0, min(num_samples - len(samples), num_samples // 2) + 1))
        waveform[onset : onset + len(samples)] = samples
    return Sound(waveform=waveform, onsets_s=(onset / SAMPLE_RATE,))
