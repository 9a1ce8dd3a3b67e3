"""Sound features: the world's sounds and named recordings, varied, through the frozen tower."""

import json

import numpy as np
import soundfile
import torch
from scipy.signal import butter, fftconvolve, sosfilt

from seehear.models.binders.pocket.aisfx import (
    SAMPLE_RATE,
    SfxNet,
    blocks_of,
    peak_normalised,
    sfx_mel_from_waveform,
)
from training.binder.extra import NAMES, extra_sound
from training.world.pictures import CACHE
from training.world.scenes import NUM_SAMPLES, heard

BATCH = 32


def _filtered(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A phone, a wall, a small loudspeaker: high- and low-pass at random corners."""
    if rng.random() < 0.4:
        corner = float(np.exp(rng.uniform(np.log(1500), np.log(7000))))
        wave = sosfilt(butter(int(rng.integers(1, 4)), corner, fs=SAMPLE_RATE, output="sos"), wave)
    if rng.random() < 0.3:
        corner = float(np.exp(rng.uniform(np.log(50), np.log(500))))
        sos = butter(int(rng.integers(1, 3)), corner, "high", fs=SAMPLE_RATE, output="sos")
        wave = sosfilt(sos, wave)
    return wave


def _reverberated(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A room: exponentially decaying noise as its answer."""
    decay_s = float(np.exp(rng.uniform(np.log(0.08), np.log(1.2))))
    t = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    room = rng.normal(size=len(t)) * np.exp(-6.9 * t / decay_s)
    room /= max(float(np.sqrt((room**2).sum())), 1e-9)
    return wave + rng.uniform(0.1, 0.7) * fftconvolve(wave, room)[: len(wave)]


def varied(wave: np.ndarray, rng: np.random.Generator, other: np.ndarray | None) -> np.ndarray:
    """The same sound as another microphone might have caught it, perhaps with another beneath."""
    wave = _filtered(wave, rng)
    if rng.random() < 0.35:
        wave = _reverberated(wave, rng)
    rms = float(np.sqrt((wave**2).mean())) + 1e-6
    if other is not None and rng.random() < 0.3:
        level = 10 ** (-rng.uniform(8, 22) / 20)
        wave = wave + other * level * rms / (float(np.sqrt((other**2).mean())) + 1e-6)
    if rng.random() < 0.5:
        noise = rng.normal(size=len(wave))
        if rng.random() < 0.5:  # rumble rather than hiss
            noise = sosfilt(
                butter(1, float(rng.uniform(60, 800)), fs=SAMPLE_RATE, output="sos"), noise
            )
        noise /= float(np.sqrt((noise**2).mean()))
        wave = wave + noise * rms * 10 ** (-rng.uniform(5, 40) / 20)
    if rng.random() < 0.1:  # an overdriven recorder
        wave = np.tanh(wave / (3 * rms)) * rms
    return wave.astype(np.float32)


def cut(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """2.56 s of a recording, played up to 28 % faster or slower; short ones placed or repeated."""
    ratio = float(np.exp(rng.uniform(-0.25, 0.25)))
    at = np.arange(0, len(samples) - 1, ratio)
    samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    if len(samples) >= NUM_SAMPLES:
        # Where something is heard: the loudest of three random cuts.
        starts = rng.integers(0, len(samples) - NUM_SAMPLES + 1, 3)
        loudness = [float((samples[s : s + NUM_SAMPLES] ** 2).sum()) for s in starts]
        start = int(starts[int(np.argmax(loudness))])
        return samples[start : start + NUM_SAMPLES]
    wave = np.zeros(NUM_SAMPLES, np.float32)
    start = int(rng.integers(0, NUM_SAMPLES - len(samples) + 1))
    gap = int(rng.uniform(0.02, 0.8) * SAMPLE_RATE) + len(samples)
    repeats = int(rng.integers(1, 5)) if len(samples) < 1.2 * SAMPLE_RATE else 1
    for _ in range(repeats):
        end = min(start + len(samples), NUM_SAMPLES)
        wave[start:end] += samples[: end - start]
        start += gap
        if start >= NUM_SAMPLES:
            break
    return wave


def recordings(split: str) -> list[dict]:
    """Entries of cache/recordings/index.json: file, thing (or null), text, split."""
    entries = json.loads((CACHE / "recordings" / "index.json").read_text())
    return [entry for entry in entries if entry["split"] == split]


@torch.no_grad()
def features_of(tower: SfxNet, waves: np.ndarray) -> np.ndarray:
    """Maximum and mean over time of the tower's maps; float16 [n, 1024]."""
    blocks = blocks_of(sfx_mel_from_waveform(peak_normalised(torch.from_numpy(waves))))
    maps = tower.maps(blocks[:, 0].to(next(tower.parameters()).dtype)).float()
    return torch.cat([maps.amax(2), maps.mean(2)], dim=1).half().numpy()


def sound_features(
    tower: SfxNet, seed: int, num_world: int, per_recording: int, per_extra: int
) -> tuple[np.ndarray, list[str]]:
    """Features of sounds and their concepts: a world thing's id, "recording:..." or "extra:..."."""
    rng = np.random.default_rng([seed, 23])
    features, concepts, waves = [], [], []
    previous: np.ndarray | None = None

    def add(wave: np.ndarray, concept: str, is_varied: bool) -> None:
        nonlocal previous
        waves.append(varied(wave, rng, previous) if is_varied else wave)
        previous = wave
        concepts.append(concept)
        if len(waves) == BATCH:
            features.append(features_of(tower, np.stack(waves)))
            waves.clear()

    for i in range(num_world):
        scene = heard(seed * 1_000_000 + i, "train")
        add(scene.waveform, scene.thing, is_varied=i % 3 > 0)
    kept = [e for e in recordings("train") for _ in range(per_recording)]
    for index in rng.permutation(len(kept)):
        entry = kept[index]
        samples, rate = soundfile.read(CACHE / "recordings" / entry["file"], dtype="float32")
        assert rate == SAMPLE_RATE
        name = "recording:" + entry["text"] + "|" + (entry["thing"] or "")
        add(cut(samples, rng), name, is_varied=rng.random() < 0.7)
    for _ in range(per_extra):
        for name in NAMES:
            add(extra_sound(name, rng), f"extra:{name}", is_varied=rng.random() < 0.7)
    if waves:
        features.append(features_of(tower, np.stack(waves)))
    return np.concatenate(features), concepts
