"""Check the gradient flow through a chain of differentiable stages (links), one at a time.

If a link cuts the gradient, guidance fails without an error, as if it were off. So the input of
every link is a separate leaf, and the gradient from the next link is passed to it and checked. The
graph of a link is freed before the next link is checked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from seehear.diagnostics.doctor.hooks import GradientHooks, is_finite

Fault = Literal[
    "detached",  # computed without gradient recording, or detached
    "cast to integers",
    "ignores its input",
    "dead",  # every gradient is exactly zero
    "not finite",
    "underflow",
    "edits in place",
    "not frozen",
    "fails",
]
SCALE_UP = 2.0**10  # gradient scale that reveals underflow
LOST_SHARE = 0.01  # maximum fraction of underflowed values; in float32 there are none
MAX_CHECKED_ELEMENTS = 2**20  # of a gradient, to limit memory


@dataclass(frozen=True, kw_only=True)
class Link:
    """One stage: a differentiable step from latents or prompt towards the loss."""

    name: str
    run: Callable[[Tensor], Tensor]
    modules: Mapping[str, nn.Module] = field(default_factory=dict)  # findings name their parts


@dataclass(frozen=True)
class Finding:
    """A fault in a link."""

    link: str
    part: str  # the submodule; "" if unknown or the link itself
    fault: Fault
    detail: str

    def __str__(self) -> str:
        where = f"{self.link}, {self.part}" if self.part else self.link
        return f"{where}: {self.fault}: {self.detail}"


@dataclass(frozen=True)
class GradientSize:
    """Size of the gradient at the input of one link."""

    link: str
    gradient_rms: float | None  # None: no gradient


@dataclass(frozen=True)
class _Forward:
    """Forward pass of a link, with its graph."""

    leaf: Tensor  # input
    output: Tensor | None  # None: the link failed
    hooks: GradientHooks
    findings: list[Finding]  # faults that are visible without a gradient


def check_gradients(
    links: Sequence[Link], start: Tensor, loss: Callable[[Tensor], Tensor]
) -> tuple[list[Finding], list[GradientSize]]:
    """Push one value forward and one gradient backward through a chain.

    Args:
        links: First to last; the output of a link is the input of the next.
        start: Input of the first link, with realistic values.
        loss: Scalar loss of the output of the last link.

    Returns:
        Findings in the order of the links, and the gradient size at the input of every link. If a
        link gets no usable gradient from the next one, it gets noise instead, so that one fault
        does not hide another.
    """
    findings: list[Finding] = []
    inputs: list[Tensor] = []
    value = start.detach()
    for link in links:
        inputs.append(value)
        forward = _forward(link, value)
        findings += forward.findings + _trainable(link)
        if forward.output is None:
            return findings, []
        value = _usable(forward.output.detach())
        del forward
    gradient: Tensor | None = _gradient_of(loss, value)
    sizes: list[GradientSize] = []
    for link, link_input in zip(reversed(links), reversed(inputs), strict=True):
        gradient, faults = _backward(link, link_input, gradient)
        findings += faults
        sizes.append(GradientSize(link.name, None if gradient is None else _rms(gradient)))
    order = [link.name for link in links]
    return sorted(dict.fromkeys(findings), key=lambda f: order.index(f.link)), sizes[::-1]


def _forward(link: Link, value: Tensor) -> _Forward:
    leaf = value.clone().requires_grad_(True)
    link_input = leaf.clone()  # not a leaf, so that an in-place edit does not raise
    hooks = GradientHooks(link.modules)
    try:
        with torch.enable_grad(), hooks:
            output = link.run(link_input)
    except RuntimeError as error:
        failure = Finding(link.name, hooks.last, "fails", _first_line(error))
        return _Forward(leaf, None, hooks, [failure])
    findings = []
    if not torch.equal(torch.nan_to_num(link_input.detach()), torch.nan_to_num(value)):
        detail = "it changes its input in place; clone the input first"
        findings.append(Finding(link.name, "", "edits in place", detail))
    if output.is_floating_point() and not is_finite(output):
        share = 1 - float(output.isfinite().float().mean())
        detail = f"{share:.1%} of its output is NaN or inf"
        findings.append(Finding(link.name, hooks.first_not_finite, "not finite", detail))
    if not output.requires_grad:
        findings.append(Finding(link.name, hooks.first_detached, *_why_detached(hooks, output)))
    return _Forward(leaf, output, hooks, findings)


def _why_detached(hooks: GradientHooks, output: Tensor) -> tuple[Fault, str]:
    if hooks.without_grad:
        return "detached", f"{hooks.without_grad} ran without gradient recording (no_grad?)"
    if hooks.detached_by:
        return "detached", f"{hooks.detached_by} detached the gradient"
    if hooks.cast_by or not output.is_floating_point():
        return "cast to integers", f"{hooks.cast_by or 'its output'} has no gradient"
    return "ignores its input", "its output does not depend on its input"


def _backward(
    link: Link, value: Tensor, gradient: Tensor | None
) -> tuple[Tensor | None, list[Finding]]:
    """The gradient at the input of a link from the gradient at its output, with findings."""
    forward = _forward(link, value)
    leaf, output, hooks = forward.leaf, forward.output, forward.hooks
    if output is None or not output.requires_grad:
        return None, []
    if gradient is None or not is_finite(gradient) or not gradient.any():
        gradient = _noise_like(output)
    gradient = gradient.to(output)
    try:
        (grad,) = torch.autograd.grad(output, leaf, gradient, retain_graph=True, allow_unused=True)
        scaled = gradient * SCALE_UP
        (large,) = torch.autograd.grad(output, leaf, scaled, allow_unused=True)
    except RuntimeError as error:
        if "inplace operation" in str(error):
            detail = "it changes a value in place that its backward pass needs"
            return None, [Finding(link.name, hooks.last, "edits in place", detail)]
        return None, [Finding(link.name, hooks.last, "fails", _first_line(error))]
    if grad is None:
        detail = "its output does not depend on its input"
        return None, [Finding(link.name, hooks.first_detached, "ignores its input", detail)]
    if not is_finite(grad):
        share = 1 - float(grad.isfinite().float().mean())
        detail = f"{share:.1%} of its gradient is NaN or inf"
        return grad, [Finding(link.name, hooks.gradient_not_finite, "not finite", detail)]
    lost = _lost_share(grad, large)
    if lost > LOST_SHARE:
        detail = (
            f"{lost:.1%} of its gradient is too small for {str(grad.dtype)[6:]}: compute it in "
            "bfloat16 or float32, or scale the loss"
        )
        return grad, [Finding(link.name, hooks.gradient_dead, "underflow", detail)]
    if not grad.any():
        detail = "its gradient is exactly zero: rounded, clipped or saturated"
        return grad, [Finding(link.name, hooks.gradient_dead, "dead", detail)]
    return grad, []


def _lost_share(gradient: Tensor, scaled: Tensor) -> float:
    """Fraction of the non-zero values of the scaled gradient that are zero in the unscaled one."""
    unscaled = gradient.flatten()[:MAX_CHECKED_ELEMENTS]
    nonzero = scaled.flatten()[:MAX_CHECKED_ELEMENTS] != 0
    return float(((unscaled == 0) & nonzero).sum() / nonzero.sum().clamp(min=1))


def _trainable(link: Link) -> list[Finding]:
    """Weights with requires_grad, which waste time and memory."""
    for name, module in link.modules.items():
        count = sum(p.numel() for p in module.parameters() if p.requires_grad)
        if count:
            detail = f"{count} weights require gradients: call requires_grad_(False)"
            return [Finding(link.name, name, "not frozen", detail)]
    return []


def _gradient_of(loss: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = value.clone().requires_grad_(True)
        return torch.autograd.grad(loss(leaf), leaf)[0]


def _usable(value: Tensor) -> Tensor:
    """Convert the output to finite floats, so that the next link can be checked."""
    value = value if value.is_floating_point() else value.float()
    return torch.nan_to_num(value, posinf=1.0, neginf=-1.0) if not is_finite(value) else value


def _noise_like(value: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5
    return noise.to(value)


def _rms(values: Tensor) -> float:
    return float(values.float().square().mean().sqrt())


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
