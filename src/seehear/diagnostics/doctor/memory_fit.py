"""Memory and time of the paper's runs on this machine, with a memory plan that fits."""

from dataclasses import dataclass

import torch

from seehear.diagnostics.estimate import RunEstimate, estimate_run
from seehear.diagnostics.memory_mode import HEADROOM, MemoryPlan, fitting, free_bytes
from seehear.diagnostics.step_cost import measured_rate
from seehear.errors import SettingsError
from seehear.pipeline.paper_runs import PAPER_RUNS


@dataclass(frozen=True)
class Fit:
    """Estimate of one of the paper's runs on this machine."""

    recipe: str
    peak_bytes: int  # without memory options
    seconds: float
    free_bytes: int
    advice: str  # the plan that fits, or the error if none does

    def __str__(self) -> str:
        return (
            f"{self.recipe}: about {self.peak_bytes / 1e9:.1f} GB at the peak and "
            f"{self.seconds / 60:.1f} min here; {self.free_bytes / 1e9:.1f} GB are free: "
            f"{self.advice}"
        )


def fits(device: str, dtype: torch.dtype) -> list[Fit]:
    """Estimate every run in a dtype, and find a memory plan for those that do not fit.

    The FLOP rate of the device is measured in one second. Weights are not needed.
    """
    rate, free = measured_rate(device, dtype), free_bytes(device)
    budget = int(HEADROOM * free)
    fits_found = []
    for recipe in PAPER_RUNS.values():
        if recipe.preset.latent_encoder:
            continue  # needs less than the same run without it
        estimate = estimate_run(recipe, MemoryPlan(dtype))
        advice = "it fits"
        if estimate.peak_bytes > budget:
            estimates: dict[MemoryPlan, RunEstimate] = {}

            def peak_of(plan: MemoryPlan, recipe=recipe, estimates=estimates) -> int:
                estimates[plan] = estimate_run(recipe, plan)
                return estimates[plan].peak_bytes

            try:
                plan = fitting(device, budget, peak_of)
                size = estimates[plan].peak_bytes / 1e9
                advice = f"--memory auto takes {size:.1f} GB ({plan})"
            except SettingsError as error:
                advice = str(error)
        fits_found.append(
            Fit(recipe.name, estimate.peak_bytes, estimate.seconds(rate), free, advice)
        )
    return fits_found
