"""Do gradients flow? A chain of differentiable links, walked one link at a time.

Guidance fails without a word where a link cuts the gradient: the output is as good as unguided. So
every link gets its input as a leaf of its own and its gradient from the link behind it, and is
asked what became of it. A link's graph is freed before the next one is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from seehear.diagnostics.doctor.hooks import GradientHooks, is_finite

Fault = Literal[
    "detached",  # computed where no gradient is recorded, or detached
    "cast to integers",
    "ignores its input",
    "dead",  # every gradient is exactly zero
    "not finite",
    "underflow",
    "edits in place",
    "not frozen",
    "fails",
]
SCALE_UP = 2.0**10  # what a gradient is multiplied by to see whether small values were lost
LOST_SHARE = 0.01  # of a gradient's values; in float32 none are lost
NUM_ELEMENTS_LOOKED_AT = 2**20  # of a gradient, to keep memory small


@dataclass(frozen=True, kw_only=True)
class Link:
    """One differentiable step from latents or prompt towards the loss."""

    name: str
    run: Callable[[Tensor], Tensor]
    modules: Mapping[str, nn.Module] = field(default_factory=dict)  # findings name their parts


@dataclass(frozen=True)
class Finding:
    """Something wrong with a link."""

    link: str
    part: str  # the module inside, as far as it is known; empty: the link itself
    fault: Fault
    detail: str

    def __str__(self) -> str:
        where = f"{self.link}, {self.part}" if self.part else self.link
        return f"{where}: {self.fault}: {self.detail}"


@dataclass(frozen=True)
class GradientSize:
    """What became of a gradient in one link."""

    link: str
    gradient_rms: float | None  # in the link's input; None: there is none


@dataclass(frozen=True)
class _Passed:
    """A value that went through a link, with its graph."""

    leaf: Tensor  # what went in
    output: Tensor | None  # None: the link failed
    watch: GradientHooks
    findings: list[Finding]  # what can be seen without a gradient


def check_gradients(
    links: Sequence[Link], start: Tensor, loss: Callable[[Tensor], Tensor]
) -> tuple[list[Finding], list[GradientSize]]:
    """Push one value forward and one gradient backward through a chain.

    Args:
        links: First to last; each takes what the one before returns.
        start: What goes into the first, with values as they are in a run.
        loss: A scalar of what the last link returns.

    Returns:
        What is wrong, in the order of the links; and the gradient's size at every link's input, in
        the same order. A link behind which the gradient ended gets noise instead, so that one fault
        does not hide the next.
    """
    found: list[Finding] = []
    inputs: list[Tensor] = []
    value = start.detach()
    for link in links:
        inputs.append(value)
        passed = _forward(link, value)
        found += passed.findings + _trainable(link)
        if passed.output is None:
            return found, []
        value = _usable(passed.output.detach())
        del passed
    gradient: Tensor | None = _gradient_of(loss, value)
    flows: list[GradientSize] = []
    for link, entered in zip(reversed(links), reversed(inputs), strict=True):
        gradient, faults = _backward(link, entered, gradient)
        found += faults
        flows.append(GradientSize(link.name, None if gradient is None else _rms(gradient)))
    order = [link.name for link in links]
    return sorted(dict.fromkeys(found), key=lambda f: order.index(f.link)), flows[::-1]


def _forward(link: Link, value: Tensor) -> _Passed:
    leaf = value.clone().requires_grad_(True)
    given = leaf.clone()  # not a leaf, so that an edit in place shows rather than stops the walk
    watch = GradientHooks(link.modules)
    try:
        with torch.enable_grad(), watch:
            output = link.run(given)
    except RuntimeError as error:
        failure = Finding(link.name, watch.last, "fails", _first_line(error))
        return _Passed(leaf, None, watch, [failure])
    found = []
    if not torch.equal(torch.nan_to_num(given.detach()), torch.nan_to_num(value)):
        detail = "what it was given has changed; clone it first"
        found.append(Finding(link.name, "", "edits in place", detail))
    if output.is_floating_point() and not is_finite(output):
        share = 1 - float(output.isfinite().float().mean())
        detail = f"{share:.1%} of its output is nan or infinite"
        found.append(Finding(link.name, watch.first_not_finite, "not finite", detail))
    if not output.requires_grad:
        found.append(Finding(link.name, watch.first_detached, *_why_detached(watch, output)))
    return _Passed(leaf, output, watch, found)


def _why_detached(watch: GradientHooks, output: Tensor) -> tuple[Fault, str]:
    if watch.without_grad:
        return "detached", f"{watch.without_grad} ran where gradients are off (no_grad?)"
    if watch.detached_by:
        return "detached", f"{watch.detached_by} cut the gradient"
    if watch.cast_by or not output.is_floating_point():
        return "cast to integers", f"{watch.cast_by or 'its output'} has no gradient"
    return "ignores its input", "its output does not depend on what it was given"


def _backward(
    link: Link, value: Tensor, gradient: Tensor | None
) -> tuple[Tensor | None, list[Finding]]:
    """The gradient in a link's input, given that in its output, and what is wrong with it."""
    passed = _forward(link, value)
    leaf, output, watch = passed.leaf, passed.output, passed.watch
    if output is None or not output.requires_grad:
        return None, []
    if gradient is None or not is_finite(gradient) or not gradient.any():
        gradient = _noise_like(output)
    gradient = gradient.to(output)
    try:
        (found,) = torch.autograd.grad(output, leaf, gradient, retain_graph=True, allow_unused=True)
        scaled = gradient * SCALE_UP
        (large,) = torch.autograd.grad(output, leaf, scaled, allow_unused=True)
    except RuntimeError as error:
        if "inplace operation" in str(error):
            detail = "it changes a value that its own gradient needs"
            return None, [Finding(link.name, watch.last, "edits in place", detail)]
        return None, [Finding(link.name, watch.last, "fails", _first_line(error))]
    if found is None:
        detail = "its output does not depend on what it was given"
        return None, [Finding(link.name, watch.first_detached, "ignores its input", detail)]
    if not is_finite(found):
        share = 1 - float(found.isfinite().float().mean())
        detail = f"{share:.1%} of its gradient is nan or infinite"
        return found, [Finding(link.name, watch.gradient_not_finite, "not finite", detail)]
    lost = _lost_share(found, large)
    if lost > LOST_SHARE:
        detail = (
            f"{lost:.1%} of its gradient is too small for {str(found.dtype)[6:]}: compute it in "
            "bfloat16 or float32, or scale the loss"
        )
        return found, [Finding(link.name, watch.gradient_dead, "underflow", detail)]
    if not found.any():
        detail = "its gradient is exactly zero: rounded, clipped or saturated"
        return found, [Finding(link.name, watch.gradient_dead, "dead", detail)]
    return found, []


def _lost_share(gradient: Tensor, scaled: Tensor) -> float:
    """Share of values that are zero only because they were not scaled up."""
    few = gradient.flatten()[:NUM_ELEMENTS_LOOKED_AT]
    there = scaled.flatten()[:NUM_ELEMENTS_LOOKED_AT] != 0
    return float(((few == 0) & there).sum() / there.sum().clamp(min=1))


def _trainable(link: Link) -> list[Finding]:
    """Weights that would get a gradient of their own: time and memory for nothing."""
    for name, module in link.modules.items():
        count = sum(p.numel() for p in module.parameters() if p.requires_grad)
        if count:
            detail = f"{count} weights ask for gradients: call requires_grad_(False)"
            return [Finding(link.name, name, "not frozen", detail)]
    return []


def _gradient_of(loss: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = value.clone().requires_grad_(True)
        return torch.autograd.grad(loss(leaf), leaf)[0]


def _usable(value: Tensor) -> Tensor:
    """What the next link can work with, whatever was wrong with this one."""
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
