"""References: text or media that generated media should resemble, or should not resemble."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.guidance.losses import cosine_distance


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A target besides the condition: every generated stream is compared with it."""

    name: str  # of its loss in the trace: "audio-veto"
    embedding: Float[Tensor, "#batch dim"]
    weight: float
    is_veto: bool = False  # move away from it instead of towards it
    margin: float = 0.0  # cosine similarity below which a veto has no effect


def veto_loss(
    a: Float[Tensor, "*batch dim"], b: Float[Tensor, "*#batch dim"], margin: float = 0.0
) -> Float[Tensor, "*batch"]:
    """The cosine similarity of two embeddings above a margin, and 0 below it.

    It has a lower bound, so that a veto does not drive the output to the opposite of the reference.
    """
    return torch.relu(1 - cosine_distance(a, b) - margin)


def reference_losses(
    embeddings: Mapping[str, Tensor], references: Sequence[Reference]
) -> dict[str, Float[Tensor, " batch"]]:
    """The weighted loss of every generated stream and reference, by name ("audio-like").

    Args:
        embeddings: Of the generated streams, (batch, dim) each.
        references: What to compare them with.
    """
    return {
        f"{stream}-{reference.name}": reference.weight
        * (
            veto_loss(embedding, reference.embedding, reference.margin)
            if reference.is_veto
            else cosine_distance(embedding, reference.embedding)
        )
        for reference in references
        for stream, embedding in embeddings.items()
    }
