"""Agreement of two kinds of embeddings, pair by pair: AV-, VT-, AT-bind, CLAP, CLIP scores."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def paired_cosine(a: Float[Tensor, "n dim"], b: Float[Tensor, "m dim"]) -> Float[Tensor, " n"]:
    """Cosine of every pair, in float64. Higher is better.

    Embeddings are normalised here: ImageBind's of sound and text are longer than 1, and a mean over
    clips of unit vectors is shorter, so a plain product would be another number.

    Where the guidance made this very cosine larger it is no measure of quality: see the table's
    warning, and judge by another network beside it.

    Raises:
        ValueError: The sets are not pairs.
    """
    if a.shape != b.shape:
        raise ValueError(f"expected pairs, got {tuple(a.shape)} and {tuple(b.shape)}")
    return functional.cosine_similarity(a.detach().double(), b.detach().double(), dim=1)
