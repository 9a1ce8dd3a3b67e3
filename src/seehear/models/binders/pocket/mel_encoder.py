"""The noise-robust mel encoder (`ear` in weight files): a small network for guidance.

The pretrained audio tower knows real recordings, but mistakes the blur of an autoencoder for
content. This encoder was trained on originals, on reconstructions by autoencoder and vocoder, and
on clean estimates of noisy latents, so that its gradient is useful during denoising.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.mel import LOG_FLOOR

SHORTEST_FRAMES = 64  # shorter audio is padded with silence
BLOCK_FRAMES = 256  # 2.56 s
RANGE = 9.0  # dynamic range below the loudest cell, in nepers; 78 dB
SMALLEST_PEAK = 1e-3  # -60 dBFS; quieter audio is not amplified


def mel_encoder_input(mel: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch 1 frames 64"]:
    """Log mels relative to the loudest cell, in about [-1, 2], independent of loudness."""
    loudest = mel.amax(dim=(1, 2), keepdim=True).clamp(min=-5.0)
    return ((mel - loudest).clamp(min=-RANGE) / 3.0 + 2.0)[:, None]


def mel_blocks(
    mel: Float[Tensor, "batch frames 64"],
) -> Float[Tensor, "batch blocks block_frames 64"]:
    """Log mels split into evenly spaced blocks of at most 2.56 s that touch or overlap."""
    missing = SHORTEST_FRAMES - mel.shape[1]
    mel = functional.pad(mel, (0, 0, 0, max(0, missing)), value=math.log(LOG_FLOOR))
    spare = mel.shape[1] - BLOCK_FRAMES
    if spare <= 0:
        return mel[:, None]
    intervals = -(-spare // BLOCK_FRAMES)
    starts = [round(i * spare / intervals) for i in range(intervals + 1)]
    return torch.stack([mel[:, start : start + BLOCK_FRAMES] for start in starts], dim=1)


class TimeBlock(nn.Module):
    """A convolution over 3 positions in time with a residual connection."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "b width time"]) -> Float[Tensor, "b width time"]:
        """The shape does not change."""
        return x + functional.gelu(self.conv(self.norm(x)))


class MelEncoder(nn.Module):
    """Strided convolutions, frequency folded into channels, convolutions over time, and pooling."""

    def __init__(self, outputs: int = 384, width: int = 96):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 24, 5, stride=2, padding=2), nn.GroupNorm(4, 24), nn.GELU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.GroupNorm(4, 48), nn.GELU(),
            nn.Conv2d(48, 96, 3, stride=2, padding=1), nn.GroupNorm(4, 96), nn.GELU(),
        )  # fmt: skip
        self.fold = nn.Conv1d(96 * 8, width, 1)
        self.over_time = nn.Sequential(*(TimeBlock(width) for _ in range(3)))
        self.attention = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(0.0)  # > 0 only during training
        self.out = nn.Linear(2 * width, outputs)

    def forward(self, mel: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch outputs"]:
        """Unit vectors of log mels of at least 8 frames."""
        x = self.stem(mel_encoder_input(mel)).transpose(2, 3).flatten(1, 2)
        x = self.over_time(self.fold(x))
        weights = self.attention(x).softmax(dim=2)
        pooled = torch.cat([(weights * x).sum(2), x.mean(2)], dim=1)
        return functional.normalize(self.out(self.dropout(pooled)), dim=1)
