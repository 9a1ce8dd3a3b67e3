"""How far apart two embeddings are, and which pairs of them each task pulls together."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Pair = tuple[str, str]  # names of two embeddings: "audio", "video" or "text"

V2A: tuple[Pair, ...] = (("audio", "video"), ("audio", "text"))  # Eq. 15, dual
A2V: tuple[Pair, ...] = (("video", "audio"), ("video", "text"))  # Eq. 14, dual
JOINT: tuple[Pair, ...] = (("audio", "video"), ("audio", "text"), ("video", "text"))  # Eq. 16
# The same where sound and picture have prompts of their own.
JOINT_OWN: tuple[Pair, ...] = (
    ("audio", "video"),
    ("audio", "audio text"),
    ("video", "video text"),
)
PAIRS: dict[str, tuple[Pair, ...]] = {
    "v2a": V2A, "i2a": V2A, "a2v": A2V, "a2i": A2V, "joint": JOINT
}  # fmt: skip


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


def pair_losses(
    embeddings: Mapping[str, Tensor], pairs: Sequence[Pair], weights: Sequence[float]
) -> dict[str, Float[Tensor, " batch"]]:
    """The weighted distance of every pair, by name ("audio-video").

    A pair of which one side is absent from `embeddings` contributes nothing: without a prompt
    there is no text to agree with.

    Args:
        embeddings: Rows (batch, dim) or, for a target that all samples share, (1, dim).
        pairs: A task, such as `V2A`.
        weights: One factor per pair.

    Raises:
        ValueError: Not as many weights as pairs, or no pair has both sides.
    """
    present = {
        f"{a}-{b}": weight * cosine_distance(embeddings[a], embeddings[b])
        for (a, b), weight in zip(pairs, weights, strict=True)
        if a in embeddings and b in embeddings
    }
    if not present:
        raise ValueError(f"none of the pairs {list(pairs)} can be formed from {list(embeddings)}")
    return present
