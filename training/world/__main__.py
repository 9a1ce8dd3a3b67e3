"""Make and cache the world's scenes: `python -m training.world --split train --count 32256`."""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from seehear.dsp.mel import HOP_SAMPLES, NUM_MELS, log_mel_from_waveform
from training.world.captions import caption
from training.world.pictures import CACHE
from training.world.scenes import NUM_SAMPLES, _rng, heard
from training.world.things import BY_ID

NUM_FRAMES = NUM_SAMPLES // HOP_SAMPLES
CHUNK = 448  # eight rounds of all 56 things


def _chunk(job: tuple[str, int, int, int]) -> None:
    split, start, chunk, total = job
    torch.set_num_threads(1)
    folder = CACHE / "world" / split
    waves = np.lib.format.open_memmap(folder / "waves.npy", mode="r+")
    mels = np.lib.format.open_memmap(folder / "mels.npy", mode="r+")
    notes = []
    for seed in range(start, min(start + chunk, total)):
        sound = heard(seed, split)
        text = caption(
            _rng(split, seed, 2), BY_ID[sound.thing], size=sound.voice.size,
            speed=sound.voice.speed, distance=sound.distance,
        )  # fmt: skip
        waves[seed] = np.round(sound.waveform * 32767).astype(np.int16)
        mels[seed] = log_mel_from_waveform(torch.from_numpy(sound.waveform)[None])[0].half().numpy()
        notes.append({"thing": sound.thing, "caption": text, "onsets_s": sound.onsets_s})
    (folder / f"notes_{start:06d}.json").write_text(json.dumps(notes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "val", "test", "judge"), required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folder: Path = CACHE / "world" / options.split
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"waves": ((options.count, NUM_SAMPLES), np.int16),
              "mels": ((options.count, NUM_FRAMES, NUM_MELS), np.float16)}  # fmt: skip
    for name, (shape, dtype) in shapes.items():
        path = folder / f"{name}.npy"
        if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
            for old in folder.glob("notes_*.json"):
                old.unlink()
    # A chunk whose notes exist is done: the script continues where it stopped.
    jobs = [
        (options.split, start, CHUNK, options.count)
        for start in range(0, options.count, CHUNK)
        if not (folder / f"notes_{start:06d}.json").exists()
    ]
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        for done, _ in enumerate(pool.map(_chunk, jobs), 1):
            print(f"{done}/{len(jobs)} chunks, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
