"""Estimate memory, FLOPs and time of the paper's runs by stage, without weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seehear.diagnostics import random_models
from seehear.diagnostics.memory_mode import MemoryPlan
from seehear.diagnostics.step_cost import Costs, step_costs
from seehear.guidance.windows import layout_of, positions_for
from seehear.models.binders.imagebind import ImageBindConfig
from seehear.models.binders.imagebind.state_dict_shapes import published_shapes
from seehear.models.binders.imagebind.towers import MODALITIES, Modality
from seehear.pipeline.paper_runs import PaperRun

PLAIN = MemoryPlan()
_EMBEDDED: Mapping[str, tuple[Modality, ...]] = {  # towers of the generated modality stay in memory
    "audio": ("audio",),
    "video": ("vision",),
}


@dataclass(frozen=True)
class RunEstimate:
    """Costs of every generated stream of a run, and their totals."""

    recipe: str
    plan: MemoryPlan
    streams: Mapping[str, Costs]
    resident_bytes: int  # all weights in memory during sampling
    num_steps: int
    num_guided: int
    num_windows: Mapping[str, int]  # per stream; `streams` has the costs of one window

    @property
    def peak_bytes(self) -> int:
        """Peak memory with weights. The streams of a joint run share a graph."""
        costs = self.streams.values()
        guided = sum(c.guided_peak_bytes for c in costs)
        other = max(max(c.plain_peak_bytes, c.decode_peak_bytes) for c in costs)
        return self.resident_bytes + max(guided, other)

    def seconds(self, flops_per_s: float) -> float:
        """Time of the whole run at a FLOP rate, for example from `step_cost.measured_rate`."""
        return sum(
            self.num_windows[stream] * costs.seconds(self.num_steps, self.num_guided, flops_per_s)
            for stream, costs in self.streams.items()
        )


def estimate_run(
    recipe: PaperRun,
    plan: MemoryPlan = PLAIN,
    duration_s: float | None = None,
    num_steps: int | None = None,
) -> RunEstimate:
    """Estimate a run at the published model sizes. Takes seconds and allocates no weights.

    Args:
        recipe: A run of `seehear.pipeline.paper_runs`.
        plan: How the models are loaded.
        duration_s: Output duration; None: that of the recipe, else 10 s. It is rounded up to whole
            windows of the model.
        num_steps: Steps per stream; None: those of the recipe.
    """
    output_s = duration_s or recipe.duration_s or 10.0
    aligner = recipe.preset.settings.aligner
    common: dict[str, Any] = {
        "device": "meta",
        "dtype": plan.dtype,
        "checkpointing": plan.checkpointing,
    }
    config = ImageBindConfig(**recipe.binder)
    streams: dict[str, Costs] = {}
    num_windows: dict[str, int] = {}
    resident: dict[str, int] = {}
    for stream, source in (("audio", recipe.audio), ("video", recipe.video)):
        if source is None:
            continue
        backbone = (
            random_models.audioldm("m", **common)
            if stream == "audio"
            else random_models.animatediff("v1", **common, **recipe.clip)
        )
        binder = random_models.imagebind(
            device="meta", dtype=plan.dtype, trunks=_EMBEDDED[stream], config=config
        )
        streams[stream] = step_costs(
            backbone,
            binder,
            random_models.prompt_rows(backbone),
            duration_s=backbone.native_duration_s,
            through_denoiser=aligner.through_denoiser,
            frames_per_step=recipe.preset.frames.per_step,
            latent_encoder=random_models.latent_encoder(backbone, device="meta", dtype=plan.dtype)
            if recipe.preset.latent_encoder
            else None,
        )
        layout = layout_of(backbone, recipe.preset.overlap)
        length = positions_for(output_s, backbone.latents_per_s)
        num_windows[stream] = 1 if layout is None else len(layout.spans(length))
        for name, size in streams[stream].weight_bytes.items():
            if not (plan.lean and name == "text_encoder"):
                resident[f"{stream} {name}"] = size
    if not plan.lean:  # the towers of the condition stay as well
        numbers = sum(math.prod(shape) for shape in published_shapes(MODALITIES).values())
        resident = {k: v for k, v in resident.items() if not k.endswith("towers")}
        resident["binder"] = numbers * plan.dtype.itemsize
    settings = recipe.preset.settings
    steps = (settings if num_steps is None else settings.with_steps(num_steps)).num_steps
    return RunEstimate(
        recipe=recipe.name,
        plan=plan,
        streams=streams,
        resident_bytes=sum(resident.values()),
        num_steps=steps,
        num_guided=sum(aligner.is_guided(i, steps) for i in range(steps)),
        num_windows=num_windows,
    )


def estimate_lines(prediction: RunEstimate, flops_per_s: float | None = None) -> list[str]:
    """Text lines with the costs by stage."""
    lines = [
        f"{prediction.recipe}: {prediction.peak_bytes / 1e9:.1f} GB at the peak, "
        f"{prediction.resident_bytes / 1e9:.1f} GB of it weights ({prediction.plan})"
    ]
    for stream, costs in prediction.streams.items():
        for stage in costs.stages:
            lines.append(
                f"  {stream} {stage.name:9} {stage.flops / 1e12:7.3f} TFLOP  "
                f"{stage.peak_bytes / 1e9:6.2f} GB without weights"
            )
    steps = f"{prediction.num_steps} steps, {prediction.num_guided} of them guided"
    if flops_per_s:
        seconds = prediction.seconds(flops_per_s)
        lines.append(f"  {steps}: about {seconds:.0f} s at {flops_per_s / 1e9:.0f} GFLOP/s")
    else:
        total = prediction.seconds(1e12)
        lines.append(f"  {steps}: {total:.0f} TFLOP in total")
    return lines
