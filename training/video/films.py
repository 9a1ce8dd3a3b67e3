"""Draw and cache the films of scenes: `python -m training.video.films --split train --count 13440`.

Plain ones, with the thing large before a plain background: a small generator that has to learn
every size, grain and pattern draws none of the things. Needs the icon art and the sounds'
recordings of `training.fetch`.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from training.world.pictures import CACHE
from training.world.scenes import heard, seen

CHUNK = 448
NUM_FRAMES, SIZE, DURATION_S = 16, 128, 2.56


def path_of(split: str) -> Path:
    """Where a split's films are cached."""
    return CACHE / "world" / split / "films.npy"


def films(split: str) -> np.ndarray:
    """Cached films of a split, uint8 [scenes, 16, 3, 128, 128], scene by scene as the sounds."""
    return np.load(path_of(split), mmap_mode="r")


def _chunk(job: tuple[str, int, int]) -> None:
    split, start, stop = job
    table = np.lib.format.open_memmap(path_of(split), mode="r+")
    for seed in range(start, stop):
        # The whole sound, since its onsets are what the picture moves to.
        table[seed] = seen(heard(seed, split), seed, split, SIZE, is_plain=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "val", "test"), required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    path_of(options.split).parent.mkdir(parents=True, exist_ok=True)
    shape = (options.count, NUM_FRAMES, 3, SIZE, SIZE)
    np.lib.format.open_memmap(path_of(options.split), mode="w+", dtype=np.uint8, shape=shape)
    starts = range(0, options.count, CHUNK)
    jobs = [(options.split, s, min(s + CHUNK, options.count)) for s in starts]
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        for done, _ in enumerate(pool.map(_chunk, jobs), 1):
            print(f"{done}/{len(jobs)} chunks, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
