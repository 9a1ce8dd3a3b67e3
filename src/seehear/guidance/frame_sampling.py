"""Frame sampling: a guided step embeds a few frames, and a run covers all of them."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from seehear.errors import SettingsError
from seehear.guidance.settings import FrameSampling


class FrameSampler:
    """Stratified sampling without replacement: one frame from each equal part of a window.

    A frame is drawn again only after all frames of its part have been drawn, so all frames are
    guided about equally often.
    """

    def __init__(self, settings: FrameSampling, num_frames: int):
        if num_frames < 1:
            raise SettingsError(f"expected a clip of at least one frame, got {num_frames}")
        count = min(settings.per_step, num_frames)
        edges = [round(k * num_frames / count) for k in range(count + 1)]
        self._parts = [range(a, b) for a, b in pairwise(edges)]
        self._remaining: list[list[int]] = [[] for _ in self._parts]
        self._generator = torch.Generator().manual_seed(settings.seed)
        self.num_frames = num_frames

    def next(self) -> tuple[int, ...]:
        """Frame indices for the next step, ascending and distinct, one per part of the window."""
        for part, remaining in zip(self._parts, self._remaining, strict=True):
            if not remaining:
                order = torch.randperm(len(part), generator=self._generator).tolist()
                remaining.extend(part[k] for k in order)
        return tuple(remaining.pop() for remaining in self._remaining)


def evenly_spaced_indices(count: int, wanted: int) -> Sequence[int]:
    """`wanted` evenly spaced indices below `count`, both ends included; all if count is smaller."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long().tolist()
