"""Distances between embeddings, and the weighted losses of a task's pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.streams import Pair


@runtime_checkable
class Distance(Protocol):
    """A distance between embeddings of generated media and embeddings of their targets."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Distances (batch,) of embeddings (batch, dim) from (batch, dim) or (1, dim)."""
        ...


def cosine_distance(
    a: Float[Tensor, "*batch dim"], b: Float[Tensor, "*#batch dim"]
) -> Float[Tensor, "*batch"]:
    """One minus the cosine of the angle between two embeddings: 0 when aligned, 2 when opposite.

    This is the F of Eqs. 14-16. Eq. 12 defines 1 - F as the distance, which would grow with
    agreement; the sums of distances in the paper and the authors' code use F.

    Returns:
        One distance per row; float32 even for half-precision embeddings, float64 for float64.
    """
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    return 1 - torch.nn.functional.cosine_similarity(a.to(dtype), b.to(dtype), dim=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class NamesDistance:
    """Divergence between the zero-shot label distributions of two embeddings over a phrase bank.

    Audio and image embeddings lie in separate regions of the space (the modality gap), so the
    cosine can always grow in a direction that changes nothing audible. The binder was trained with
    a contrastive loss, which only compares similarities. So does this distance: it depends on which
    phrases are nearest, not on the gap.
    """

    phrases: Float[Tensor, "phrases dim"]  # unit vectors
    temperature: float = 0.1  # of the softmax for the generated media
    target_temperature: float = 0.05  # of the softmax for the target

    def __call__(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "#batch dim"]
    ) -> Float[Tensor, " batch"]:
        """Kullback-Leibler divergence KL(b || a) of the label distributions, in nats.

        If both are generated, each is the detached and sharpened target of the other, so that they
        settle on one of their common labels. A gradient in the target would flatten it instead.
        """
        if a.requires_grad and b.requires_grad:
            return self._divergence(a, b.detach()) + self._divergence(b, a.detach())
        return self._divergence(a, b)

    def _divergence(self, a: Tensor, target: Tensor) -> Tensor:
        phrases = self.phrases.float().T
        log_q = (a.float() @ phrases / self.temperature).log_softmax(dim=-1)
        log_p = (target.float() @ phrases / self.target_temperature).log_softmax(dim=-1)
        return (log_p.exp() * (log_p - log_q)).sum(dim=-1)


def pair_losses(
    embeddings: Mapping[str, Tensor],
    pairs: Sequence[Pair],
    weights: Sequence[float],
    distance: Distance = cosine_distance,
) -> dict[str, Float[Tensor, " batch"]]:
    """The weighted distance of every pair, by name ("audio-video").

    A pair with a missing embedding is left out, such as a pair with text when there is no prompt.

    Args:
        embeddings: Rows (batch, dim) or, for a target that all samples share, (1, dim).
        pairs: Pairs of a task, such as `V2A`.
        weights: One factor per pair.
        distance: Distance between the embeddings of a pair.

    Raises:
        ValueError: The number of weights differs from that of pairs, or no pair is complete.
    """
    present = {
        f"{a}-{b}": weight * distance(embeddings[a], embeddings[b])
        for (a, b), weight in zip(pairs, weights, strict=True)
        if a in embeddings and b in embeddings
    }
    if not present:
        raise ValueError(
            f"expected both embeddings of at least one pair of {list(pairs)}, got "
            f"{list(embeddings)}"
        )
    return present
