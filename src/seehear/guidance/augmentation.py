"""Altered copies of what is made, of which guidance may only use what they have in common.

The gradient of one picture through a network points, in part, at textures that would fool the
network in this very picture. Seen from elsewhere, nearer, in other colours, they fool it no more,
and the mean over such copies keeps what the thing itself is recognised by (Athalye et al. 2018,
arXiv:1707.07397; cut-outs of guided pictures: Crowson et al. 2022, arXiv:2204.08583). The same
goes for a sound that is a little higher, slower or duller.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.guidance.settings import ImageAugmentation, MelAugmentation

_TONE_POINTS = 5  # of the curve that makes a sound duller or sharper, over all mel bands


def augment_images(
    augmentation: ImageAugmentation,
    pictures: Float[Tensor, "n 3 height width"],
    generator: torch.Generator,
) -> Float[Tensor, "n 3 height width"]:
    """Every picture once, from somewhere else and in another light; differentiable.

    Args:
        augmentation: How strongly to alter them.
        pictures: RGB in [0, 1].
        generator: Draws on the CPU, so that every device alters alike.

    Returns:
        RGB, a little out of [0, 1] where the light is brighter.
    """
    n = len(pictures)
    share = augmentation.nearest + (augmentation.farthest - augmentation.nearest) * torch.rand(
        n, generator=generator
    )
    side = 1 - 2.0 * torch.randint(0, 2, (n,), generator=generator)  # mirrored or not
    place = _signed(n, 2, generator=generator) * (1 - share).abs()[:, None]
    mixed = torch.eye(3) + augmentation.mixing * torch.randn(n, 3, 3, generator=generator)
    mixed = mixed / mixed.sum(2, keepdim=True)  # grey stays grey
    factor = 1 + augmentation.colour * torch.randn(n, 3, 1, 1, generator=generator)
    light = 0.5 * augmentation.colour * torch.randn(n, 1, 1, 1, generator=generator)
    seen = _resampled(pictures, width=share * side, height=share, centre=place)
    seen = torch.einsum("nij,njhw->nihw", mixed.to(pictures), seen)
    return seen * factor.to(pictures) + light.to(pictures)


def augment_mels(
    augmentation: MelAugmentation, mel: Float[Tensor, "n hops bands"], generator: torch.Generator
) -> Float[Tensor, "n hops bands"]:
    """Every log mel once, a little higher, slower or duller; differentiable.

    Args:
        augmentation: How strongly to alter them.
        mel: Log mels in nepers; their ends and edges are mirrored.
        generator: Draws on the CPU, so that every device alters alike.
    """
    n, _, bands = mel.shape
    tempo = 1 + augmentation.tempo * _signed(n, generator=generator)
    later = 2 * augmentation.shift * _signed(n, generator=generator)
    higher = 2 * augmentation.pitch / bands * torch.randn(n, generator=generator)
    tone = augmentation.tone * torch.randn(n, 1, _TONE_POINTS, generator=generator)
    tone = functional.interpolate(tone, bands, mode="linear", align_corners=True)
    centre = torch.stack([higher, later], dim=1)
    heard = _resampled(mel[:, None], torch.ones(n), tempo, centre)[:, 0]
    return heard + tone.to(mel)


def _resampled(planes: Tensor, width: Tensor, height: Tensor, centre: Tensor) -> Tensor:
    """Parts of planes [n, c, rows, columns], each of its own extent (1: all) and centre (0)."""
    part = torch.zeros(len(planes), 2, 3)
    part[:, 0, 0], part[:, 1, 1], part[:, :, 2] = width, height, centre
    grid = functional.affine_grid(part.to(planes), list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, grid, padding_mode="reflection", align_corners=False)


def _signed(*shape: int, generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(*shape, generator=generator) - 1
