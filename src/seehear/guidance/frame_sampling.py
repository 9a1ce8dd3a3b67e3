"""Which frames of a generated clip the binder looks at: a few per step, all of them over a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from seehear.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class FrameSampling:
    """How many frames a guided step decodes, and from which seed they are drawn.

    Decoding dominates the price of guiding a video, so a step looks at few frames. They are spread
    over the whole clip, and none is left out: the authors' code only ever saw the first ten.
    """

    per_step: int = 2  # 2 in the authors' code; a step's decoding costs in proportion
    seed: int = 0

    def __post_init__(self):
        if self.per_step < 1:
            raise SettingsError(f"per_step counts frames from 1, got {self.per_step}")

    def sampler(self, num_frames: int) -> "FrameSampler":
        """Begin to draw from a clip of that many frames."""
        return FrameSampler(self, num_frames)


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
