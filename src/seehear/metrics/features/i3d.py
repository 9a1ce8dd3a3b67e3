"""I3D, a video classifier: the features of FVD and KVD.

Source: Carreira & Zisserman 2017, "Quo Vadis, Action Recognition?", arXiv:1705.07750, RGB, trained
on Kinetics-400; Unterthiner et al. 2018, arXiv:1812.01717 (FVD). Features are the 400 logits,
averaged over time.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.errors import MediaError
from seehear.metrics.features.protocol import Features
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

SIZE = 224
LEAST_FRAMES = 9  # the last pooling needs two time steps
CLASSES = 400
FILE = "i3d_pretrained_400.pt"
# crop: resize the short side to 224 and centre-crop, as in MM-Diffusion, TATS and JavisDiT.
# squash: resize without keeping the aspect ratio, as in LVDM, cd-fvd and the original.
Fit = Literal["crop", "squash"]
# Channels of the branches of each block: 1x1; 1x1 then 3x3; 1x1 then 3x3; pooled then 1x1.
MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


def same_padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zero-pad the last three axes like TensorFlow's "SAME": an odd zero goes to the end."""
    padding: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        missing = max(k - (s if size % s == 0 else size % s), 0)
        padding += [missing // 2, missing - missing // 2]
    return functional.pad(x, padding)


def same_max_pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Max pooling. Zero padding is neutral, because inputs are not negative."""
    return functional.max_pool3d(same_padded(x, kernel, stride), kernel, stride)


class Unit(nn.Module):
    """A convolution with batch norm and ReLU."""

    def __init__(self, channels_in: int, channels_out: int, size: int, stride: int = 1):
        super().__init__()
        self.conv3d = nn.Conv3d(channels_in, channels_out, size, stride, bias=False)
        self.bn = nn.BatchNorm3d(
            channels_out, eps=1e-5
        )  # as in the PyTorch port; the original uses 1e-3

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, t, h, w]; t, h and w are divided by the stride and rounded up."""
        padded = same_padded(x, self.conv3d.kernel_size, self.conv3d.stride)
        return self.bn(self.conv3d(padded)).relu()


class Mixed(nn.Module):
    """Inception block with four parallel branches."""

    def __init__(self, channels_in: int, widths: Sequence[int]):
        super().__init__()
        one, two_in, two, three_in, three, four = widths
        self.b0 = Unit(channels_in, one, 1)
        self.b1a, self.b1b = Unit(channels_in, two_in, 1), Unit(two_in, two, 3)
        self.b2a, self.b2b = Unit(channels_in, three_in, 1), Unit(three_in, three, 3)
        self.b3b = Unit(channels_in, four, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the channels of all branches."""
        pooled = same_max_pool(x, (3, 3, 3), (1, 1, 1))
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled))
        return torch.cat(branches, dim=1)


class Logits(nn.Module):
    """The last, linear layer: a convolution without batch norm."""

    def __init__(self, channels_in: int):
        super().__init__()
        self.conv3d = nn.Conv3d(channels_in, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, t, 1, 1] to [b, 400, t, 1, 1]."""
        return self.conv3d(x)


class InceptionI3d(nn.Module):
    """The network, with the published parameter names."""

    def __init__(self):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        channels = 192
        for name, widths in MIXED.items():
            setattr(self, f"Mixed_{name}", Mixed(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = Logits(channels)

    def forward(self, clips: Float[Tensor, "batch 3 frames 224 224"]) -> Float[Tensor, "batch 400"]:
        """Logits of pixels in [-1, 1], averaged over time."""
        x = same_max_pool(self.Conv3d_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in MIXED:
            if name == "3b":
                x = same_max_pool(x, (1, 3, 3), (1, 2, 2))
            elif name == "4b":
                x = same_max_pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "5b":
                x = same_max_pool(x, (2, 2, 2), (2, 2, 2))
            x = self.get_submodule(f"Mixed_{name}")(x)
        return self.logits(functional.avg_pool3d(x, (2, 7, 7), 1)).mean((2, 3, 4))


def fitted(
    frames: Float[Tensor, "n 3 height width"], fit: Fit = "crop"
) -> Float[Tensor, "n 3 224 224"]:
    """Resize RGB in [0, 1] to 224 x 224 in [-1, 1], bilinear without antialiasing."""
    if fit == "squash":
        return 2 * functional.interpolate(frames, (SIZE, SIZE), mode="bilinear") - 1
    height, width = frames.shape[-2:]
    scale = SIZE / min(height, width)
    size = tuple(SIZE if n == min(height, width) else math.ceil(n * scale) for n in (height, width))
    resized = functional.interpolate(frames, size, mode="bilinear")
    top, left = ((n - SIZE) // 2 for n in size)
    return 2 * resized[..., top : top + SIZE, left : left + SIZE] - 1


class I3d:
    """I3D with the preprocessing of FVD."""

    def __init__(self, network: InceptionI3d, fit: Fit = "crop"):
        """Combine the parts that `load` reads."""
        self.network, self.fit = network.eval(), fit

    @torch.no_grad()
    def from_video(
        self, frames: Float[Tensor, "batch frames 3 height width"], fps: float
    ) -> Features:
        """400 logits per clip, as features and as classes. `fps` is ignored.

        Raises:
            MediaError: Fewer than 9 frames.
        """
        batch, count = frames.shape[:2]
        if count < LEAST_FRAMES:
            raise MediaError(f"I3D: expected at least {LEAST_FRAMES} frames, got {count}")
        clips = fitted(frames.flatten(0, 1).float(), self.fit).unflatten(0, (batch, count))
        logits = self.network(clips.transpose(1, 2))
        return Features(logits, logits)


def load(path: str | Path, fit: Fit = "crop") -> I3d:
    """Load I3D from the published file, or from the same tensors as .safetensors.

    Args:
        path: The weight file.
        fit: How frames are made square.

    Raises:
        WeightsError: The file is missing, damaged or for another network.
    """
    state = read_state_dict(Path(path))
    return I3d(load_strict(InceptionI3d, state, Path(path), published=f"I3D ({FILE})"), fit)
