"""Frozen layers that save less for the backward pass and avoid slow bfloat16 kernels on the CPU.

PyTorch saves the input of every convolution, because the gradient of the weights needs it. Frozen
weights have no gradient, and the gradient of the input needs the weights only. Results are equal
bit for bit, a decoder's graph is a third to a half smaller, and nothing is recomputed.

On a CPU without bfloat16 instructions, PyTorch's kernels are slow: two hundred times slower than
float32 for a convolution, nine times for a matrix product. There, weights and activations stay in
bfloat16, but each layer computes in float32 and rounds its result once.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)
_CONVOLVE = tuple(layer.forward for layer in CONVOLUTIONS)
# PyTorch's names of the CPU capabilities that include bfloat16 arithmetic.
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


@cache
def computes_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _INSTRUCTIONS)


def freeze(network: nn.Module) -> None:
    """Set a network to eval mode, disable its weight gradients and patch its layers, in place."""
    patch_layers(network.eval().requires_grad_(False))


def patch_layers(network: nn.Module) -> None:
    """Patch every frozen layer of a network in place; a second call changes nothing.

    A layer whose weights require gradients later uses its original computation.
    """
    for module in network.modules():
        if "forward" in vars(module) or any(p.requires_grad for p in module.parameters()):
            continue
        compute = type(module).forward  # subclasses can have a different forward
        if compute is nn.Linear.forward:
            module.forward = partial(_linear, module)  # type: ignore[method-assign]
        elif (
            compute in _CONVOLVE
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            module.forward = partial(_convolution, module, module.forward)  # type: ignore[method-assign]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer with frozen weights that avoids slow bfloat16 kernels."""
    is_trainable = weight.requires_grad or (bias is not None and bias.requires_grad)
    if _is_slow(x) and not is_trainable:
        return _WideLinear.apply(x, weight, bias)
    return functional.linear(x, weight, bias)


def _is_slow(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and not computes_bfloat16()


# The argument is named as in PyTorch's layers, because callers can pass it by keyword.
def _linear(layer: Any, input: Tensor) -> Tensor:
    return linear(input, layer.weight, layer.bias)


def _convolution(conv: Any, plain: Callable[..., Tensor], input: Tensor, *more: Any) -> Tensor:
    if any(p.requires_grad for p in conv.parameters()):
        return plain(input, *more)
    if _is_slow(input):
        plain = partial(_float32_forward, conv)
    if more or not (torch.is_grad_enabled() and input.requires_grad):
        return plain(input, *more)
    return _FrozenConvolution.apply(input, conv, plain)


def _float32_forward(conv: nn.Module, x: Tensor, *more: Any) -> Tensor:
    wide = {name: p.float() for name, p in conv.named_parameters()}
    return functional_call(conv, wide, (x.float(), *more)).to(x.dtype)


class _FrozenConvolution(torch.autograd.Function):
    """A convolution that saves only the shape of its input for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: nn.Module, plain: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.conv, ctx.shape = conv, x.shape
        return plain(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        conv, dtype = ctx.conv, gradient.dtype
        weight = conv.weight
        if _is_slow(gradient):
            gradient, weight = gradient.float(), weight.float()
        gradient_of_input, _, _ = torch.ops.aten.convolution_backward(
            gradient,
            gradient.new_empty(1).expand(ctx.shape),  # only its shape is used
            weight,
            None,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.transposed,
            conv.output_padding,
            conv.groups,
            (True, False, False),
        )
        return gradient_of_input.to(dtype), None, None


class _WideLinear(torch.autograd.Function):
    """A bfloat16 linear layer that computes in float32; its graph has no float32 weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        wide = functional.linear(x.float(), weight.float(), None if bias is None else bias.float())
        return wide.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return (gradient.float() @ ctx.weight.float()).to(gradient.dtype), None, None
