"""Convolutions whose weights never learn: they need not keep their inputs for the backward pass.

PyTorch keeps the input of every convolution, because the gradient of the weights needs it. Ours
have none, and the gradient of the input needs the weights alone. The numbers are the same, bit for
bit; a decoder's graph is a third to a half smaller, and nothing is computed twice.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)


class _FrozenConvolution(torch.autograd.Function):
    """A convolution that remembers the shape of its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: nn.Module, plain: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.conv, ctx.shape = conv, x.shape
        return plain(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        conv = ctx.conv
        gradient_of_input, _, _ = torch.ops.aten.convolution_backward(
            gradient,
            gradient.new_empty(1).expand(ctx.shape),  # only its shape is looked at
            conv.weight,
            None,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.transposed,
            conv.output_padding,
            conv.groups,
            (True, False, False),
        )
        return gradient_of_input, None, None


def forget_inputs(network: nn.Module) -> None:
    """Change every frozen convolution of a network in place. Doing it twice changes nothing."""
    for module in network.modules():
        if not isinstance(module, CONVOLUTIONS) or "forward" in vars(module):
            continue
        is_plain = module.padding_mode == "zeros" and not isinstance(module.padding, str)
        if is_plain and not any(p.requires_grad for p in module.parameters()):
            plain = module.forward
            module.forward = partial(_forward, module, plain)  # type: ignore[method-assign]


def _forward(conv: nn.Module, plain: Callable[..., Tensor], x: Tensor, *more: Any) -> Tensor:
    if more or not (torch.is_grad_enabled() and x.requires_grad):
        return plain(x, *more)
    return _FrozenConvolution.apply(x, conv, plain)
