"""What both denoisers learn: the velocity of a noised clean sample."""

from collections.abc import Callable

import torch
from torch import Tensor

from training.loop import fast_arithmetic

DROP_PROMPT = 0.1  # of the examples, so that classifier-free guidance has what to start from
VAGUE_PROMPT = 0.1  # of the examples: the name of their group, "an animal", where there are such


def v_loss(
    predict: Callable[[Tensor, Tensor], Tensor],
    alpha_bar: Tensor,
    x0: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of v at random timesteps (Salimans & Ho 2022, arXiv:2202.00512).

    Args:
        predict: From noisy latents and timesteps [batch] to v.
        alpha_bar: The schedule's cumulative products, one per timestep.
        x0: Clean latents, batch first.
        generator: Draws timesteps and noise.
    """
    t = torch.randint(0, len(alpha_bar), (len(x0),), generator=generator)
    eps = torch.randn(x0.shape, generator=generator)
    shape = (-1, *[1] * (x0.ndim - 1))
    alpha, sigma = alpha_bar[t].sqrt().view(shape), (1 - alpha_bar[t]).sqrt().view(shape)
    with fast_arithmetic():
        v = predict(alpha * x0 + sigma * eps, t).float()
    return (v - (alpha * eps - sigma * x0)).square().mean()


def caption_rows(rows: Tensor, empty: int, picks: Tensor, generator: torch.Generator) -> Tensor:
    """The caption row of every picked example; that of the empty prompt for some of them.

    Args:
        rows: Of every scene's caption [scenes]; or [scenes, 1 + n] with n vaguer ones beside it,
            one of which some of the examples get.
        empty: The row of the empty prompt.
        picks: Which scenes [batch].
        generator: Draws who gets what.
    """
    dropped = torch.rand(len(picks), generator=generator) < DROP_PROMPT
    chosen = rows[picks]
    if rows.ndim == 2:
        vague = torch.rand(len(picks), generator=generator) < VAGUE_PROMPT
        which = torch.randint(1, rows.shape[1], (len(picks),), generator=generator)
        which = torch.where(vague, which, 0)
        chosen = chosen.gather(1, which[:, None])[:, 0]
    return torch.where(dropped, empty, chosen)
