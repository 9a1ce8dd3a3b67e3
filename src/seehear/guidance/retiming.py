"""Shift a stream's latents in time early in the run (ours).

The gradient of a sync loss has to remove an onset in one place and create it in another, and the
states in between have a higher loss. Latents can be cut and moved instead: shifted noise is still
noise, and the denoiser repairs the seams. Measurements of both: docs/results/pocket_sync.md.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor


def source_positions(
    moves: Sequence[Int[Tensor, " batch"]], spans: Sequence[slice], length: int
) -> Int[Tensor, "batch length"]:
    """For every position of the time axis, the position that it takes its latents from.

    Args:
        moves: Delay of each sample in latent positions; one tensor per window.
        spans: The windows as slices of the time axis, in order. The shift changes from one window
            to the next in the middle of their overlap.
        length: Length of the time axis. The shift is circular.
    """
    here = torch.arange(length, device=moves[0].device)
    borders = [(before.stop + after.start) // 2 for before, after in pairwise(spans)]
    window = torch.stack([here >= border for border in borders]).sum(0) if borders else here * 0
    return (here + torch.stack(list(moves), dim=1)[:, window]) % length


def gather_in_time(latents: Tensor, source: Int[Tensor, "batch length"], time_axis: int) -> Tensor:
    """Latents reordered along their time axis by `source`, one row per sample."""
    return torch.stack(
        [z.index_select(time_axis - 1, k) for z, k in zip(latents, source, strict=True)]
    )


def mean_shift(source: Int[Tensor, "batch length"]) -> float:
    """Mean circular distance between positions and their sources, in latent positions."""
    length = source.shape[1]
    ahead = (source - torch.arange(length, device=source.device)) % length
    return float(torch.minimum(ahead, length - ahead).double().mean())
