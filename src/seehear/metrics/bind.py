"""Cosine of paired embeddings: AV-, VT- and AT-bind, CLAP and CLIP scores."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def paired_cosine(a: Float[Tensor, "n dim"], b: Float[Tensor, "m dim"]) -> Float[Tensor, " n"]:
    """Cosine similarity of every pair in float64. Higher is better.

    Embeddings are normalised here: audio and text embeddings of ImageBind have norms above 1, and
    means of unit vectors have norms below 1, so a dot product would give other values.

    If guidance optimised this cosine, it does not measure quality. Report the score of an
    independent network as well.

    Raises:
        ValueError: The shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"expected pairs of equal shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return functional.cosine_similarity(a.detach().double(), b.detach().double(), dim=1)
