"""A diffusion model that enlarges single images fourfold: MM-Diffusion's second stage.

The U-Net of Dhariwal & Nichol 2021 (arXiv:2105.05233) with the low-resolution image as three more
input channels. Parameters have the names and shapes of the published checkpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recompute

from seehear.guidance.diffusion import NoiseLevel, Prediction, eps_from_x0, step, x0_from_eps
from seehear.models.coupled_unet import Float32GroupNorm, heads_of, time_sinusoid, zero_module


@dataclass(frozen=True, kw_only=True)
class ImageUpsamplerConfig:
    """Sizes of the network. The defaults are those of the published models, from their flags."""

    base_channels: int = 192
    channel_mult: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    num_res_blocks: int = 2
    num_heads: int = 4
    attention_at: tuple[int, ...] = (8, 16, 32)  # downsampling factors
    channels: int = 3


class ImageResidualBlock(nn.Module):
    """A residual block of images, with two 3x3 convolutions and a time embedding."""

    def __init__(self, embedding: int, channels_in: int, channels_out: int, resampling: int = 0):
        """Build a block; `resampling` -1 halves the image, 1 doubles it, 0 keeps its size."""
        super().__init__()
        self.resampling = resampling
        self.in_layers = nn.Sequential(
            Float32GroupNorm(channels_in),
            nn.SiLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * channels_out))
        self.out_layers = nn.Sequential(
            Float32GroupNorm(channels_out),
            nn.SiLU(),
            nn.Dropout(0.0),  # keeps the published number of the convolution
            zero_module(nn.Conv2d(channels_out, channels_out, 3, padding=1)),
        )
        self.skip_connection = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Conv2d(channels_in, channels_out, 1)
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """The image after the block; it is resampled between activation and convolution."""
        norm, activation, convolution = self.in_layers
        h = activation(norm(x))
        if self.resampling:
            resample = partial(functional.avg_pool2d, kernel_size=2)
            if self.resampling > 0:
                resample = partial(functional.interpolate, scale_factor=2.0, mode="nearest")
            h, x = resample(h), resample(x)
        h = convolution(h)
        scale, shift = self.emb_layers(embedding)[..., None, None].chunk(2, dim=1)
        h = self.out_layers[0](h) * (1 + scale) + shift
        return self.skip_connection(x) + self.out_layers[1:](h)


class ImageAttention(nn.Module):
    """Attention among all pixels, added to its input."""

    def __init__(self, channels: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.norm = Float32GroupNorm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zero_module(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Tensor:
        """Add the attended values to `x`.

        Channels are split into heads first, and each head into queries, keys and values.
        """
        rows = x.flatten(2)
        q, k, v = heads_of(self.qkv(self.norm(rows)), self.num_heads).chunk(3, dim=3)
        attended = functional.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(attended.transpose(2, 3).flatten(1, 2)).view_as(x)


class ImageUpsampler(nn.Module):
    """Predicts the noise of large images from the noisy images and the small ones."""

    def __init__(self, config: ImageUpsamplerConfig, *, checkpointing: bool = False):
        """Build the network with random weights.

        Args:
            config: Its sizes.
            checkpointing: Recompute the activations of every block in the backward pass.
        """
        super().__init__()
        self.config, self.checkpointing = config, checkpointing
        base, width = config.base_channels, 4 * config.base_channels
        self.time_embed = nn.Sequential(nn.Linear(base, width), nn.SiLU(), nn.Linear(width, width))
        encoder, widths = _encoder(config, width)
        self.input_blocks = nn.ModuleList(encoder)
        channels = widths[-1]
        self.middle_block = nn.ModuleList(
            [
                ImageResidualBlock(width, channels, channels),
                ImageAttention(channels, config.num_heads),
                ImageResidualBlock(width, channels, channels),
            ]
        )
        decoder, channels = _decoder(config, width, widths)
        self.output_blocks = nn.ModuleList(decoder)
        self.out = nn.Sequential(
            Float32GroupNorm(channels),
            nn.SiLU(),
            zero_module(nn.Conv2d(channels, 2 * config.channels, 3, padding=1)),
        )

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        small: Float[Tensor, "batch channels rows columns"],
        t: Shaped[Tensor, " batch"],
    ) -> Float[Tensor, "batch channels height width"]:
        """The noise in `x`.

        Args:
            x: RGB in about [-1, 1], with noise.
            small: The same images before the enlargement, in about [-1, 1].
            t: Training timestep of each image, 0 to 999.
        """
        enlarged = functional.interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
        h = torch.cat([x, enlarged], dim=1)
        dtype = next(self.time_embed.parameters()).dtype
        embedding = self.time_embed(time_sinusoid(t, self.config.base_channels, dtype))
        kept = []
        for block in self.input_blocks:
            h = self._through(block, h, embedding)
            kept.append(h)
        h = self._through(self.middle_block, h, embedding)
        for block in self.output_blocks:
            h = self._through(block, torch.cat([h, kept.pop()], dim=1), embedding)
        h = self.out(h)
        return h[:, : self.config.channels]  # the rest is a learned variance, which DDIM ignores

    def _through(self, layers: Any, h: Tensor, embedding: Tensor) -> Tensor:
        for layer in layers:
            more = (embedding,) if isinstance(layer, ImageResidualBlock) else ()
            if self.checkpointing and torch.is_grad_enabled():
                h = recompute(layer, h, *more, use_reentrant=False)
            else:
                h = layer(h, *more)
        return h


def _encoder(config: ImageUpsamplerConfig, width: int) -> tuple[list[nn.ModuleList], list[int]]:
    """The encoder's blocks, and the channels after each of them."""
    channels = config.channel_mult[0] * config.base_channels
    blocks = [nn.ModuleList([nn.Conv2d(2 * config.channels, channels, 3, padding=1)])]
    widths = [channels]
    for level, mult in enumerate(config.channel_mult):
        for _ in range(config.num_res_blocks):
            wanted = mult * config.base_channels
            blocks.append(_attended_block(config, level, width, channels, wanted))
            channels = wanted
            widths.append(channels)
        if level + 1 < len(config.channel_mult):
            blocks.append(nn.ModuleList([ImageResidualBlock(width, channels, channels, -1)]))
            widths.append(channels)
    return blocks, widths


def _decoder(
    config: ImageUpsamplerConfig, width: int, widths: Sequence[int]
) -> tuple[list[nn.ModuleList], int]:
    """The decoder's blocks, and the channels after the last."""
    channels, skips = widths[-1], list(widths)
    blocks: list[nn.ModuleList] = []
    for level, mult in reversed(list(enumerate(config.channel_mult))):
        for k in range(config.num_res_blocks + 1):
            wanted = mult * config.base_channels
            block = _attended_block(config, level, width, channels + skips.pop(), wanted)
            channels = wanted
            if level and k == config.num_res_blocks:
                block.append(ImageResidualBlock(width, channels, channels, 1))
            blocks.append(block)
    return blocks, channels


def _attended_block(
    config: ImageUpsamplerConfig, level: int, width: int, channels_in: int, channels_out: int
) -> nn.ModuleList:
    layers: list[nn.Module] = [ImageResidualBlock(width, channels_in, channels_out)]
    if 2**level in config.attention_at:
        layers.append(ImageAttention(channels_out, config.num_heads))
    return nn.ModuleList(layers)


@torch.no_grad()
def upsampled_frames(
    network: ImageUpsampler,
    frames: Float[Tensor, "frames 3 height width"],
    levels: Sequence[NoiseLevel],
    generator: torch.Generator,
    *,
    factor: int = 4,
    max_batch: int = 4,
) -> Float[Tensor, "frames 3 large_height large_width"]:
    """Enlarge the frames of a clip by DDIM with eta 0.

    All frames start from the same noise, so that they flicker less.

    Args:
        network: The model of the second stage.
        frames: RGB in about [-1, 1], as the first stage generates them: neither clamped nor
            rounded.
        levels: Noise levels from noisiest to cleanest; the released script has 25 steps.
        generator: Draws the initial noise.
        factor: Enlargement; 4 for the published models.
        max_batch: Frames to denoise in one batch.

    Returns:
        RGB in [-1, 1].
    """
    dtype = next(network.parameters()).dtype
    size = [factor * side for side in frames.shape[2:]]
    noise = torch.randn(1, frames.shape[1], *size, generator=generator, device=generator.device)
    large = []
    for small in frames.split(max_batch):
        z = noise.to(frames).repeat(len(small), 1, 1, 1)
        for level, after in pairwise(levels):
            t = torch.full((len(small),), level.t, device=z.device)
            eps = network(z.to(dtype), small.to(dtype), t).to(z.dtype)
            z = step(clipped_prediction(z, eps, level), after)
        large.append(z)
    return torch.cat(large)


def clipped_prediction(z: Tensor, eps: Tensor, level: NoiseLevel) -> Prediction:
    """Clean estimate, clamped to [-1, 1], and the noise that belongs to it.

    The gradient of the clamp is that of the identity. At high noise most entries of the estimate
    are outside the range, and a clamp would leave them without a gradient.
    """
    x0 = x0_from_eps(z, eps, level)
    x0 = x0 + (x0.clamp(-1, 1) - x0).detach()
    return Prediction(x0=x0, eps=eps_from_x0(z, x0, level))
