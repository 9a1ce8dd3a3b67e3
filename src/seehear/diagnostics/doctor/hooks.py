"""Hooks that locate gradient faults inside a link, by module and by operation."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class GradientHooks:
    """Context manager that records which modules break values or gradients.

    Modules are named by their path, such as "vocoder.upsampler.1".
    """

    def __init__(self, modules: Mapping[str, nn.Module]):
        self.last = ""  # the module that ran last
        self.first_detached = ""  # its input requires grad, its output does not
        self.first_not_finite = ""
        self.gradient_not_finite = ""  # the first with a NaN or inf gradient
        self.gradient_dead = ""  # the first with a gradient of exactly zero
        self.without_grad = ""  # an operation on a value with grad under no_grad
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
        result, before = first_tensor(output), self._entered.pop()
        if result is not None and result.requires_grad:
            # Operations inside were harmless, for example a layer with a custom backward pass.
            self.without_grad, self.detached_by, self.cast_by = before
        if result is None or not result.is_floating_point():
            return
        argument = first_tensor(inputs)
        if not self.first_not_finite and not is_finite(result):
            self.first_not_finite = name
        if result.requires_grad:
            result.register_hook(lambda gradient: self._gradient(name, gradient))
        elif not self.first_detached and argument is not None and argument.requires_grad:
            self.first_detached = name

    def _gradient(self, name: str, gradient: Tensor) -> None:
        if not self.gradient_not_finite and not is_finite(gradient):
            self.gradient_not_finite = name
        if not self.gradient_dead and not bool(gradient.any()):
            self.gradient_dead = name


class _Operations(TorchFunctionMode):
    """Records operations whose input requires grad and whose output does not."""

    def __init__(self, hooks: GradientHooks):
        super().__init__()
        self.hooks = hooks

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        hooks = self.hooks
        if not isinstance(result, Tensor) or result.requires_grad or not _has_gradient(args):
            return result
        name = getattr(func, "__name__", str(func))
        if result.is_floating_point():
            if not torch.is_grad_enabled():
                hooks.without_grad = hooks.without_grad or name
            elif name in ("detach", "detach_"):
                hooks.detached_by = hooks.detached_by or name
        elif result.dtype != torch.bool and name in _CASTS:
            hooks.cast_by = hooks.cast_by or name
        return result


_CASTS = frozenset({"to", "long", "int", "short", "char", "byte", "type", "type_as"})


def is_finite(values: Tensor) -> bool:
    """Whether all values are finite.

    A finite sum proves it in one pass, which matters for thousands of layers. A non-finite sum can
    be an overflow. `data` is used because autograd would record the sum, unlike `isfinite`.
    """
    return math.isfinite(float(values.data.sum())) or bool(values.isfinite().all())


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor in nested inputs or outputs of a module."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, Mapping):
        values = tuple(values.values())
    if isinstance(values, (tuple, list)):
        return next((t for t in map(first_tensor, values) if t is not None), None)
    return None


def _has_gradient(args: Any) -> bool:
    return any(isinstance(a, Tensor) and a.requires_grad for a in args)
