"""Moving what a stream shows in time, while it is still being decided how it will look (ours).

The gradient of a sync term has to make an onset vanish here and appear there, and what lies between
is worse. Latents can simply be cut and put elsewhere: noise that is moved is noise still, and the
denoiser mends the seams. What each of the two brings: docs/results/pocket_sync.md.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor


def source_positions(
    moves: Sequence[Int[Tensor, " batch"]], spans: Sequence[slice], length: int
) -> Int[Tensor, "batch length"]:
    """From which position of the time axis every position is taken.

    Args:
        moves: For every window, by how many positions what it shows is late, for each sample.
        spans: The windows as slices of the axis, in order; neighbours change over midway in what
            they share.
        length: Of the axis. What leaves at one end comes in at the other.
    """
    here = torch.arange(length, device=moves[0].device)
    borders = [(before.stop + after.start) // 2 for before, after in pairwise(spans)]
    window = torch.stack([here >= border for border in borders]).sum(0) if borders else here * 0
    return (here + torch.stack(list(moves), dim=1)[:, window]) % length


def gather_in_time(latents: Tensor, source: Int[Tensor, "batch length"], time_axis: int) -> Tensor:
    """Latents with every position of their time axis taken from another, sample by sample."""
    return torch.stack(
        [z.index_select(time_axis - 1, k) for z, k in zip(latents, source, strict=True)]
    )


def mean_shift(source: Int[Tensor, "batch length"]) -> float:
    """By how many positions things move on average, the shorter way round; 0 if nothing does."""
    length = source.shape[1]
    ahead = (source - torch.arange(length, device=source.device)) % length
    return float(torch.minimum(ahead, length - ahead).double().mean())
