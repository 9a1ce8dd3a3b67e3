"""The picture tower: EfficientNet-Lite0, an ImageNet classifier small enough for any CPU."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

NUM_FEATURES = 1280
NUM_CLASSES = 1000


class BlockShape(NamedTuple):
    """One inverted-residual block: how much it widens, its filter, its stride, its output."""

    expansion: int
    kernel: int
    stride: int
    channels: int


# Source: the Lite0 variant of Tan & Le 2019, arXiv:1905.11946 (no squeeze-excitation, ReLU6).
BLOCKS = (
    BlockShape(1, 3, 1, 16),
    *(BlockShape(6, 3, 2, 24), BlockShape(6, 3, 1, 24)),
    *(BlockShape(6, 5, 2, 40), BlockShape(6, 5, 1, 40)),
    *(BlockShape(6, 3, 2, 80), *[BlockShape(6, 3, 1, 80)] * 2),
    *[BlockShape(6, 5, 1, 112)] * 3,
    *(BlockShape(6, 5, 2, 192), *[BlockShape(6, 5, 1, 192)] * 3),
    BlockShape(6, 3, 1, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution whose output is input / stride, padded as TensorFlow does: more at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(
        self, image: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs new_height new_width"]:
        """Height and width divided by the stride, rounded up."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return functional.conv2d(
                image, self.weight, self.bias, 1, kernel // 2, groups=self.groups
            )
        pads = []
        for size in (image.shape[-1], image.shape[-2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(image, pads), self.weight, self.bias, stride, groups=self.groups
        )


class InvertedResidual(nn.Module):
    """Widen each pixel, filter each channel by itself, narrow again; add the input if it fits."""

    def __init__(self, inputs: int, shape: BlockShape):
        super().__init__()
        width = inputs * shape.expansion
        self.expand = SameConv2d(inputs, width, 1) if shape.expansion > 1 else nn.Identity()
        self.depthwise = SameConv2d(width, width, shape.kernel, shape.stride, groups=width)
        self.project = SameConv2d(width, shape.channels, 1)
        self.widens = shape.expansion > 1
        self.adds_input = shape.stride == 1 and inputs == shape.channels

    def forward(
        self, image: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs new_height new_width"]:
        """Height and width divided by the block's stride, rounded up."""
        hidden = functional.relu6(self.expand(image)) if self.widens else image
        hidden = self.project(functional.relu6(self.depthwise(hidden)))
        return image + hidden if self.adds_input else hidden


class EfficientNetLite0(nn.Module):
    """Pictures to 1280 pooled features and 1000 ImageNet logits; batch norms are folded away."""

    def __init__(self):
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, stride=2)
        inputs = (32, *(shape.channels for shape in BLOCKS[:-1]))
        self.blocks = nn.Sequential(
            *(InvertedResidual(n, shape) for n, shape in zip(inputs, BLOCKS, strict=True))
        )
        self.head = SameConv2d(BLOCKS[-1].channels, NUM_FEATURES, 1)
        self.classifier = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def features(
        self, pictures: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 1280"]:
        """Pooled features, not negative, of RGB pictures in [0, 1]; made for 224 x 224 pixels."""
        scaled = (pictures * 255.0 - 127.0) / 128.0
        hidden = self.blocks(functional.relu6(self.stem(scaled)))
        return functional.relu6(self.head(hidden)).mean(dim=(2, 3))

    def forward(
        self, pictures: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch 1280"], Float[Tensor, "batch 1000"]]:
        """Features and ImageNet-1k logits of RGB pictures in [0, 1]."""
        features = self.features(pictures)
        return features, self.classifier(features)


def resized(
    frames: Float[Tensor, "batch 3 height width"], pixels: int = 224
) -> Float[Tensor, "batch 3 new_height new_width"]:
    """Whole pictures at the area of a `pixels` square, their shape kept up to 2 : 1.

    Nothing is cropped, since what sounds may stand at the edge. Antialiased when shrinking,
    differentiable either way.
    """
    height, width = frames.shape[-2:]
    aspect = min(max(width / height, 0.5), 2.0)
    # Multiples of 32, the tower's stride, so that the last pixels are not padding.
    new_height = max(32, round(pixels / aspect**0.5 / 32) * 32)
    new_width = max(32, round(pixels * aspect**0.5 / 32) * 32)
    if (height, width) == (new_height, new_width):
        return frames
    return functional.interpolate(
        frames, (new_height, new_width), mode="bilinear", align_corners=False, antialias=True
    ).clamp(0, 1)


def evenly_chosen(
    frames: Float[Tensor, "batch frames 3 height width"], count: int
) -> Float[Tensor, "batch chosen 3 height width"]:
    """At most `count` frames, each from the middle of one of `count` equal parts of the clip."""
    available = frames.shape[1]
    if available <= count:
        return frames
    middles = (torch.arange(count, dtype=torch.float64) + 0.5) * available / count
    return frames[:, middles.long().to(frames.device)]
