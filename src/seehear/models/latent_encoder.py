"""Encoders of noisy latents: from the latents of one backbone to the embedding space of a binder.

Guidance by a latent encoder decodes nothing and does not differentiate the denoiser: a guided step
costs one pass through a small network. It is a noise-conditional guide as in classifier guidance
(Dhariwal & Nichol 2021, arXiv:2105.05233, 4.1), with an embedding in place of classes.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.guidance.diffusion import NoiseLevel
from seehear.models.network_folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    NetworkSizes,
    read_sizes,
    save_network,
)
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

WIDTH = 48  # of encoders that `seehear distill` trains
NUM_WAVES = 8  # of the embedding of the noise level
MAX_LOG_SNR = 20.0
GROUPS = 8


@dataclass(frozen=True, kw_only=True)
class LatentEncoderConfig(NetworkSizes):
    """Sizes of the network."""

    channels: int  # of the latents
    outputs: int  # dimension of the binder's embeddings
    width: int  # of the first stage; the next two have 2 and 3 times as many channels


class ResidualConv(nn.Module):
    """A convolution over 3 x 3 positions with a residual connection."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "b width h w"]) -> Float[Tensor, "b width h w"]:
        """The shape does not change."""
        return x + functional.gelu(self.conv(self.norm(x)))


class LatentEncoder(nn.Module):
    """Three stages of convolutions, attention pooling, and a linear layer to the embedding."""

    def __init__(self, config: LatentEncoderConfig):
        super().__init__()
        self.config = config
        widths = (config.width, 2 * config.width, 3 * config.width)
        stages: list[nn.Module] = []
        for k, (before, after) in enumerate(zip((config.channels, *widths), widths, strict=False)):
            stride = 2 if k else 1
            stages += [nn.Conv2d(before, after, 3, stride=stride, padding=1), ResidualConv(after)]
        self.stages = nn.Sequential(*stages)
        self.attention = nn.Conv2d(widths[-1], widths[-1], 1)
        self.dropout = nn.Dropout(0.0)  # > 0 only during training
        self.out = nn.Linear(2 * widths[-1], config.outputs)
        self.level = nn.Sequential(
            nn.Linear(1 + 2 * NUM_WAVES, 64), nn.GELU(), nn.Linear(64, 2 * config.channels)
        )

    def forward(
        self, z: Float[Tensor, "batch channels *grid"], log_snr: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch outputs"]:
        """Unit vectors of noisy latents.

        Args:
            z: Latents of images or of audio (batch, channels, height, width), or of videos
                (batch, channels, frames, height, width), whose frames are averaged.
            log_snr: log(alpha² / sigma²) of every sample.
        """
        if z.ndim == 4:
            return functional.normalize(self._embedding(z, log_snr), dim=1)
        frames = z.transpose(1, 2)
        each = self._embedding(frames.flatten(0, 1), log_snr.repeat_interleave(frames.shape[1]))
        return functional.normalize(each.unflatten(0, frames.shape[:2]).mean(1), dim=1)

    def _embedding(self, z: Tensor, log_snr: Tensor) -> Tensor:
        scale, shift = self.level(_waves(log_snr)).chunk(2, dim=1)
        x = self.stages(z * (1 + scale[:, :, None, None]) + shift[:, :, None, None])
        weights = self.attention(x).flatten(2).softmax(dim=2)
        x = x.flatten(2)
        pooled = torch.cat([(weights * x).sum(2), x.mean(2)], dim=1)
        return self.out(self.dropout(pooled))

    def embed_latents(self, z: Tensor, level: NoiseLevel) -> Float[Tensor, "batch outputs"]:
        """Unit vectors of latents at a noise level; as `forward`."""
        return self(z, log_snr_of(level).to(z).expand(len(z)))


def log_snr_of(level: NoiseLevel) -> Tensor:
    """log(alpha² / sigma²) in [-20, 20]."""
    alpha, sigma = (torch.tensor(v, dtype=torch.float64) for v in (level.alpha, level.sigma))
    return 2 * (alpha.log() - sigma.log()).clamp(-MAX_LOG_SNR / 2, MAX_LOG_SNR / 2)


def _waves(log_snr: Float[Tensor, " batch"]) -> Float[Tensor, "batch features"]:
    """The noise level and its sines and cosines at several frequencies."""
    rates = 0.2 * torch.exp(0.35 * torch.arange(NUM_WAVES, device=log_snr.device))
    angles = log_snr[:, None] * rates.to(log_snr)
    return torch.cat([log_snr[:, None] / 10, angles.sin(), angles.cos()], dim=1)


def save(encoder: LatentEncoder, folder: Path) -> None:
    """Write config.json and model.safetensors, in float16."""
    save_network(encoder, encoder.config, folder, licence="Apache-2.0")


def load(folder: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> LatentEncoder:
    """Read an encoder that `save` wrote.

    Raises:
        WeightsError: A file is missing or damaged, or config.json describes other weights.
    """
    config = read_sizes(
        folder,
        LatentEncoderConfig,
        lambda sizes: sizes.width % GROUPS == 0,
        f"and a width that is a multiple of {GROUPS}",
    )
    return load_strict(
        partial(LatentEncoder, config),
        read_state_dict(folder / WEIGHTS_FILE),
        folder / WEIGHTS_FILE,
        published=f"the latent encoder that {CONFIG_FILE} describes",
        dtype=dtype,
    ).to(device)
