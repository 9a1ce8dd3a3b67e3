"""AnimeGANv2 stylisation ("Paprika"), which the paper applies to the input images of Im2Wav.

Source: AnimeGANv2's README and tools (TensorFlow), and the widely used PyTorch port, whose weight
files are read here. The two upsample differently, so their images differ slightly. As in the
original, sides are multiples of 32. The brightness of the output is not corrected.
"""

from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

LEAST_SIDE, SIDE_STEP = 256, 32  # of the network input, in pixels


def unit(
    channels_in: int, channels_out: int, kernel: int = 3, *, halves: bool = False, groups: int = 1
) -> nn.Sequential:
    """Reflection padding, convolution, norm over all channels, leaky ReLU.

    With `halves`, the stride is 2 and the padding is on the right and bottom only. Only grouped
    convolutions have a bias.
    """
    border = (0, 1, 0, 1) if halves else (kernel // 2,) * 4
    convolution = nn.Conv2d(
        channels_in,
        channels_out,
        kernel,
        stride=2 if halves else 1,
        groups=groups,
        bias=groups > 1,
    )
    return nn.Sequential(
        nn.ReflectionPad2d(border), convolution, nn.GroupNorm(1, channels_out), nn.LeakyReLU(0.2)
    )


class Residual(nn.Module):
    """Inverted residual: expand, depthwise convolution, project; skip if widths match."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        wide = 2 * channels_in
        self.layers = nn.Sequential(
            unit(channels_in, wide, 1),
            unit(wide, wide, groups=wide),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.GroupNorm(1, channels_out),
        )
        self.adds = channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] to [b, c', h, w]."""
        return x + self.layers(x) if self.adds else self.layers(x)


class AnimeGenerator(nn.Module):
    """The generator, with the published parameter names."""

    def __init__(self):
        super().__init__()
        self.block_a = nn.Sequential(unit(3, 32, 7), unit(32, 64, halves=True), unit(64, 64))
        self.block_b = nn.Sequential(unit(64, 128, halves=True), unit(128, 128))
        self.block_c = nn.Sequential(
            unit(128, 128),
            *(Residual(width, 256) for width in (128, 256, 256, 256)),
            unit(256, 128),
        )
        self.block_d = nn.Sequential(unit(128, 128), unit(128, 128))
        self.block_e = nn.Sequential(unit(128, 64), unit(64, 64), unit(64, 32, 7))
        self.out_layer = nn.Sequential(nn.Conv2d(32, 3, 1, bias=False), nn.Tanh())

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
        """Pixels in [-1, 1] to pixels in [-1, 1]; sides are multiples of 4."""
        x = self.block_c(self.block_b(self.block_a(x)))
        for block in (self.block_d, self.block_e):
            x = block(functional.interpolate(x, scale_factor=2, mode="bilinear"))
        return self.out_layer(x)


def side_of(pixels: int) -> int:
    """Round a side length down to a multiple of 32, but at least 256."""
    return max(LEAST_SIDE, pixels - pixels % SIDE_STEP)


@torch.no_grad()
def stylised(
    generator: AnimeGenerator, picture: UInt8[Tensor, "3 height width"]
) -> UInt8[Tensor, "3 rows columns"]:
    """Stylise an image after resizing its sides to `side_of`."""
    height, width = picture.shape[1:]
    resized = functional.interpolate(
        picture[None].float(), (side_of(height), side_of(width)), mode="bilinear", antialias=True
    )
    output = generator(resized / 127.5 - 1)[0]
    return ((output + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def load(path: str | Path) -> AnimeGenerator:
    """Read a generator of any style from a file of the PyTorch port, or from .safetensors.

    Raises:
        WeightsError: The file is missing, damaged or for another network.
    """
    state = read_state_dict(Path(path))
    return load_strict(
        AnimeGenerator, state, Path(path), published="an AnimeGANv2 generator for PyTorch"
    )
