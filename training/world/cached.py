"""Scene sounds that `python -m training.world` has made."""

import json

import numpy as np

from training.world.pictures import CACHE


def load(split: str) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """Cached waveforms (int16), mels (float16) and notes (thing, caption, onsets) of a split."""
    folder = CACHE / "world" / split
    waves = np.load(folder / "waves.npy", mmap_mode="r")
    mels = np.load(folder / "mels.npy", mmap_mode="r")
    notes = [
        n for part in sorted(folder.glob("notes_*.json")) for n in json.loads(part.read_text())
    ]
    return waves[: len(notes)], mels[: len(notes)], notes
