"""Cost of each frame that a guided step decodes: `python -m benchmarks.frame_cost`.

One a2v clip of the pocket family per number of frames, each in its own process, and an estimate for
the paper's sizes from tensor shapes.
"""

import argparse
import json
import resource
import statistics
import time
from dataclasses import replace
from itertools import pairwise

import torch

from benchmarks.clock import run_child
from benchmarks.results import table, write
from seehear.diagnostics.estimate import estimate_run
from seehear.guidance.settings import FrameSampling
from seehear.media import Audio
from seehear.pipeline.paper_runs import PAPER_RUNS
from seehear.pipeline.presets import with_overrides
from seehear.pipeline.studio import load

SAMPLE_RATE = 16_000
PER_STEP = (1, 2, 4, 8, 16)
UNGUIDED = 0


def measured(per_step: int, num_steps: int) -> dict[str, float]:
    """Seconds per guided step and this process's peak memory; `UNGUIDED` frames: no guidance."""
    preset = with_overrides("latents", num_steps, task="a2v", start=0.0, end=1.0)
    if per_step == UNGUIDED:
        preset = with_overrides(preset, None, task="a2v", lr_latents=0.0, lr_prompt=0.0)
    else:
        preset = replace(preset, frames=FrameSampling(per_step=per_step))
    studio = load("pocket")
    noise = torch.randn(1, int(2.5 * SAMPLE_RATE), generator=torch.Generator().manual_seed(0))
    audio = Audio(waveform=0.1 * noise, sample_rate=SAMPLE_RATE)
    job = studio.job("a2v", audio, prompt="", preset=preset)
    moments: list[float] = []
    studio.sample(job, lambda step: moments.append(time.perf_counter()))
    # The first step, which warms up, is left out.
    return {
        "s_per_step": statistics.median(b - a for a, b in pairwise(moments)),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(measured(options.child, options.steps)))
        return
    raw: dict = {"steps": options.steps, "cells": {}}
    recipe = PAPER_RUNS["paper-a2v"]
    for per_step in (UNGUIDED, *PER_STEP):
        words = ["--child", str(per_step), "--steps", str(options.steps)]
        cell = run_child("benchmarks.frame_cost", *words)
        if per_step != UNGUIDED:
            sampled = replace(recipe.preset, frames=FrameSampling(per_step=per_step))
            costs = estimate_run(replace(recipe, preset=sampled))
            cell["paper_gb"] = costs.peak_bytes / 1e9
            cell["paper_tflop"] = costs.seconds(1e12)
        print(per_step, cell, flush=True)
        raw["cells"][str(per_step)] = cell
    plain = raw["cells"][str(UNGUIDED)]
    rows = [
        [k if int(k) else "none, unguided", f"{cell['s_per_step']:.2f}",
         f"{cell['s_per_step'] / plain['s_per_step']:.1f}", f"{cell['peak_mb']:.0f}",
         f"{cell['paper_tflop']:.0f}" if "paper_tflop" in cell else "",
         f"{cell['paper_gb']:.1f}" if "paper_gb" in cell else ""]
        for k, cell in raw["cells"].items()
    ]  # fmt: skip
    text = (
        "How many of the 16 generated frames a guided step decodes and embeds (`Preset.frames`). "
        "Pocket: preset `latents` without a prompt, every step guided, "
        f"{torch.get_num_threads()} threads, all rows measured in one session. Paper: the whole "
        "`paper-a2v` run in float32 at full size, estimated from tensor shapes.\n\n"
    ) + table(
        ["frames per step", "pocket, s per step", "times unguided", "pocket, peak MB",
         "paper, TFLOP", "paper, peak GB"], rows,
    )  # fmt: skip
    write("frame_cost", "Cost of more frames per step", raw, text)


if __name__ == "__main__":
    main()
