"""Which frames of a generated clip the binder looks at: a few per step, all of them over a run."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from seehear.errors import SettingsError
from seehear.guidance.settings import FrameSampling


class FrameSampler:
    """Draws frames step by step from equal parts of the clip, each part like a deck of cards.

    Every draw takes one frame of every part. No frame of a part comes again before all of them
    have come, so every frame is guided nearly equally often.
    """

    def __init__(self, choice: FrameSampling, num_frames: int):
        if num_frames < 1:
            raise SettingsError(f"expected a clip of at least one frame, got {num_frames}")
        count = min(choice.per_step, num_frames)
        edges = [round(k * num_frames / count) for k in range(count + 1)]
        self._parts = [range(a, b) for a, b in pairwise(edges)]
        self._decks: list[list[int]] = [[] for _ in self._parts]
        self._generator = torch.Generator().manual_seed(choice.seed)
        self.num_frames = num_frames

    def next(self) -> tuple[int, ...]:
        """The frames of the next step: rising, all different, one of every part of the clip."""
        for part, deck in zip(self._parts, self._decks, strict=True):
            if not deck:
                order = torch.randperm(len(part), generator=self._generator).tolist()
                deck.extend(part[k] for k in order)
        return tuple(deck.pop() for deck in self._decks)


def evenly_spaced_indices(count: int, wanted: int) -> Sequence[int]:
    """`wanted` indices spread evenly over `count`, ends included; all if there are fewer."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long().tolist()
