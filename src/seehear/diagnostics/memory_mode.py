"""Memory plans from fastest to smallest, and the choice of a plan for a memory budget."""

from collections.abc import Callable
from dataclasses import dataclass

import psutil
import torch

from seehear.errors import SettingsError

# Fraction of free memory: full-size processes used up to 1.3 times the predicted tensor memory.
HEADROOM = 0.75


@dataclass(frozen=True)
class MemoryPlan:
    """How models are loaded and run. All plans compute the loss in float32."""

    dtype: torch.dtype = torch.float32
    checkpointing: bool = False  # recompute activations in the backward pass
    # CPU offload: text encoders and binder encoders are on the accelerator only while used.
    lean: bool = False

    @property
    def options(self) -> dict[str, object]:
        """Keyword arguments of `seehear.load`."""
        return {"dtype": self.dtype, "checkpointing": self.checkpointing, "lean": self.lean}

    def __str__(self) -> str:
        parts = ["bfloat16" if self.dtype == torch.bfloat16 else "float32"]
        parts += ["activations recomputed"] if self.checkpointing else []
        parts += ["networks offloaded after use"] if self.lean else []
        return ", ".join(parts)


def plans_for(device: str) -> tuple[MemoryPlan, ...]:
    """Plans from fastest to smallest. On a CPU, bfloat16 saves memory but no time."""
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
    """Free memory of a device in bytes."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def fitting(device: str, budget: int, peak_of: Callable[[MemoryPlan], int]) -> MemoryPlan:
    """The fastest plan whose peak is within a budget.

    Args:
        device: Device of the models.
        budget: Memory budget in bytes.
        peak_of: Predicts the peak memory of a plan in bytes.

    Raises:
        SettingsError: No plan fits; the message states the smallest peak.
    """
    peak = 0
    for plan in plans_for(device):
        peak = peak_of(plan)
        if peak <= budget:
            return plan
    raise SettingsError(
        f"expected a memory plan within {budget / 1e9:.1f} GB, but the smallest takes "
        f"{peak / 1e9:.1f} GB; generate shorter or smaller clips, or use --models pocket"
    )
