"""Two U-Nets, for a video and its waveform, that exchange information by cross-modal attention.

The network of MM-Diffusion (Ruan et al. 2023, arXiv:2212.09478). Parameters have the names and
shapes of the published checkpoints. Videos are (batch, frames, channels, height, width), waveforms
(batch, channels, samples), and both are denoised in pixel and sample space. The two U-Nets share
the time embedding and its projections.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recompute

from seehear.errors import SettingsError

GROUPS = 32
MAX_SIZE, MAX_LEVELS = 2**22, 16  # of numbers in a config; of levels and blocks per level
AUDIO_STRIDE = 4  # samples per sample of the next level; frames are halved in both directions
DILATION_CYCLE = 10  # dilations repeat after 2^0 ... 2^9
MIDDLE_WINDOWS = (1, 4, 8)  # the only windows with which the middle has cross-modal attention


@dataclass(frozen=True, kw_only=True)
class CoupledUNetConfig:
    """Sizes of the network. The defaults are those of the published base models.

    The released flags are the source of all defaults. The paper's size differs: it gives 115.13 M
    parameters, and these flags give 133.68 M.
    """

    frames: int = 16
    height: int = 64
    width: int = 64
    samples: int = 25_600
    video_channels: int = 3
    audio_channels: int = 1
    base_channels: int = 128
    channel_mult: tuple[int, ...] = (1, 2, 3, 4)
    num_res_blocks: int = 2  # per level of the encoder; the decoder has one more
    num_heads: int = 4  # of self-attention
    head_channels: int = 64  # of cross-modal attention
    cross_attention_at: tuple[int, ...] = (2, 4, 8)  # downsampling factors
    cross_attention_windows: tuple[int, ...] = (1, 4, 8)  # frames, one per factor
    video_attention_at: tuple[int, ...] = (2, 4, 8)
    dropout: float = 0.0  # 0.1 during the authors' training

    def __post_init__(self):
        _check_numbers(self)
        widths = {mult * self.base_channels for mult in self.channel_mult}
        for divisor in (GROUPS, self.num_heads, self.head_channels):
            if any(width % divisor for width in widths):
                raise SettingsError(
                    f"expected channels in multiples of {divisor}, for groups and heads, got "
                    f"{sorted(widths)}"
                )
        halvings = len(self.channel_mult) - 1
        uneven = self.height % 2**halvings or self.width % 2**halvings
        if uneven or self.samples % AUDIO_STRIDE**halvings:
            raise SettingsError(
                f"expected height and width in multiples of {2**halvings} and samples in multiples "
                f"of {AUDIO_STRIDE**halvings} for {halvings + 1} levels, got "
                f"{self.height}x{self.width} and {self.samples}"
            )
        if self.samples // AUDIO_STRIDE**halvings < self.frames:
            raise SettingsError(
                f"expected at least one sample per frame at the deepest level, got {self.samples} "
                f"samples for {self.frames} frames"
            )
        same = len(self.cross_attention_at) == len(self.cross_attention_windows)
        if not same or any(window > self.frames for window in self.cross_attention_windows):
            raise SettingsError(
                "expected one window of cross-modal attention per downsampling factor, none longer "
                f"than {self.frames} frames, got {self.cross_attention_windows} for "
                f"{self.cross_attention_at}"
            )

    @property
    def middle_attends(self) -> bool:
        """Whether the middle has cross-modal attention between all positions."""
        return self.cross_attention_windows == MIDDLE_WINDOWS


def _check_numbers(config: CoupledUNetConfig) -> None:
    """Sizes can come from a stranger's file; they decide how much memory a network needs."""
    for name, value in vars(config).items():
        if name == "dropout":
            is_fine = type(value) in (int, float) and 0 <= value < 1
        elif isinstance(value, tuple):
            is_fine = len(value) <= MAX_LEVELS and all(
                type(n) is int and 0 < n <= MAX_SIZE for n in value
            )
        else:
            is_fine = type(value) is int and 0 < value <= MAX_SIZE
        if not is_fine:
            raise SettingsError(
                f"expected whole numbers from 1 to {MAX_SIZE}, in lists at most {MAX_LEVELS}, and "
                f"dropout in [0, 1), got {name}={value!r:.60}"
            )
    if not config.channel_mult or config.num_res_blocks > MAX_LEVELS or config.base_channels % 2:
        raise SettingsError(
            f"expected at least one level, at most {MAX_LEVELS} residual blocks per level and an "
            f"even number of base channels, got {len(config.channel_mult)}, "
            f"{config.num_res_blocks} and {config.base_channels}"
        )


class Float32GroupNorm(nn.GroupNorm):
    """Group normalisation with 32 groups, computed in float32 or wider."""

    def __init__(self, channels: int):
        super().__init__(GROUPS, channels, eps=1e-5)

    def forward(self, input: Float[Tensor, "batch channels ..."]) -> Tensor:
        """Normalise each group of channels over all other axes."""
        wide = torch.promote_types(input.dtype, torch.float32)
        weight, bias = self.weight.to(wide), self.bias.to(wide)
        normed = functional.group_norm(input.to(wide), self.num_groups, weight, bias, self.eps)
        return normed.to(input.dtype)


class WideGroupNorm(nn.Module):
    """Group normalisation with an inner module, whose name is part of the published keys."""

    def __init__(self, channels: int):
        super().__init__()
        self.GroupNorm = Float32GroupNorm(channels)

    def forward(self, x: Float[Tensor, "batch channels ..."]) -> Tensor:
        """Normalise each group of channels over all other axes."""
        return self.GroupNorm(x)


class VideoNorm(WideGroupNorm):
    """Group normalisation of a video over the channels of a group and over space and time."""

    def forward(self, x: Float[Tensor, "batch frames channels height width"]) -> Tensor:
        """Normalise with the channels behind the frames."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class SpaceTimeConv(nn.Module):
    """A 3x3 convolution of every frame, then a convolution of 3 taps over time at every pixel."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.video_conv_spatial = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.video_conv_temporal = nn.Conv1d(channels_out, channels_out, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch frames channels height width"]) -> Tensor:
        """Convolve; the zeros around the clip keep its size."""
        batch, frames, _, height, width = x.shape
        x = self.video_conv_spatial(x.flatten(0, 1)).unflatten(0, (batch, frames))
        x = self.video_conv_temporal(x.permute(0, 3, 4, 2, 1).flatten(0, 2))
        return x.unflatten(0, (batch, height, width)).permute(0, 4, 3, 1, 2)


class VideoConv(nn.Module):
    """A convolution over frames, rows and columns with a cubic kernel."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int):
        super().__init__()
        self.video_conv = nn.Conv3d(channels_in, channels_out, kernel, padding=kernel // 2)

    def forward(self, x: Float[Tensor, "batch frames channels height width"]) -> Tensor:
        """Convolve; the zeros around the clip keep its size."""
        return self.video_conv(x.transpose(1, 2)).transpose(1, 2)


class AudioConv(nn.Module):
    """A convolution over time whose taps are `dilation` samples apart."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, dilation: int = 1):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.audio_conv = nn.Conv1d(
            channels_in, channels_out, kernel, padding=padding, dilation=dilation
        )

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Tensor:
        """Convolve; the zeros around the clip keep its length."""
        return self.audio_conv(x)


class Stem(nn.Module):
    """The first convolution of each U-Net."""

    def __init__(self, config: CoupledUNetConfig, channels: int):
        super().__init__()
        self.video_conv = SpaceTimeConv(config.video_channels, channels)
        self.audio_conv = AudioConv(config.audio_channels, channels, 3)

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve both streams."""
        return self.video_conv(video), self.audio_conv(audio)


class SelfAttention(nn.Module):
    """Attention among the positions of each row, added to its input."""

    def __init__(self, channels: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.norm = WideGroupNorm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zero_module(nn.Conv1d(channels, channels, 1))

    def forward(
        self, x: Float[Tensor, "rows channels positions"]
    ) -> Float[Tensor, "rows channels positions"]:
        """Add the attended values to `x`."""
        q, k, v = (heads_of(t, self.num_heads) for t in self.qkv(self.norm(x)).chunk(3, dim=1))
        attended = functional.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(attended.transpose(2, 3).flatten(1, 2))


def heads_of(
    x: Float[Tensor, "rows channels positions"], num_heads: int
) -> Float[Tensor, "rows heads positions width"]:
    """Split the channels into heads, each a run of neighbouring channels."""
    return x.unflatten(1, (num_heads, -1)).transpose(2, 3)


class ResidualBlock(nn.Module):
    """A residual block for both streams with one time embedding, which scales and shifts both."""

    def __init__(
        self,
        config: CoupledUNetConfig,
        channels_in: int,
        channels_out: int,
        dilation: int,
        *,
        resampling: int = 0,
        attends_to_video: bool = False,
        attends_to_audio: bool = False,
    ):
        """Build a block.

        Args:
            config: Sizes of the network.
            channels_in: Channels of both inputs.
            channels_out: Channels of both outputs.
            dilation: Distance of the taps of the audio convolution, in samples.
            resampling: -1 halves the frames and shortens the audio to a quarter, 1 does the
                reverse, 0 keeps both.
            attends_to_video: Whether self-attention over space and then over time follows.
            attends_to_audio: Whether self-attention over the samples follows.
        """
        super().__init__()
        self.resampling = resampling
        self.video_in_layers = nn.Sequential(
            VideoNorm(channels_in), nn.SiLU(), SpaceTimeConv(channels_in, channels_out)
        )
        self.audio_in_layers = nn.Sequential(
            WideGroupNorm(channels_in), nn.SiLU(), AudioConv(channels_in, channels_out, 3, dilation)
        )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(config.base_channels, 2 * channels_out)
        )
        self.video_out_layers = nn.Sequential(
            VideoNorm(channels_out),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            zero_module(VideoConv(channels_out, channels_out, 1)),
        )
        self.audio_out_layers = nn.Sequential(
            WideGroupNorm(channels_out),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            zero_module(AudioConv(channels_out, channels_out, 1)),
        )
        is_same = channels_in == channels_out
        self.video_skip_connection = (
            nn.Identity() if is_same else VideoConv(channels_in, channels_out, 1)
        )
        self.audio_skip_connection = (
            nn.Identity() if is_same else AudioConv(channels_in, channels_out, 1)
        )
        self.attends_to_video, self.attends_to_audio = attends_to_video, attends_to_audio
        if attends_to_video:
            self.spatial_attention_block = SelfAttention(channels_out, config.num_heads)
            self.temporal_attention_block = SelfAttention(channels_out, config.num_heads)
        if attends_to_audio:
            self.audio_attention_block = SelfAttention(channels_out, config.num_heads)

    def forward(self, video: Tensor, audio: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Both streams after the block."""
        scale, shift = self.emb_layers(embedding)[:, :, None].chunk(2, dim=1)
        h_v, h_a = self.video_in_layers(video), self.audio_in_layers(audio)
        if self.resampling:
            resample = resampled_down if self.resampling < 0 else resampled_up
            (h_v, h_a), (video, audio) = resample(h_v, h_a), resample(video, audio)
        # A Sequential's slice shares the layers.
        norm_v, rest_v = self.video_out_layers[0], self.video_out_layers[1:]
        norm_a, rest_a = self.audio_out_layers[0], self.audio_out_layers[1:]
        h_v = norm_v(h_v) * (1 + scale[:, None, ..., None]) + shift[:, None, ..., None]
        h_a = norm_a(h_a) * (1 + scale) + shift
        video = self.video_skip_connection(video) + rest_v(h_v)
        audio = self.audio_skip_connection(audio) + rest_a(h_a)
        if self.attends_to_video:
            video = self._attended(video)
        return video, self.audio_attention_block(audio) if self.attends_to_audio else audio

    def _attended(self, video: Tensor) -> Tensor:
        """Self-attention within each frame, then over the frames at each pixel."""
        batch, frames, _, height, width = video.shape
        rows = self.spatial_attention_block(video.flatten(0, 1).flatten(2))
        video = rows.unflatten(2, (height, width)).unflatten(0, (batch, frames))
        rows = self.temporal_attention_block(video.permute(0, 3, 4, 2, 1).flatten(0, 2))
        return rows.unflatten(0, (batch, height, width)).permute(0, 4, 3, 1, 2)


def resampled_down(video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over 2x2 pixels, and over 4 samples."""
    frames = functional.avg_pool2d(video.flatten(0, 1), 2).unflatten(0, video.shape[:2])
    return frames, functional.avg_pool1d(audio, AUDIO_STRIDE)


def resampled_up(video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat pixels twice in both directions, and samples four times."""
    frames = video.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    return frames, audio.repeat_interleave(AUDIO_STRIDE, dim=2)


class CrossModalAttention(nn.Module):
    """Random-shift attention: a frame attends to a window of audio and the reverse.

    A window is `window` frames long, or as long as the clip. It starts `shift` frames after the
    query and wraps around the end of the clip. Queries of one stream see keys of the other only.

    Source: Ruan et al. 2023, arXiv:2212.09478, section 3.3 (RS-MMA).
    """

    def __init__(self, channels: int, head_channels: int, window: int | None):
        super().__init__()
        self.window, self.num_heads = window, channels // head_channels
        self.v_norm, self.a_norm = VideoNorm(channels), WideGroupNorm(channels)
        self.v_qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.a_qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.video_proj_out = zero_module(VideoConv(channels, channels, 1))
        self.audio_proj_out = zero_module(AudioConv(channels, channels, 1))

    def forward(
        self,
        video: Float[Tensor, "batch frames channels height width"],
        audio: Float[Tensor, "batch channels samples"],
        shift: int,
    ) -> tuple[Tensor, Tensor]:
        """Add to each stream what it attends to in the other."""
        frames, height, width = video.shape[1], *video.shape[3:]
        window = self.window or frames
        tokens = self.v_norm(video).transpose(1, 2).flatten(2)
        q_v, k_v, v_v = (heads_of(t, self.num_heads) for t in self.v_qkv(tokens).chunk(3, dim=1))
        normed = self.a_norm(audio)
        q_a, k_a, v_a = (heads_of(t, self.num_heads) for t in self.a_qkv(normed).chunk(3, dim=1))
        per_frame = (height * width, audio.shape[2] // frames)  # tokens, and samples
        starts = torch.arange(frames, device=video.device) + shift
        seen = window_indices(starts, per_frame[1], window * per_frame[1], audio.shape[2])
        h_v = attention_in_windows(q_v, k_a, v_a, seen, per_frame[0])
        seen = window_indices(starts, per_frame[0], window * per_frame[0], tokens.shape[2])
        h_a = attention_in_windows(q_a, k_v, v_v, seen, per_frame[1])
        h_v = h_v.unflatten(2, (frames, height, width)).transpose(1, 2)
        return video + self.video_proj_out(h_v), audio + self.audio_proj_out(h_a)


def window_indices(
    starts: Int[Tensor, " windows"], stride: int, length: int, total: int
) -> Int[Tensor, "windows length"]:
    """Positions start * stride, start * stride + 1, ... of each window, modulo `total`."""
    return (starts[:, None] * stride + torch.arange(length, device=starts.device)) % total


def attention_in_windows(
    q: Float[Tensor, "batch heads queries width"],
    k: Float[Tensor, "batch heads keys width"],
    v: Float[Tensor, "batch heads keys width"],
    seen: Int[Tensor, "windows length"],
    queries_per_window: int,
) -> Float[Tensor, "batch channels queries"]:
    """Attention in which consecutive groups of queries see one window of the keys each.

    The queries that are left over when the number of windows does not divide them belong to the
    last window.
    """
    whole = len(seen) * queries_per_window
    grouped = q[:, :, :whole].unflatten(2, (len(seen), queries_per_window))
    attend = functional.scaled_dot_product_attention
    attended = attend(grouped, k[:, :, seen], v[:, :, seen]).flatten(2, 3)
    if whole < q.shape[2]:
        rest = attend(q[:, :, whole:], k[:, :, seen[-1]], v[:, :, seen[-1]])
        attended = torch.cat([attended, rest], dim=2)
    return attended.transpose(2, 3).flatten(1, 2)


class CoupledUNet(nn.Module):
    """Predicts the noise of a video and of its waveform at one timestep.

    Source: Ruan et al. 2023, arXiv:2212.09478, section 3.2. A new network predicts zeros.
    """

    def __init__(self, config: CoupledUNetConfig, *, checkpointing: bool = False):
        """Build the network with random weights.

        Args:
            config: Its sizes.
            checkpointing: Recompute the activations of every block in the backward pass.
        """
        super().__init__()
        self.config, self.checkpointing = config, checkpointing
        self.time_embed = nn.Sequential(
            nn.Linear(config.base_channels, config.base_channels),
            nn.SiLU(),
            nn.Linear(config.base_channels, config.base_channels),
        )
        encoder, widths, count = encoder_layers(config)
        self.input_blocks = nn.ModuleList(encoder)
        channels, attended = widths[-1], {"attends_to_video": True, "attends_to_audio": True}
        middle: list[nn.Module] = [
            ResidualBlock(config, channels, channels, dilation_of(count), **attended)
            for _ in range(2)
        ]
        if config.middle_attends:
            middle.insert(1, CrossModalAttention(channels, config.head_channels, None))
        self.middle_blocks = nn.ModuleList(middle)
        decoder, channels = decoder_layers(config, widths, count - 1)
        self.output_blocks = nn.ModuleList(decoder)
        self.video_out = nn.Sequential(
            VideoNorm(channels),
            nn.SiLU(),
            zero_module(VideoConv(channels, config.video_channels, 3)),
        )
        self.audio_out = nn.Sequential(
            WideGroupNorm(channels),
            nn.SiLU(),
            zero_module(AudioConv(channels, config.audio_channels, 3)),
        )

    def forward(
        self,
        video: Float[Tensor, "batch frames channels height width"],
        audio: Float[Tensor, "batch audio_channels samples"],
        t: Shaped[Tensor, " batch"],
        shifts: Sequence[int],
    ) -> tuple[
        Float[Tensor, "batch frames channels height width"],
        Float[Tensor, "batch audio_channels samples"],
    ]:
        """The noise in a noisy video and a noisy waveform.

        Args:
            video: RGB in about [-1, 1], with noise.
            audio: Waveforms in about [-1, 1], with noise.
            t: Training timestep of each sample, 0 to 999.
            shifts: One per block with shifted attention, in order of execution, for the whole
                batch; see `draw_shifts`.
        """
        dtype = next(self.time_embed.parameters()).dtype
        embedding = self.time_embed(time_sinusoid(t, self.config.base_channels, dtype))
        rest = iter(shifts)
        kept: list[tuple[Tensor, Tensor]] = []
        now = video, audio
        for block in self.input_blocks:
            now = self._through(block, now, embedding, rest)
            kept.append(now)
        now = self._through(self.middle_blocks, now, embedding, rest)
        for block in self.output_blocks:
            now = self._through(block, concatenated(now, kept.pop()), embedding, rest)
        return self.video_out(now[0]), self.audio_out(now[1])

    def shifted(self) -> list[CrossModalAttention]:
        """The attention blocks with a shift, in order of execution."""
        blocks = (module for module in self.modules() if isinstance(module, CrossModalAttention))
        return [block for block in blocks if block.window is not None]

    def draw_shifts(self, generator: torch.Generator) -> tuple[int, ...]:
        """Draw a shift for every attention block, uniform from 0 to frames - window."""
        return tuple(
            int(
                torch.randint(self.config.frames - (block.window or 0) + 1, (), generator=generator)
            )
            for block in self.shifted()
        )

    def _through(
        self, layers: Any, now: tuple[Tensor, Tensor], embedding: Tensor, shifts: Iterator[int]
    ) -> tuple[Tensor, Tensor]:
        """Both streams after the layers of one block."""
        for layer in layers:
            more: tuple[Any, ...] = ()
            if isinstance(layer, ResidualBlock):
                more = (embedding,)
            elif isinstance(layer, CrossModalAttention):
                more = (next(shifts) if layer.window is not None else 0,)
            if self.checkpointing and torch.is_grad_enabled():
                now = recompute(layer, *now, *more, use_reentrant=False)
            else:
                now = layer(*now, *more)
        return now


def concatenated(now: tuple[Tensor, Tensor], skip: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The current channels of both streams, then those of the encoder."""
    return torch.cat([now[0], skip[0]], dim=2), torch.cat([now[1], skip[1]], dim=1)


def encoder_layers(config: CoupledUNetConfig) -> tuple[list[nn.ModuleList], list[int], int]:
    """The encoder's blocks, the channels after each of them, and the number of residual blocks + 1.

    Dilations of the audio convolutions double from block to block.
    """
    channels = config.channel_mult[0] * config.base_channels
    blocks = [nn.ModuleList([Stem(config, channels)])]
    widths, count = [channels], 1
    for level, mult in enumerate(config.channel_mult):
        for _ in range(config.num_res_blocks):
            wanted = mult * config.base_channels
            blocks.append(attended_block(config, level, channels, wanted, count))
            channels, count = wanted, count + 1
            widths.append(channels)
        if level + 1 < len(config.channel_mult):
            down = ResidualBlock(config, channels, channels, dilation_of(count), resampling=-1)
            blocks.append(nn.ModuleList([down]))
            count += 1
            widths.append(channels)
    return blocks, widths, count


def decoder_layers(
    config: CoupledUNetConfig, widths: Sequence[int], count: int
) -> tuple[list[nn.ModuleList], int]:
    """The decoder's blocks, and the channels after the last. Dilations halve from block to block.

    An upsampling block has the dilation of the block after it.
    """
    channels, skips = widths[-1], list(widths)
    blocks: list[nn.ModuleList] = []
    for level, mult in reversed(list(enumerate(config.channel_mult))):
        for k in range(config.num_res_blocks + 1):
            wanted = mult * config.base_channels
            block = attended_block(config, level, channels + skips.pop(), wanted, count)
            channels, count = wanted, count - 1
            if level and k == config.num_res_blocks:
                block.append(
                    ResidualBlock(config, channels, channels, dilation_of(count), resampling=1)
                )
            blocks.append(block)
    return blocks, channels


def attended_block(
    config: CoupledUNetConfig, level: int, channels_in: int, channels_out: int, count: int
) -> nn.ModuleList:
    """A residual block, with cross-modal attention where the level has it."""
    factor = 2**level
    layers: list[nn.Module] = [
        ResidualBlock(
            config,
            channels_in,
            channels_out,
            dilation_of(count),
            attends_to_video=factor in config.video_attention_at,
        )
    ]
    if factor in config.cross_attention_at:
        window = config.cross_attention_windows[config.cross_attention_at.index(factor)]
        layers.append(CrossModalAttention(channels_out, config.head_channels, window))
    return nn.ModuleList(layers)


def dilation_of(count: int) -> int:
    """Dilation of the audio convolution of the residual block number `count`, in samples."""
    return 2 ** (count % DILATION_CYCLE)


def time_sinusoid(
    t: Shaped[Tensor, " batch"], size: int, dtype: torch.dtype
) -> Float[Tensor, "batch size"]:
    """Cosines and then sines of `t` at size / 2 frequencies from 1 to about 1 / 10 000."""
    wide = torch.promote_types(dtype, torch.float32)
    steps = torch.arange(size // 2, dtype=wide, device=t.device)
    angles = t.to(wide)[:, None] * torch.exp(-math.log(10_000) / (size // 2) * steps)
    return torch.cat([angles.cos(), angles.sin()], dim=1).to(dtype)


def zero_module(layer: nn.Module) -> nn.Module:
    """Set the weights of a layer to zero: a new block then adds nothing to its input."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
