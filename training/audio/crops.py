"""Crops of training audio: scenes of the world and recordings, at all levels down to silence."""

import json

import numpy as np
import soundfile
import torch
from torch import Tensor

from training.world.cached import load
from training.world.recorded import FOLDER as RECORDINGS

RECORDED = 0.5  # of the crops; the rest are scenes of the world
MIXED = 0.15  # of the crops are the sum of two
PADDED = 0.15  # of the crops begin or end in silence
FADED = 0.1


def recordings(split: str, only_things: bool = False) -> list[tuple[str, np.ndarray]]:
    """Name of the thing ("" for none of the world's) and samples of every recording of a split."""
    index = json.loads((RECORDINGS / "index.json").read_text())
    return [
        (entry["thing"] or "", soundfile.read(RECORDINGS / entry["file"], dtype="float32")[0])
        for entry in index
        if entry["split"] == split and (entry["thing"] or not only_things)
    ]


class Crops:
    """Draws batches of waveforms [batch, samples] in [-1, 1]; step and seed decide what comes."""

    def __init__(self, samples: int, seed: int = 0):
        self.samples, self.seed = samples, seed
        self.scenes = load("train")[0]
        self.recordings = [samples for _, samples in recordings("train")]
        # A long recording holds more to learn, but must not crowd out the short ones.
        lengths = np.array([max(len(r), samples) for r in self.recordings], dtype=float)
        self.shares = lengths**0.5 / (lengths**0.5).sum()

    def batch(self, step: int, count: int) -> Tensor:
        """The batch of a training step."""
        rng = np.random.default_rng([self.seed, step])
        return torch.from_numpy(np.stack([self._crop(rng) for _ in range(count)]))

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        crop = self._source(rng)
        if rng.random() < MIXED:
            crop = crop + self._source(rng) * 10 ** (-rng.uniform(0, 15) / 20)
        peak = np.abs(crop).max()
        if peak > 1e-3:
            # Mostly as loud as generated audio is, sometimes far away.
            crop = crop * (10 ** (-rng.exponential(6.0) / 20) / peak) * rng.choice([-1.0, 1.0])
        if rng.random() < PADDED:
            cut = int(rng.integers(0, self.samples))
            crop[slice(0, cut) if rng.random() < 0.5 else slice(cut, None)] = 0.0
        if rng.random() < FADED:
            ramp = np.linspace(0, 1, self.samples) ** 2
            crop = crop * (ramp if rng.random() < 0.5 else ramp[::-1])
        if rng.random() < 0.7:  # a noise floor; the others keep digital silence
            crop = crop + rng.normal(0, 10 ** (-rng.uniform(55, 95) / 20), self.samples)
        return np.clip(crop, -1, 1).astype(np.float32)

    def _source(self, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < RECORDED:
            source = self.recordings[rng.choice(len(self.recordings), p=self.shares)]
        else:
            source = self.scenes[rng.integers(len(self.scenes))].astype(np.float32) / 32767
        if len(source) <= self.samples:
            start = int(rng.integers(0, self.samples - len(source) + 1))
            return np.pad(source, (start, self.samples - len(source) - start))
        start = int(rng.integers(0, len(source) - self.samples + 1))
        return source[start : start + self.samples].copy()
