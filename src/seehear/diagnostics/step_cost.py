"""Memory and FLOPs of a denoising step by stage, without computing it.

On PyTorch's device "meta", tensors have shapes but no data. A guided step there allocates and
computes nothing, but creates and frees the same tensors as on other devices.
"""

import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from seehear.diagnostics.gradient_paths import PathName, Segment, gradient_paths
from seehear.guidance.diffusion import NoiseLevel
from seehear.guidance.protocols import Backbone, Binder
from seehear.models.frozen_layers import freeze
from seehear.models.latent_encoder import LatentEncoder

GUIDANCE_SCALE = 2.5  # any value except 1 denoises both halves of the prompt stack
STEPS = 30  # the trial uses the noise level in the middle of this schedule


class LiveBytes(TorchDispatchMode):
    """Tracks the current and peak bytes of all tensors created in the context."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run the operation and track its outputs."""
        kwargs = kwargs or {}
        # Tensors from outside, such as weights, and their views do not count.
        tree_map_only(Tensor, lambda tensor: self._watch(tensor, is_new=False), (args, kwargs))
        result = function(*args, **kwargs)
        tree_map_only(Tensor, lambda tensor: self._watch(tensor, is_new=True), result)
        return result

    def _watch(self, tensor: Tensor, *, is_new: bool) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata  # the same for all views
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes() if is_new else 0
        self.now += self._sizes[key]
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


class _Attention(torch.autograd.Function):
    """Shape-only fused attention: saves inputs and output, but no attention matrix."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, flops: list[float]) -> Tensor:
        """Count two matrix products."""
        ctx.flops, ctx.products = flops, 2.0 * q.shape[:-1].numel() * k.shape[-2]
        flops.append(ctx.products * (q.shape[-1] + v.shape[-1]))
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        ctx.save_for_backward(q, k, v, out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Count five matrix products, one of them a recomputation."""
        q, k, v, _ = ctx.saved_tensors
        ctx.flops.append(2.5 * ctx.products * (q.shape[-1] + v.shape[-1]))
        return *(torch.empty_like(tensor) for tensor in (q, k, v)), None


@contextmanager
def fused_attention() -> Iterator[list[float]]:
    """Replace attention by a shape-only fused version; on "meta" PyTorch does not fuse it.

    Yields the list of its FLOPs, which the FLOP counter does not include.
    """
    flops: list[float] = []

    def stand_in(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        return _Attention.apply(query, key, value, flops)

    # A TorchFunctionMode would be inactive during recomputation in the backward pass.
    with patch.object(functional, "scaled_dot_product_attention", stand_in):
        yield flops


@dataclass(frozen=True)
class StageCost:
    """Costs of one stage of a step."""

    name: str
    flops: float  # multiply-adds count twice
    live_bytes: int  # alive at the end of the stage
    peak_bytes: int  # peak since the start of the step


@dataclass(frozen=True)
class Costs:
    """Costs of an unguided and a guided step, without weights."""

    stages: tuple[StageCost, ...]  # of the guided step, in order
    plain_flops: float
    plain_peak_bytes: int
    decode_flops: float  # of the finished latents
    decode_peak_bytes: int
    weight_bytes: Mapping[str, int] = field(default_factory=dict)  # by network

    @property
    def guided_flops(self) -> float:
        """FLOPs of a guided step, including denoising."""
        return sum(stage.flops for stage in self.stages)

    @property
    def guided_peak_bytes(self) -> int:
        """Peak memory of a guided step without weights."""
        return max(stage.peak_bytes for stage in self.stages)

    @property
    def peak_bytes(self) -> int:
        """Peak memory including weights."""
        alive = max(self.guided_peak_bytes, self.plain_peak_bytes, self.decode_peak_bytes)
        return sum(self.weight_bytes.values()) + alive

    def seconds(self, num_steps: int, num_guided: int, flops_per_s: float) -> float:
        """Time of a whole run at a FLOP rate; see `measured_rate`."""
        plain = (num_steps - num_guided) * self.plain_flops
        return (plain + num_guided * self.guided_flops + self.decode_flops) / flops_per_s


Reading = Callable[[str], None]  # called at the end of a stage, with its name


def _measured(run: Callable[[Reading], None]) -> tuple[StageCost, ...]:
    """Run twice to measure the memory and the FLOPs of every stage.

    Two runs are needed: the FLOP counter keeps recomputed tensors alive.
    """
    names: list[str] = []
    alive: list[tuple[int, int]] = []
    with fused_attention(), LiveBytes() as live:

        def read_bytes(name: str) -> None:
            names.append(name)
            alive.append((live.now, live.peak))

        run(read_bytes)
    totals = [0.0]
    with fused_attention() as fused, FlopCounterMode(display=False) as flops:
        run(lambda name: totals.append(float(flops.get_total_flops()) + sum(fused)))
    return tuple(
        StageCost(name, after - before, now, peak)
        for name, before, after, (now, peak) in zip(names, totals, totals[1:], alive, strict=False)
    )


def step_costs(
    backbone: Backbone,
    binder: Binder,
    y: Tensor,
    *,
    duration_s: float,
    through_denoiser: bool,
    mel_bridge: bool = False,
    noisy_image_encoder: bool = False,
    frames_per_step: int = 2,
    latent_encoder: LatentEncoder | None = None,
) -> Costs:
    """Cost of the steps that generate one window of audio or video.

    Args:
        backbone: On the device "meta", or on another device to really run it.
        binder: On the same device.
        y: Prompt stack with the shape of the output of `Backbone.embed_prompt`.
        duration_s: Output duration.
        through_denoiser: Whether the gradient goes through the denoiser.
        mel_bridge: Embed mels instead of waveforms, if both models support it.
        noisy_image_encoder: Use the binder's encoder for noisy images, if it has one.
        frames_per_step: Number of embedded video frames per step.
        latent_encoder: Guide by this encoder of noisy latents instead of decoder and binder.
    """
    level = backbone.levels(STEPS)[STEPS // 2]
    z = backbone.prior(duration_s, 1, torch.Generator().manual_seed(0)).to(y.device)
    guided = (
        latent_stages_of(backbone, latent_encoder, z, level, y)
        if latent_encoder is not None
        else stages_of(
            backbone, binder, z, level, y, through_denoiser,
            mel_bridge=mel_bridge, noisy_image_encoder=noisy_image_encoder,
            frames_per_step=frames_per_step,
        )
    )  # fmt: skip

    def unguided_step(read: Reading) -> None:
        with torch.no_grad():
            backbone.predict(z, level, y, GUIDANCE_SCALE)
        read("plain")

    def final_decode(read: Reading) -> None:
        with torch.no_grad():
            backbone.decode(z)
        read("decode")

    (plain,), (decode,) = _measured(unguided_step), _measured(final_decode)
    return Costs(
        stages=_measured(guided),
        plain_flops=plain.flops,
        plain_peak_bytes=plain.peak_bytes,
        decode_flops=decode.flops,
        decode_peak_bytes=decode.peak_bytes,
        weight_bytes=weight_bytes(backbone, binder)
        | ({} if latent_encoder is None else {"latent_encoder": _bytes_of(latent_encoder)}),
    )


def stages_of(
    backbone: Backbone,
    binder: Binder,
    z: Tensor,
    level: NoiseLevel,
    y: Tensor,
    through_denoiser: bool,
    *,
    mel_bridge: bool = False,
    noisy_image_encoder: bool = False,
    frames_per_step: int = 2,
) -> Callable[[Reading], None]:
    """A guided step that calls `read` after every stage; arguments as in `step_costs`."""
    segments = _chosen(gradient_paths(backbone, binder), mel_bridge, noisy_image_encoder)

    def guided(read: Reading) -> None:
        leaf = z.clone().requires_grad_()
        with torch.set_grad_enabled(through_denoiser):
            prediction = backbone.predict(leaf, level, y, GUIDANCE_SCALE)
        with torch.enable_grad():
            # Without a gradient the noise is constant, and the clean estimate is linear in z.
            value = prediction.x0 if through_denoiser else leaf + prediction.eps
            read("denoiser")
            if backbone.stream == "video":
                value = value[:, :, :frames_per_step]
            for segment in segments:
                value = segment.run(value)
                read(segment.stage)
            value.float().pow(2).sum().backward()
        read("backward")

    return guided


def latent_stages_of(
    backbone: Backbone, encoder: LatentEncoder, z: Tensor, level: NoiseLevel, y: Tensor
) -> Callable[[Reading], None]:
    """A step that an encoder of noisy latents guides; calls `read` after every stage."""

    def guided(read: Reading) -> None:
        leaf = z.clone().requires_grad_()
        with torch.enable_grad():
            value = encoder.embed_latents(leaf, level)
            read("encoder")
            value.float().pow(2).sum().backward()
        read("backward")
        with torch.no_grad():
            backbone.predict(z, level, y, GUIDANCE_SCALE)
        read("denoiser")

    return guided


def _chosen(
    paths: Mapping[PathName, tuple[Segment, ...]], mel_bridge: bool, noisy_image_encoder: bool
) -> tuple[Segment, ...]:
    """The requested path if the models support it, else the first."""
    if noisy_image_encoder and "by noisy frames" in paths:
        return paths["by noisy frames"]
    if mel_bridge and "by mel" in paths:
        return paths["by mel"]
    return next(iter(paths.values()))


def weight_bytes(*owners: object) -> dict[str, int]:
    """Bytes of every network of the models by name. Shared networks count once."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    for owner in owners:
        members = dict(owner.named_children()) if isinstance(owner, nn.Module) else vars(owner)
        for name, network in members.items():
            if isinstance(network, nn.Module) and id(network) not in seen:
                seen.add(id(network))
                sizes[name] = sizes.get(name, 0) + _bytes_of(network)
    return sizes


def _bytes_of(network: nn.Module) -> int:
    return sum(t.nbytes for t in (*network.parameters(), *network.buffers()))


def measured_rate(device: str, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Measured FLOP/s of a convolution typical for the models."""
    conv = nn.Conv2d(256, 256, 3, padding=1).to(device, dtype)
    freeze(conv)
    x = torch.randn(1, 256, 64, 64, device=device, dtype=dtype)
    flops = 2 * 256 * 256 * 9 * 64 * 64
    with torch.no_grad():
        conv(x)
        _synchronise(device)
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            conv(x)
            _synchronise(device)
            rounds += 1
    return rounds * flops / (time.perf_counter() - began)


def _synchronise(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
