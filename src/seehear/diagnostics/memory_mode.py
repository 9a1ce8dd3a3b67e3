"""Ways to need less memory, dearest last, and which of them a budget asks for."""

from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch

from seehear.errors import SettingsError

# Of what is free: at true size, processes took up to 1.3 times what was predicted for tensors.
HEADROOM = 0.75


@dataclass(frozen=True)
class MemoryPlan:
    """How models are loaded and run. Every plan gives the same picture of the loss, in float32."""

    dtype: torch.dtype = torch.float32
    checkpointing: bool = False  # recompute activations in the backward pass
    # Text encoders and the binder's towers leave the accelerator after use, and come when needed.
    lean: bool = False

    @property
    def options(self) -> dict[str, object]:
        """As `seehear.load` takes them."""
        return {"dtype": self.dtype, "checkpointing": self.checkpointing, "lean": self.lean}

    def __str__(self) -> str:
        found = ["bfloat16" if self.dtype == torch.bfloat16 else "float32"]
        found += ["activations recomputed"] if self.checkpointing else []
        found += ["networks leave after use"] if self.lean else []
        return ", ".join(found)


def plans_for(device: str) -> tuple[MemoryPlan, ...]:
    """Plans from the fastest to the smallest; on a CPU bfloat16 saves memory alone."""
    half = torch.bfloat16
    if torch.device(device).type == "cpu":
        return (
            MemoryPlan(),
            MemoryPlan(checkpointing=True),
            MemoryPlan(half),
            MemoryPlan(half, checkpointing=True),
        )
    return (
        MemoryPlan(),
        MemoryPlan(half),
        MemoryPlan(half, checkpointing=True),
        MemoryPlan(half, checkpointing=True, lean=True),
    )


def free_bytes(device: str) -> int:
    """Memory that nobody uses now."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def fitting(device: str, budget: int, peak_of: Callable[[MemoryPlan], int]) -> MemoryPlan:
    """The fastest plan whose peak fits.

    Args:
        device: Where the models run.
        budget: In bytes.
        peak_of: Predicts the peak of a plan, in bytes.

    Raises:
        SettingsError: Not even the smallest does; says how much it would take.
    """
    peak = 0
    for plan in plans_for(device):
        peak = peak_of(plan)
        if peak <= budget:
            return plan
    raise SettingsError(
        f"expected a way to stay below {budget / 1e9:.1f} GB, the smallest takes "
        f"{peak / 1e9:.1f} GB; make shorter or smaller clips, or use --models pocket"
    )
