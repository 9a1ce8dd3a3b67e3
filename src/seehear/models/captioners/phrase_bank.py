"""Name what an embedding shows or sounds like: the nearest phrases of a bank."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.protocols import Binder
from seehear.models.captioners.phrases import PHRASES


class Match(NamedTuple):
    """A phrase and how near it is: the cosine of its embedding and the media's."""

    phrase: str
    score: float


class PhraseBank:
    """Phrases with their embeddings, computed once: finds the best for any picture or sound."""

    def __init__(self, binder: Binder, phrases: Sequence[str] = PHRASES):
        self.phrases = tuple(phrases)
        with torch.no_grad():
            self.embeddings = binder.embed_text(self.phrases)

    def nearest(
        self, embedding: Float[Tensor, "batch dim"], count: int = 1
    ) -> list[tuple[Match, ...]]:
        """The `count` best phrases for each unit vector, best first.

        Args:
            embedding: Unit vectors from the binder that the bank was made with.
            count: How many phrases; at most as many as the bank has.
        """
        scores = embedding.detach().to(self.embeddings) @ self.embeddings.T
        top = scores.topk(min(count, len(self.phrases)), dim=1)
        return [
            tuple(Match(self.phrases[i], value) for i, value in zip(row, values, strict=True))
            for row, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]
