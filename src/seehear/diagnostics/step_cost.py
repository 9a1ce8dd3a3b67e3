"""What a denoising step takes, found without taking it: memory and arithmetic by stage.

Models on PyTorch's device "meta" have shapes and no numbers. Run there, a guided step allocates
nothing and computes nothing, but every tensor is born and dies as it would elsewhere.
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

GUIDANCE_SCALE = 2.5  # any but 1: both halves of the prompt stack are denoised
STEPS = 30  # of which the trial takes the noise level half-way


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors made inside, and the most that were alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Let it happen, then look at what came of it."""
        kwargs = kwargs or {}
        # What comes from outside, such as weights, is not made here, nor are views of it.
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
    """The memory of fused attention: its inputs, its output, and no matrix of weights."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, flops: list[float]) -> Tensor:
        """Only shapes; two products of matrices."""
        ctx.flops, ctx.products = flops, 2.0 * q.shape[:-1].numel() * k.shape[-2]
        flops.append(ctx.products * (q.shape[-1] + v.shape[-1]))
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        ctx.save_for_backward(q, k, v, out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Only shapes; five products of matrices, one of them recomputed."""
        q, k, v, _ = ctx.saved_tensors
        ctx.flops.append(2.5 * ctx.products * (q.shape[-1] + v.shape[-1]))
        return *(torch.empty_like(tensor) for tensor in (q, k, v)), None


@contextmanager
def fused_attention() -> Iterator[list[float]]:
    """Attention as every device fuses it; on "meta" PyTorch takes the way that nobody takes.

    Yields its arithmetic, which the counter does not see.
    """
    flops: list[float] = []

    def stand_in(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        return _Attention.apply(query, key, value, flops)

    # A mode for torch functions would be switched off while the backward pass recomputes.
    with patch.object(functional, "scaled_dot_product_attention", stand_in):
        yield flops


@dataclass(frozen=True)
class StageCost:
    """One stage of a step."""

    name: str
    flops: float  # multiply-adds count twice
    live_bytes: int  # what stays until the backward pass
    peak_bytes: int  # the most alive at once since the step began


@dataclass(frozen=True)
class Costs:
    """What a plain and a guided step take beside the weights."""

    stages: tuple[StageCost, ...]  # of the guided step, in order; the last is the backward pass
    plain_flops: float
    plain_peak_bytes: int
    decode_flops: float  # of the finished latents
    decode_peak_bytes: int
    weight_bytes: Mapping[str, int] = field(default_factory=dict)  # by network

    @property
    def guided_flops(self) -> float:
        """Of a guided step, the plain one included."""
        return sum(stage.flops for stage in self.stages)

    @property
    def guided_peak_bytes(self) -> int:
        """The most alive at once in a guided step."""
        return max(stage.peak_bytes for stage in self.stages)

    @property
    def peak_bytes(self) -> int:
        """Weights and the most alive beside them."""
        alive = max(self.guided_peak_bytes, self.plain_peak_bytes, self.decode_peak_bytes)
        return sum(self.weight_bytes.values()) + alive

    def seconds(self, num_steps: int, num_guided: int, flops_per_s: float) -> float:
        """Of a whole run at a rate of arithmetic; see `measured_rate`."""
        plain = (num_steps - num_guided) * self.plain_flops
        return (plain + num_guided * self.guided_flops + self.decode_flops) / flops_per_s


Reading = Callable[[str], None]  # called at the end of a stage, with its name


def _measured(run: Callable[[Reading], None]) -> tuple[StageCost, ...]:
    """Run twice, and take memory and arithmetic of every stage.

    At once would not do: the counter of arithmetic keeps what the backward pass recomputes alive.
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
    by_eye: bool = False,
    frames_per_step: int = 2,
) -> Costs:
    """Cost of the steps that make one window of sound or video.

    Args:
        backbone: On the device "meta", or anywhere if it may really be run.
        binder: On the same device.
        y: The prompt stack, of the shape that `Backbone.embed_prompt` returns.
        duration_s: Of what is made.
        through_denoiser: Whether the gradient goes through the denoiser.
        mel_bridge: Whether mels are compared instead of waveforms, where both models can.
        by_eye: Whether the binder's way to look at unfinished pictures is used, if it has one.
        frames_per_step: How many frames of a video are looked at.
    """
    level = backbone.levels(STEPS)[STEPS // 2]
    z = backbone.prior(duration_s, 1, torch.Generator().manual_seed(0)).to(y.device)
    guided = stages_of(
        backbone, binder, z, level, y, through_denoiser,
        mel_bridge=mel_bridge, by_eye=by_eye, frames_per_step=frames_per_step,
    )  # fmt: skip

    def plainly(read: Reading) -> None:
        with torch.no_grad():
            backbone.predict(z, level, y, GUIDANCE_SCALE)
        read("plain")

    def finally_(read: Reading) -> None:
        with torch.no_grad():
            backbone.decode(z)
        read("decode")

    (plain,), (decode,) = _measured(plainly), _measured(finally_)
    return Costs(
        stages=_measured(guided),
        plain_flops=plain.flops,
        plain_peak_bytes=plain.peak_bytes,
        decode_flops=decode.flops,
        decode_peak_bytes=decode.peak_bytes,
        weight_bytes=weight_bytes(backbone, binder),
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
    by_eye: bool = False,
    frames_per_step: int = 2,
) -> Callable[[Reading], None]:
    """A guided step that tells whenever a stage is done; arguments as `step_costs`."""
    legs = _chosen(gradient_paths(backbone, binder), mel_bridge, by_eye)

    def guided(read: Reading) -> None:
        leaf = z.clone().requires_grad_()
        with torch.set_grad_enabled(through_denoiser):
            predicted = backbone.predict(leaf, level, y, GUIDANCE_SCALE)
        with torch.enable_grad():
            # Without its gradient the noise is a constant, and the clean estimate linear in z.
            at = predicted.x0 if through_denoiser else leaf + predicted.eps
            read("denoiser")
            if backbone.stream == "video":
                at = at[:, :, :frames_per_step]
            for leg in legs:
                at = leg.run(at)
                read(leg.stage)
            at.float().pow(2).sum().backward()
        read("backward")

    return guided


def _chosen(
    ways: Mapping[PathName, tuple[Segment, ...]], mel_bridge: bool, by_eye: bool
) -> tuple[Segment, ...]:
    """The way that is wanted, if there is such, else the first."""
    if by_eye and "by frames and eye" in ways:
        return ways["by frames and eye"]
    if mel_bridge and "by mel" in ways:
        return ways["by mel"]
    return next(iter(ways.values()))


def weight_bytes(*owners: object) -> dict[str, int]:
    """Bytes of every network that the models hold, by name; each network once."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    for owner in owners:
        held = dict(owner.named_children()) if isinstance(owner, nn.Module) else vars(owner)
        for name, network in held.items():
            if isinstance(network, nn.Module) and id(network) not in seen:
                seen.add(id(network))
                tensors = [*network.parameters(), *network.buffers()]
                found[name] = found.get(name, 0) + sum(t.nbytes for t in tensors)
    return found


def measured_rate(device: str, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Arithmetic per second that this device sustains in convolutions like the models' own."""
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
