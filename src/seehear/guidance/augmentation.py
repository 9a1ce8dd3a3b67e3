"""Altered copies of what is made, of which guidance may only use what they have in common.

The gradient of one picture through a network points, in part, at textures that would fool the
network in this very picture. Seen from elsewhere, nearer, in other colours, they fool it no more,
and the mean over such copies keeps what the thing itself is recognised by (Athalye et al. 2018,
arXiv:1707.07397; cut-outs of guided pictures: Crowson et al. 2022, arXiv:2204.08583). The same
goes for a sound that is a little higher, slower or duller.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.errors import SettingsError

_TONE_POINTS = 5  # of the curve that makes a sound duller or sharper, over all mel bands


@dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """How many altered copies of a picture a guided step looks at, and how they are altered."""

    per_step: int = 0  # of every frame; 0: only the frame as it is
    nearest: float = 0.6  # smallest share of width and height that a copy shows
    farthest: float = 1.1  # largest; beyond 1 the picture is mirrored at its edges
    colour: float = 0.1  # spread of the factors of red, green and blue; of the brightness, half
    mixing: float = 0.35  # spread of what each colour takes of the others

    def __post_init__(self):
        _check_count(self.per_step)
        if not 0 < self.nearest <= self.farthest < 2:
            raise SettingsError(
                "copies show a share of the picture, 0 < nearest <= farthest < 2; got "
                f"{self.nearest} and {self.farthest}"
            )
        _check_spreads(colour=self.colour, mixing=self.mixing)

    def augment(
        self, pictures: Float[Tensor, "n 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "n 3 height width"]:
        """Every picture once, from somewhere else and in another light; differentiable.

        Args:
            pictures: RGB in [0, 1].
            generator: Draws on the CPU, so that every device alters alike.

        Returns:
            RGB, a little out of [0, 1] where the light is brighter.
        """
        n = len(pictures)
        share = self.nearest + (self.farthest - self.nearest) * torch.rand(n, generator=generator)
        side = 1 - 2.0 * torch.randint(0, 2, (n,), generator=generator)  # mirrored or not
        place = _signed(n, 2, generator=generator) * (1 - share).abs()[:, None]
        mixed = torch.eye(3) + self.mixing * torch.randn(n, 3, 3, generator=generator)
        mixed = mixed / mixed.sum(2, keepdim=True)  # grey stays grey
        factor = 1 + self.colour * torch.randn(n, 3, 1, 1, generator=generator)
        light = 0.5 * self.colour * torch.randn(n, 1, 1, 1, generator=generator)
        seen = _resampled(pictures, width=share * side, height=share, centre=place)
        seen = torch.einsum("nij,njhw->nihw", mixed.to(pictures), seen)
        return seen * factor.to(pictures) + light.to(pictures)


@dataclass(frozen=True, kw_only=True)
class MelAugmentation:
    """How many altered copies of a mel a guided step listens to, and how they are altered."""

    per_step: int = 0  # 0: only the mel as it is
    pitch: float = 2.0  # spread of the shift in mel bands
    tempo: float = 0.15  # largest share by which a copy is faster or slower
    shift: float = 0.15  # largest share of its length by which it is earlier or later
    tone: float = 0.5  # spread in nepers of a smooth curve over the bands

    def __post_init__(self):
        _check_count(self.per_step)
        if not 0 <= self.tempo < 1:
            raise SettingsError(f"tempo lies in [0, 1), got {self.tempo}")
        _check_spreads(pitch=self.pitch, shift=self.shift, tone=self.tone)

    def augment(
        self, mel: Float[Tensor, "n hops bands"], generator: torch.Generator
    ) -> Float[Tensor, "n hops bands"]:
        """Every log mel once, a little higher, slower or duller; differentiable.

        Args:
            mel: Log mels in nepers; their ends and edges are mirrored.
            generator: Draws on the CPU, so that every device alters alike.
        """
        n, _, bands = mel.shape
        tempo = 1 + self.tempo * _signed(n, generator=generator)
        later = 2 * self.shift * _signed(n, generator=generator)
        higher = 2 * self.pitch / bands * torch.randn(n, generator=generator)
        tone = self.tone * torch.randn(n, 1, _TONE_POINTS, generator=generator)
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


def _check_count(per_step: int) -> None:
    if per_step < 0:
        raise SettingsError(f"per_step counts altered copies from 0, got {per_step}")


def _check_spreads(**spreads: float) -> None:
    if min(spreads.values()) < 0:
        raise SettingsError(f"spreads are not negative, got {spreads}")
