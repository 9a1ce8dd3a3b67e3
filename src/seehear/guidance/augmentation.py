"""Augmented views of the current estimate; guidance uses their mean embedding.

The gradient of a network in a single image is partly adversarial: it adds textures that raise the
score of this image only. Such textures lose their effect under crops, flips and colour changes. The
mean embedding over augmented views keeps the features that survive them (expectation over
transformations, Athalye et al. 2018, arXiv:1707.07397; cut-outs for guided images, Crowson et al.
2022, arXiv:2204.08583). Log mels are augmented in pitch, tempo, time and tone for the same reason.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.guidance.settings import ImageAugmentation, MelAugmentation

_TONE_POINTS = 5  # control points of the random equaliser curve over all mel bands


def augment_images(
    augmentation: ImageAugmentation,
    images: Float[Tensor, "n 3 height width"],
    generator: torch.Generator,
) -> Float[Tensor, "n 3 height width"]:
    """One augmented view of every image, differentiable.

    Args:
        augmentation: Its strength.
        images: RGB in [0, 1].
        generator: A CPU generator, so that the views do not depend on the device.

    Returns:
        RGB; values can leave [0, 1] slightly where the brightness changes.
    """
    n = len(images)
    scale = augmentation.nearest + (augmentation.farthest - augmentation.nearest) * torch.rand(
        n, generator=generator
    )
    flip = 1 - 2.0 * torch.randint(0, 2, (n,), generator=generator)  # -1 mirrors the image
    centre = _signed(n, 2, generator=generator) * (1 - scale).abs()[:, None]
    mixing = torch.eye(3) + augmentation.mixing * torch.randn(n, 3, 3, generator=generator)
    mixing = mixing / mixing.sum(2, keepdim=True)  # grey stays grey
    gain = 1 + augmentation.colour * torch.randn(n, 3, 1, 1, generator=generator)
    brightness = 0.5 * augmentation.colour * torch.randn(n, 1, 1, 1, generator=generator)
    views = _resampled(images, width=scale * flip, height=scale, centre=centre)
    views = torch.einsum("nij,njhw->nihw", mixing.to(images), views)
    return views * gain.to(images) + brightness.to(images)


def augment_mels(
    augmentation: MelAugmentation, mel: Float[Tensor, "n hops bands"], generator: torch.Generator
) -> Float[Tensor, "n hops bands"]:
    """One augmented view of every log mel, differentiable.

    Args:
        augmentation: Its strength.
        mel: Log mels in nepers; they are reflected at the ends of both axes.
        generator: A CPU generator, so that the views do not depend on the device.
    """
    n, _, bands = mel.shape
    tempo = 1 + augmentation.tempo * _signed(n, generator=generator)
    time_shift = 2 * augmentation.shift * _signed(n, generator=generator)
    pitch_shift = 2 * augmentation.pitch / bands * torch.randn(n, generator=generator)
    tone = augmentation.tone * torch.randn(n, 1, _TONE_POINTS, generator=generator)
    tone = functional.interpolate(tone, bands, mode="linear", align_corners=True)
    centre = torch.stack([pitch_shift, time_shift], dim=1)
    moved = _resampled(mel[:, None], torch.ones(n), tempo, centre)[:, 0]
    return moved + tone.to(mel)


def _resampled(planes: Tensor, width: Tensor, height: Tensor, centre: Tensor) -> Tensor:
    """Crops of planes [n, c, rows, columns]; size 1 and centre 0 select the whole plane."""
    affine = torch.zeros(len(planes), 2, 3)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = width, height, centre
    grid = functional.affine_grid(affine.to(planes), list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, grid, padding_mode="reflection", align_corners=False)


def _signed(*shape: int, generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(*shape, generator=generator) - 1
