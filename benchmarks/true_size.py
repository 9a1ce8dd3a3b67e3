"""One plain and one guided step of the paper's runs at their true size, with random weights.

`python -m benchmarks.true_size --dtypes float32 --tasks v2a a2v`: time by stage and peak memory,
measured in a process of its own beside what `seehear.diagnostics.step_cost` predicts.
a2v makes 8 frames of 256 x 256 pixels, v2a as many seconds as `--seconds` says. bfloat16 is slow
on processors without it.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict

import torch

from benchmarks.clock import Read, measured_step, run_child
from benchmarks.results import FOLDER, table, write
from seehear.diagnostics import random_models
from seehear.diagnostics.step_cost import GUIDANCE_SCALE, STEPS, Costs, stages_of, step_costs
from seehear.guidance.protocols import Backbone
from seehear.models.binders.imagebind import ImageBind, ImageBindConfig
from seehear.pipeline.paper_runs import PAPER_RUNS

CLIP = {"num_frames": 8, "fps": 8.0, "height": 256, "width": 256}
TOWERS = {"v2a": ("audio",), "a2v": ("vision",)}  # the others have left when steps are taken


def models(
    task: str, device: str, dtype: torch.dtype, recompute: bool
) -> tuple[Backbone, ImageBind]:
    """The sound or video model of a recipe, and the tower that it needs."""
    recipe = PAPER_RUNS[f"paper-{task}"]
    common = {"device": device, "dtype": dtype, "checkpointing": recompute, "with_text": False}
    backbone = (
        random_models.audioldm("m", **common)
        if task == "v2a"
        else random_models.animatediff("v1", **common, **CLIP)
    )
    config = ImageBindConfig(**recipe.binder)
    binder = random_models.imagebind(device=device, dtype=dtype, trunks=TOWERS[task], config=config)
    return backbone, binder


def predicted(task: str, dtype: torch.dtype, recompute: bool, seconds: float) -> Costs:
    backbone, binder = models(task, "meta", dtype, recompute)
    preset = PAPER_RUNS[f"paper-{task}"].preset
    return step_costs(
        backbone,
        binder,
        random_models.prompt_rows(backbone),
        duration_s=seconds if task == "v2a" else 1.0,
        through_denoiser=preset.settings.aligner.through_denoiser,
        frames_per_step=preset.frames.per_step,
    )


def one(task: str, dtype: torch.dtype, recompute: bool, seconds: float) -> dict[str, object]:
    """Take the steps here, and time them."""
    preset = PAPER_RUNS[f"paper-{task}"].preset
    through, frames = preset.settings.aligner.through_denoiser, preset.frames.per_step

    def make() -> Callable[[Read], None]:
        backbone, binder = models(task, "cpu", dtype, recompute)
        y = random_models.prompt_rows(backbone)
        level = backbone.levels(STEPS)[STEPS // 2]
        z = backbone.prior(seconds if task == "v2a" else 1.0, 1, torch.Generator().manual_seed(0))

        def run(read: Read) -> None:
            with torch.no_grad():
                backbone.predict(z, level, y, GUIDANCE_SCALE)
            read("plain step")
            stages_of(backbone, binder, z, level, y, through, frames_per_step=frames)(read)

        return run

    return measured_step(make)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=["v2a", "a2v"], choices=["v2a", "a2v"])
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--seconds", type=float, default=10.0, help="of sound in v2a")
    parser.add_argument("--recompute", action="store_true", help="activations: less memory")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        dtype = getattr(torch, options.dtypes[0])
        found = one(options.tasks[0], dtype, options.recompute, options.seconds)
        print(json.dumps(found))
        return
    path = FOLDER / "true_size.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else {}
    for task in options.tasks:
        for name in options.dtypes:
            words = ["--tasks", task, "--dtypes", name, "--seconds", str(options.seconds), "--one"]
            words += ["--threads", str(options.threads)] + ["--recompute"] * options.recompute
            measured = run_child("benchmarks.true_size", *words)
            costs = predicted(task, getattr(torch, name), options.recompute, options.seconds)
            what = f"{options.seconds:g} s" if task == "v2a" else "8 frames of 256 x 256"
            how = ", recomputing" if options.recompute else ""
            runs[f"paper-{task}, {what}, {name}{how}"] = {
                "threads": options.threads, "measured": measured, "predicted": asdict(costs),
                "predicted_peak_gb": costs.peak_bytes / 1e9,
            }  # fmt: skip
            write("true_size", "Steps at full size", {"runs": runs}, page(runs))


def page(runs: dict[str, dict]) -> str:
    """Tables by run: stages, then totals."""
    text = (
        "Random weights, no text encoder. Peak: memory of the process beyond Python and its "
        "libraries, measured and predicted.\n"
    )
    for name, run in runs.items():
        stages = {stage["name"]: stage["flops"] for stage in run["predicted"]["stages"]}
        stages = {"plain step": run["predicted"]["plain_flops"], **stages}
        rows = [
            (stage, f"{seconds:.1f}", f"{stages[stage] / 1e12:.2f}",
             f"{stages[stage] / seconds / 1e9:.0f}")
            for stage, seconds in run["measured"]["seconds"].items()
        ]  # fmt: skip
        text += f"\n## {name}\n\n" + table(("stage", "s", "TFLOP", "GFLOP/s"), rows)
        text += (
            f"\nPeak {run['measured']['peak_gb']:.1f} GB, predicted {run['predicted_peak_gb']:.1f} "
            f"GB; weights {run['measured']['weights_gb']:.1f} GB; {run['threads']} thread(s).\n"
        )
    return text


if __name__ == "__main__":
    main()
