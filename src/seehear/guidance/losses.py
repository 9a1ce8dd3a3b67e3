"""How far apart two embeddings are, and which pairs of them each task pulls together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.streams import Pair


@runtime_checkable
class Distance(Protocol):
    """How far what is made (or its partner, where both are made) is from what it belongs to."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (batch,) of embeddings (batch, dim) from (batch, dim) or (1, dim)."""
        ...


def cosine_distance(
    a: Float[Tensor, "*batch dim"], b: Float[Tensor, "*#batch dim"]
) -> Float[Tensor, "*batch"]:
    """One minus the cosine of the angle between two embeddings: 0 when aligned, 2 when opposite.

    This is the F of Eqs. 14-16. Eq. 12 subtracts F from 1, which would push apart what should
    agree; the paper's sums of distances and the authors' code settle it.

    Returns:
        One distance per row; float32 even for half-precision embeddings, float64 for float64.
    """
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    return 1 - torch.nn.functional.cosine_similarity(a.to(dtype), b.to(dtype), dim=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class NamesDistance:
    """How differently two embeddings would be named: a divergence over a bank of phrases.

    An embedding of a sound never comes near one of a picture: each kind has a corner of the space
    to itself, and there is always a direction that shortens the way and changes nothing that one
    could hear. Which phrases it is nearer to than to others is what the binder was trained for
    (the contrastive loss), and this asks for that and no more.
    """

    phrases: Float[Tensor, "phrases dim"]  # unit vectors
    temperature: float = 0.1  # of the cosines that name what is made
    target_temperature: float = 0.05  # of those that name what it is compared with

    def __call__(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "#batch dim"]
    ) -> Float[Tensor, " batch"]:
        """The Kullback-Leibler divergence of a's names from b's, in nats.

        Where both are made, each is pulled to what the other is named already, sharpened: two that
        waver between the same names agree on one. A gradient in the target would blur it instead.
        """
        if a.requires_grad and b.requires_grad:
            return self._pulled(a, b.detach()) + self._pulled(b, a.detach())
        return self._pulled(a, b)

    def _pulled(self, a: Tensor, b: Tensor) -> Tensor:
        phrases = self.phrases.float().T
        found = (a.float() @ phrases / self.temperature).log_softmax(dim=-1)
        wanted = (b.float() @ phrases / self.target_temperature).log_softmax(dim=-1)
        return (wanted.exp() * (wanted - found)).sum(dim=-1)


def pair_losses(
    embeddings: Mapping[str, Tensor],
    pairs: Sequence[Pair],
    weights: Sequence[float],
    distance: Distance = cosine_distance,
) -> dict[str, Float[Tensor, " batch"]]:
    """The weighted distance of every pair, by name ("audio-video").

    A pair of which one side is absent from `embeddings` contributes nothing: without a prompt
    there is no text to agree with.

    Args:
        embeddings: Rows (batch, dim) or, for a target that all samples share, (1, dim).
        pairs: A task, such as `V2A`.
        weights: One factor per pair.
        distance: What is weighted and made smaller.

    Raises:
        ValueError: Not as many weights as pairs, or no pair has both sides.
    """
    present = {
        f"{a}-{b}": weight * distance(embeddings[a], embeddings[b])
        for (a, b), weight in zip(pairs, weights, strict=True)
        if a in embeddings and b in embeddings
    }
    if not present:
        raise ValueError(f"none of the pairs {list(pairs)} can be formed from {list(embeddings)}")
    return present
