"""See what happens to gradients inside a link: by module, and by operation."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class GradientHooks:
    """While it is entered, notes where in some modules values and gradients go wrong.

    Parts are named by their path, such as "vocoder.upsampler.1".
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        self.last = ""  # the module that ran last
        self.first_detached = ""  # got a value with a gradient and returned one without
        self.first_not_finite = ""
        self.gradient_not_finite = ""  # the first that the gradient reached as nan or infinite
        self.gradient_dead = ""  # the first that it reached as exactly zero
        self.without_grad = ""  # an operation on a value with a gradient, where none is recorded
        self.detached_by = ""
        self.cast_by = ""
        self._names = {
            module: f"{name}.{path}" if path else name
            for name, top in modules.items()
            for path, module in top.named_modules()
        }
        self._hooks: list[Any] = []
        self._entered: list[tuple[str, str, str]] = []
        self._mode = _Operations(self)

    def __enter__(self) -> "GradientHooks":
        for module in self._names:
            self._hooks.append(module.register_forward_pre_hook(self._before))
            self._hooks.append(module.register_forward_hook(self._after))
        self._mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._mode.__exit__(*error)
        for hook in self._hooks:
            hook.remove()

    def _before(self, module: nn.Module, inputs: Any) -> None:
        self._entered.append((self.without_grad, self.detached_by, self.cast_by))

    def _after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        name = self.last = self._names[module]
        made, noted = first_tensor(output), self._entered.pop()
        if made is not None and made.requires_grad:
            # What was noted inside did no harm: a layer with a backward pass of its own, say.
            self.without_grad, self.detached_by, self.cast_by = noted
        if made is None or not made.is_floating_point():
            return
        given = first_tensor(inputs)
        if not self.first_not_finite and not is_finite(made):
            self.first_not_finite = name
        if made.requires_grad:
            made.register_hook(lambda gradient: self._gradient(name, gradient))
        elif not self.first_detached and given is not None and given.requires_grad:
            self.first_detached = name

    def _gradient(self, name: str, gradient: Tensor) -> None:
        if not self.gradient_not_finite and not is_finite(gradient):
            self.gradient_not_finite = name
        if not self.gradient_dead and not bool(gradient.any()):
            self.gradient_dead = name


class _Operations(TorchFunctionMode):
    """Notes operations that take a value with a gradient and return one without."""

    def __init__(self, watch: GradientHooks):
        super().__init__()
        self.watch = watch

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        watch = self.watch
        if not isinstance(made, Tensor) or made.requires_grad or not _has_gradient(args):
            return made
        name = getattr(func, "__name__", str(func))
        if made.is_floating_point():
            if not torch.is_grad_enabled():
                watch.without_grad = watch.without_grad or name
            elif name in ("detach", "detach_"):
                watch.detached_by = watch.detached_by or name
        elif made.dtype != torch.bool and name in _CASTS:
            watch.cast_by = watch.cast_by or name
        return made


_CASTS = frozenset({"to", "long", "int", "short", "char", "byte", "type", "type_as"})


def is_finite(values: Tensor) -> bool:
    """Whether every number is finite.

    A finite sum proves it in one pass, which matters for thousands of layers; one that is not may
    have overflowed. `data`: a sum, unlike `isfinite`, would be recorded for the backward pass.
    """
    return math.isfinite(float(values.data.sum())) or bool(values.isfinite().all())


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor in what a module takes or returns."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, Mapping):
        values = tuple(values.values())
    if isinstance(values, (tuple, list)):
        return next((t for t in map(first_tensor, values) if t is not None), None)
    return None


def _has_gradient(args: Any) -> bool:
    return any(isinstance(a, Tensor) and a.requires_grad for a in args)
