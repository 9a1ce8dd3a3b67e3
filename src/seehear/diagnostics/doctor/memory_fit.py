"""Whether the paper's runs fit this machine, how long they would take, and what to ask for."""

from dataclasses import dataclass

import torch

from seehear.diagnostics.estimate import RunEstimate, estimate_run
from seehear.diagnostics.memory_mode import HEADROOM, MemoryPlan, fitting, free_bytes
from seehear.diagnostics.step_cost import measured_rate
from seehear.errors import SettingsError
from seehear.pipeline.paper_runs import PAPER_RUNS


@dataclass(frozen=True)
class Fit:
    """One of the paper's runs on this machine."""

    recipe: str
    peak_bytes: int  # as it would be loaded without a word about memory
    seconds: float
    free_bytes: int
    advice: str  # the plan that fits, or that none does

    def __str__(self) -> str:
        return (
            f"{self.recipe}: about {self.peak_bytes / 1e9:.1f} GB at the peak and "
            f"{self.seconds / 60:.1f} min here; {self.free_bytes / 1e9:.1f} GB are free: "
            f"{self.advice}"
        )


def fits(device: str, dtype: torch.dtype) -> list[Fit]:
    """Cost every recipe in a number format, and find a plan for those that don't fit.

    Rates of arithmetic are measured here, in a second; weights are not needed.
    """
    rate, free = measured_rate(device, dtype), free_bytes(device)
    budget = int(HEADROOM * free)
    found = []
    for recipe in PAPER_RUNS.values():
        plain = estimate_run(recipe, MemoryPlan(dtype))
        advice = "it fits"
        if plain.peak_bytes > budget:
            known: dict[MemoryPlan, RunEstimate] = {}

            def peak_of(plan: MemoryPlan, recipe=recipe, known=known) -> int:
                known[plan] = estimate_run(recipe, plan)
                return known[plan].peak_bytes

            try:
                plan = fitting(device, budget, peak_of)
                size = known[plan].peak_bytes / 1e9
                advice = f"--memory auto takes {size:.1f} GB ({plan})"
            except SettingsError as error:
                advice = str(error)
        found.append(Fit(recipe.name, plain.peak_bytes, plain.seconds(rate), free, advice))
    return found
