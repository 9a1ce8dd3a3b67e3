"""Prompt embeddings with a negative prompt."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.protocols import Backbone


def embed_prompts(backbone: Backbone, prompts: Sequence[str], negative: str = "") -> Tensor:
    """Prompt embeddings `y` (2 * batch, ...), with the negative prompt's as unconditional rows.

    Classifier-free guidance extrapolates from the unconditional rows to those of the prompts, so it
    moves the prediction away from the negative prompt (Liu et al. 2022, arXiv:2206.01714).

    Args:
        backbone: The model that will read the embeddings.
        prompts: One per sample; "" for no prompt.
        negative: What no sample should contain; "" for nothing, which is `Backbone.embed_prompt`.

    Raises:
        SettingsError: The model reads no prompts, so it cannot avoid one either.
    """
    rows = backbone.embed_prompt(prompts)
    if not negative:
        return rows
    if not rows.numel():
        raise SettingsError(
            f"expected no negative prompt, because the {backbone.stream} model reads no prompts; "
            "drop it"
        )
    avoided = backbone.embed_prompt([negative] * len(prompts))
    return torch.cat([avoided[len(prompts) :], rows[len(prompts) :]])
