"""The noise-robust image encoder (`eye` in weight files): a small network for guidance.

The pretrained image tower knows photographs and drawings, but its gradient is adversarial: it adds
textures without visible meaning. This encoder was trained on originals, on clean estimates of noisy
latents and on adversarial examples, so that its gradient is useful during denoising.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SIDE = 64  # input size in pixels


def image_encoder_input(frames: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 64 64"]:
    """Images in [0, 1], resized to the encoder's input size and scaled to about [-2, 2]."""
    if frames.shape[2:] != (SIDE, SIDE):
        frames = functional.interpolate(frames, (SIDE, SIDE), mode="bilinear", antialias=True)
    return (frames - 0.5) / 0.25


class Block(nn.Module):
    """A 3x3 convolution with a residual connection."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "n width h w"]) -> Float[Tensor, "n width h w"]:
        """The shape does not change."""
        return x + functional.gelu(self.conv(self.norm(x)))


class ImageEncoder(nn.Module):
    """Strided convolutions, residual blocks, attention pooling and mean pooling."""

    def __init__(self, outputs: int = 384, width: int = 128):
        super().__init__()
        half = width // 2
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.GroupNorm(4, 24), nn.GELU(),
            nn.Conv2d(24, half, 3, stride=2, padding=1), nn.GroupNorm(8, half), nn.GELU(),
        )  # fmt: skip
        self.fine = Block(half)
        self.down = nn.Conv2d(half, width, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(*(Block(width) for _ in range(3)))
        self.attention = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout(0.0)  # > 0 only during training
        self.out = nn.Linear(2 * width, outputs)

    def forward(self, frames: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n outputs"]:
        """Unit vectors of images in [0, 1]."""
        x = self.fine(self.stem(image_encoder_input(frames)))
        x = self.coarse(self.down(x)).flatten(2)
        weights = self.attention(x[..., None])[..., 0].softmax(dim=2)
        pooled = torch.cat([(weights * x).sum(2), x.mean(2)], dim=1)
        return functional.normalize(self.out(self.dropout(pooled)), dim=1)
