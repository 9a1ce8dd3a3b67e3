"""FLOPs of guidance at the published model sizes, by stage, without computing anything.

`python -m benchmarks.guidance_flops` (about a minute). AudioLDM s generates 10.24 s of audio in 30
steps, AnimateDiff 16 frames of 512 x 512 pixels in 25 steps. All models are on PyTorch's device
"meta". Multiply-adds count twice.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.reference_v2a import authors_config, inputs_of, released
from benchmarks.results import table, write
from seehear.diagnostics import random_models
from seehear.diagnostics.step_cost import Costs, fused_attention, step_costs
from seehear.models.backbones.animatediff import AnimateDiff
from seehear.models.backbones.audioldm import AudioLDM
from seehear.models.binders.imagebind import ImageBindConfig
from seehear.pipeline.paper_runs import PAPER_RUNS, PaperRun
from seehear.pipeline.presets import PAPER_A2V, PAPER_A2V_FAST, PAPER_V2A, PAPER_V2A_FAST, Preset

DURATION_S = 10.24  # the length of AudioLDM's training clips
CLIP = {"num_frames": 16, "fps": 8.0, "height": 512, "width": 512}  # AnimateDiff's own
ON_META = {"device": "meta", "with_text": False}


@dataclass(frozen=True)
class RunFlops:
    """FLOPs of a run: those of its steps and of decoding the result."""

    stages: Mapping[str, float]  # of a guided step; none without guidance
    plain: float  # an unguided step
    total: float


def run_flops(preset: Preset, costs: Costs) -> RunFlops:
    """The FLOPs of a preset's steps and of the final decoding."""
    settings = preset.settings
    steps = range(settings.num_steps)
    guided = sum(settings.aligner.is_guided(i, settings.num_steps) for i in steps)
    plain = (settings.num_steps - guided) * costs.plain_flops
    return RunFlops(
        stages={stage.name: stage.flops for stage in costs.stages},
        plain=costs.plain_flops,
        total=plain + guided * costs.guided_flops + costs.decode_flops,
    )


def costs_of(run: PaperRun, backbone: AudioLDM | AnimateDiff, tower: str) -> Costs:
    """Costs of a step with the preset of a paper run."""
    preset = run.preset
    binder = random_models.imagebind(
        device="meta",
        trunks=("audio",) if tower == "audio" else ("vision",),
        config=ImageBindConfig(**run.binder),
    )
    return step_costs(
        backbone,
        binder,
        random_models.prompt_rows(backbone),
        duration_s=DURATION_S if tower == "audio" else backbone.native_duration_s,
        through_denoiser=preset.settings.aligner.through_denoiser,
        frames_per_step=preset.frames.per_step,
        latent_encoder=random_models.latent_encoder(backbone, device="meta")
        if preset.latent_encoder
        else None,
    )


def released_flops(costs: Costs) -> RunFlops:
    """A run of the released loop, restated in `benchmarks.reference_v2a`.

    `costs` are those of our run with the same models, for the unguided steps and the decoding.
    """
    num_clips = int(DURATION_S)
    sound = random_models.audioldm("s", **ON_META)
    binder = random_models.imagebind(device="meta", config=authors_config(num_clips))
    z, y, pixels, ids = inputs_of(sound, DURATION_S)
    inputs = (z.to("meta"), y.to("meta"), pixels.to("meta"), ids.to("meta"))
    with fused_attention() as fused, FlopCounterMode(display=False) as counter:
        released(sound, binder, inputs, num_steps=2, warm_up=0.0)  # the second step is guided
    both = float(counter.get_total_flops()) + sum(fused)
    rest = both - 2 * costs.plain_flops
    settings = PAPER_V2A.settings
    steps = range(settings.num_steps)
    guided = sum(settings.aligner.is_guided(i, settings.num_steps) for i in steps)
    return RunFlops(
        stages={"denoiser": costs.plain_flops, "everything else": rest},
        plain=costs.plain_flops,
        total=settings.num_steps * costs.plain_flops + guided * rest + costs.decode_flops,
    )


def unguided(preset: Preset, costs: Costs) -> RunFlops:
    """The same run without guidance."""
    total = preset.settings.num_steps * costs.plain_flops + costs.decode_flops
    return RunFlops(stages={}, plain=costs.plain_flops, total=total)


def rows_of(presets: tuple[Preset, Preset], backbone: AudioLDM | AnimateDiff, tower: str):
    """FLOPs without guidance and with each preset, and the costs of the first preset's step."""
    costs = [costs_of(PAPER_RUNS[preset.name], backbone, tower) for preset in presets]
    rows = {"unguided": unguided(presets[0], costs[0])}
    rows |= {p.name: run_flops(p, c) for p, c in zip(presets, costs, strict=True)}
    return rows, costs[0]


def section(title: str, rows: Mapping[str, RunFlops]) -> str:
    """A table of runs: guided step by stage, total, and the ratio to the unguided run."""
    stages = list(dict.fromkeys(stage for row in rows.values() for stage in row.stages))
    lines = [
        (
            f"`{name}`" if name.startswith("paper") else name,
            *(f"{row.stages[s] / 1e12:.3f}" if s in row.stages else "" for s in stages),
            f"{(sum(row.stages.values()) or row.plain) / 1e12:.2f}",
            f"{row.total / 1e12:.1f}",
            f"{row.total / rows['unguided'].total:.2f}",
        )
        for name, row in rows.items()
    ]
    header = ("run", *stages, "whole step", "whole run", "times unguided")
    return f"\n## {title}\n\n" + table(header, lines)


def main() -> None:
    """Count, and write docs/results/guidance_flops."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.manual_seed(0)
    audio, costs = rows_of(
        (PAPER_V2A, PAPER_V2A_FAST), random_models.audioldm("s", **ON_META), "audio"
    )
    audio["released loop"] = released_flops(costs)
    video, _ = rows_of(
        (PAPER_A2V, PAPER_A2V_FAST), random_models.animatediff("v1", **ON_META, **CLIP), "video"
    )
    runs = {
        f"AudioLDM s, {DURATION_S} s of audio in 30 steps": audio,
        "AnimateDiff, 16 frames of 512 x 512 in 25 steps": video,
    }
    text = (
        "TFLOP of a guided step by stage, of the whole step and of the whole run with its final "
        'decoding. Counted at the published sizes on PyTorch\'s device "meta"; a multiply-add '
        "counts twice. The released loop is restated in `benchmarks/reference_v2a.py`. The "
        "`-fast` presets embed the noisy latents by a network of the size that `seehear distill` "
        "trains. Their quality at these sizes was not measured.\n"
    )
    text += "".join(section(title, rows) for title, rows in runs.items())
    raw = {title: {n: asdict(row) for n, row in rows.items()} for title, rows in runs.items()}
    write("guidance_flops", "FLOPs of guidance at full size", raw, text, of_pocket=False)


if __name__ == "__main__":
    main()
