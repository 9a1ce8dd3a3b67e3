"""Whole clips with `seehear v2a`: length, level, window borders and peak memory.

`python -m benchmarks.clips [clip.mp4 ...]` adds two clips of the world, 10 s and 60 s long (needs
the art, see training/README.md). Only the names of the files are recorded.
"""

import argparse
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from training.world.pictures import film
from training.world.things import BY_ID

from benchmarks.clock import run_seehear
from benchmarks.results import table, write
from seehear.dsp.mel import HOP_SAMPLES, SAMPLE_RATE, log_mel_from_waveform
from seehear.media import peak_dbfs, probe, read_audio, write_video

FADE_FRAMES = 8  # about as long as the blend of two windows
FPS = 12


def world_clip(path: Path, duration_s: float) -> None:
    """A rooster in a meadow that crows every few seconds."""
    onsets = tuple(float(t) for t in np.arange(0.5, duration_s, 2.5))
    frames = film(
        np.random.default_rng(11), BY_ID["rooster"], ("noto", "rooster"), onsets, scale=0.6,
        speed=0.4, duration_s=duration_s, num_frames=int(FPS * duration_s), size=128,
    )  # fmt: skip
    write_video(path, torch.from_numpy(frames), FPS)


def spectral_change(waveform: Tensor) -> Tensor:
    """Mean absolute change of the log mel from frame to frame, over `FADE_FRAMES` [frames]."""
    mel = log_mel_from_waveform(waveform.mean(0, keepdim=True))[0].clamp(min=-9)
    change = mel.diff(dim=0).abs().mean(1)
    return change.unfold(0, FADE_FRAMES, 1).mean(1)


def seams(waveform: Tensor, windows_s: list[list[float]]) -> tuple[int, int]:
    """Number of borders between windows, and how many are in the interior's 95 % range."""
    change = spectral_change(waveform)
    middles_s = [(later[0] + earlier[1]) / 2 for earlier, later in pairwise(windows_s)]
    at = [int(m * SAMPLE_RATE / HOP_SAMPLES) - FADE_FRAMES // 2 for m in middles_s]
    at = [max(0, min(k, len(change) - 1)) for k in at]
    is_interior = torch.ones(len(change), dtype=torch.bool)
    for k in at:
        is_interior[max(0, k - FADE_FRAMES) : k + FADE_FRAMES] = False
    low, high = torch.quantile(change[is_interior], torch.tensor([0.025, 0.975]))
    return len(at), sum(bool(low <= change[k] <= high) for k in at)


def measured(clip: Path, out: Path) -> dict:
    """Run `seehear v2a` in its own process and measure its output."""
    seconds, _, peak_mb = run_seehear(["v2a", str(clip), "-o", str(out)])
    sound = read_audio(out, sample_rate=SAMPLE_RATE)
    manifest = json.loads(out.with_suffix(".json").read_text())
    borders, smooth = seams(sound.waveform, manifest["settings"]["windows_s"])
    before, after = probe(clip), probe(out)
    return {
        "named": manifest["settings"]["prompt"] or manifest["caption"],
        "in_s": float(before.duration_s),
        "out_s": float(after.duration_s),
        "sound_s": sound.waveform.shape[-1] / SAMPLE_RATE,
        "peak_dbfs": peak_dbfs(sound.waveform),
        "offset": float(sound.waveform.mean().abs()),
        "borders": borders,
        "smooth_borders": smooth,
        "peak_mb": peak_mb,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    options = parser.parse_args()
    raw: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = {clip.name: clip for clip in options.clips}
        for seconds in (10, 60):
            clips[f"world, {seconds} s"] = Path(folder) / f"world_{seconds}.mp4"
            world_clip(clips[f"world, {seconds} s"], seconds)
        for k, (name, clip) in enumerate(clips.items()):
            raw[name] = measured(clip, Path(folder) / f"made_{k}.mp4")
            print(name, raw[name], flush=True)
    rows = [
        [name, r["named"], f"{r['in_s']:.2f}", f"{r['out_s']:.2f}", f"{r['peak_dbfs']:.1f}",
         f"{r['offset']:.0e}", f"{r['smooth_borders']} of {r['borders']}",
         f"{r['peak_mb']:.0f}", f"{r['seconds']:.0f}"]
        for name, r in raw.items()
    ]  # fmt: skip
    ratio = raw["world, 60 s"]["peak_mb"] / raw["world, 10 s"]["peak_mb"]
    text = (
        f"`seehear v2a` on {torch.get_num_threads()} threads, starting Python included. 60 s take "
        f"**{ratio:.2f}** times the peak memory of 10 s. A border between windows is smooth if "
        "its spectral change is in the 95 % range of the interior.\n\n"
    ) + table(
        ["clip", "caption", "input, s", "output, s", "peak, dBFS", "offset", "smooth borders",
         "peak memory, MB", "run, s"], rows,
    )  # fmt: skip
    write("clips", "Whole clips", raw, text)


if __name__ == "__main__":
    main()
