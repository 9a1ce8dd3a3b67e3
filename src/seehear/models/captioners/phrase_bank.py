"""Zero-shot captions: the phrases of a bank that are nearest to an embedding."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.protocols import Binder
from seehear.models.captioners.phrases import PHRASES


class Match(NamedTuple):
    """A phrase, and the cosine between its embedding and that of the media."""

    phrase: str
    score: float


class PhraseBank:
    """Phrases with precomputed embeddings; finds the nearest ones for image, video or audio."""

    def __init__(self, binder: Binder, phrases: Sequence[str] = PHRASES):
        self.phrases = tuple(phrases)
        with torch.no_grad():
            self.embeddings = binder.embed_text(self.phrases)

    def nearest(
        self, embedding: Float[Tensor, "batch dim"], count: int = 1
    ) -> list[tuple[Match, ...]]:
        """The `count` best phrases for each unit vector, best first.

        Args:
            embedding: Unit vectors of the bank's binder.
            count: Number of phrases, limited to the size of the bank.
        """
        scores = embedding.detach().to(self.embeddings) @ self.embeddings.T
        top = scores.topk(min(count, len(self.phrases)), dim=1)
        return [
            tuple(Match(self.phrases[i], value) for i, value in zip(row, values, strict=True))
            for row, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]
