"""Clips of a dozen things in MM-Diffusion's format: `python -m training.mm.clips --split train`.

Frames of 32 by 32 pixels and a waveform of 6.4 kHz, 2.56 s each. Needs the sounds of
`training.world` and what `training.video.films` needs.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch import Tensor

from seehear.dsp.resample import resample
from training.world.cached import load
from training.world.pictures import CACHE
from training.world.scenes import heard, seen

NUM_FRAMES, SIZE, DURATION_S = 16, 32, 2.56
SAMPLE_RATE, WORLD_RATE = 6400, 16_000
SAMPLES = 16_384
DRAWN_SIZE = 128  # pixels of a drawn frame; means of 4 by 4 of them are a pixel here
# Things that look and sound unlike each other at this size and rate.
DOZEN = (
    "dog", "cat", "cow", "rooster", "duck", "frog", "car", "train", "helicopter", "thunder", "rain",
    "fire_engine",
)  # fmt: skip
CHUNK = 64


def _frames(job: tuple[str, tuple[int, ...]]) -> np.ndarray:
    """Frames [scenes, 16, 3, 32, 32] in uint8."""
    split, seeds = job
    drawn = [seen(heard(s, split), s, split, DRAWN_SIZE, is_plain=True) for s in seeds]
    blocks = np.stack(drawn).reshape(len(seeds), NUM_FRAMES, 3, SIZE, 4, SIZE, 4)
    return blocks.mean(axis=(4, 6)).round().astype(np.uint8)


def waveforms(split: str, seeds: list[int]) -> Tensor:
    """Waveforms [scenes, samples] in float16."""
    waves = load(split)[0]
    parts = []
    for first in range(0, len(seeds), 256):
        some = seeds[first : first + 256]
        wave = torch.from_numpy(waves[some].astype(np.float32)) / 2**15
        parts.append(resample(wave, WORLD_RATE, SAMPLE_RATE)[:, :SAMPLES].half())
    return torch.cat(parts)


def clips(split: str) -> dict[str, Tensor]:
    """Cached frames [n, 16, 3, 32, 32] in uint8, waveforms in float16, and indices in DOZEN."""
    return torch.load(CACHE / "world" / split / "mm.pt", weights_only=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "val", "test"), required=True)
    parser.add_argument("--count", type=int, help="at most as many scenes; none: all of the dozen")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    notes = load(options.split)[2]
    seeds = [seed for seed, note in enumerate(notes) if note["thing"] in DOZEN][: options.count]
    jobs = [(options.split, tuple(seeds[k : k + CHUNK])) for k in range(0, len(seeds), CHUNK)]
    frames, began = [], time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        for part in pool.map(_frames, jobs):
            frames.append(torch.from_numpy(part))
            print(f"{len(frames)}/{len(jobs)} chunks, {time.monotonic() - began:.0f} s", flush=True)
    labels = torch.tensor([DOZEN.index(notes[seed]["thing"]) for seed in seeds])
    made = {"frames": torch.cat(frames), "audio": waveforms(options.split, seeds), "thing": labels}
    path = CACHE / "world" / options.split / "mm.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(made, path)


if __name__ == "__main__":
    main()
