"""Gradient steps on noisy latents (Eq. 13) and prompt embeddings (Eq. 17)."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seehear.guidance.settings import AlignerConfig, rate_of
from seehear.guidance.step_rules import (
    Moments,
    adam_direction,
    heavy_ball,
    mean_norm,
    relative_change,
    sample_norm,
    sample_rms,
)
from seehear.guidance.streams import Stream

# One part of the objective: loss terms, each a (batch,) tensor, of the latents and the prompt
# embeddings. Gradients are taken piece by piece, so a graph never outlives its piece.
Piece = Callable[[dict[Stream, Tensor], dict[Stream, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class StepTrace:
    """Record of one denoising step. Losses, norms and step sizes are means over the batch."""

    i: int
    seconds: float = 0.0  # of the whole step
    align_seconds: float = 0.0  # of its alignment
    is_guided: bool = False
    losses: dict[str, float] = field(default_factory=dict)  # every term, before the first update
    gradient_norm: dict[str, float] = field(default_factory=dict)  # "audio", "audio prompt", ...
    relative_step: dict[str, float] = field(default_factory=dict)  # rms(change) / rms(before)
    moved_s: dict[str, float] = field(default_factory=dict)  # mean time shift of the latents
    # The gradient of a sample was exactly zero or not finite, so that sample was not updated. The
    # decoder is silent, a front end is saturated, or the objective doesn't depend on the stream.
    dead_gradient: bool = False


class Aligner:
    """Makes the gradient steps of one sampling run and keeps the optimiser's moments."""

    def __init__(self, config: AlignerConfig):
        self.config = config
        self._moments: dict[str, Moments] = {}

    def align(
        self,
        i: int,
        num_steps: int,
        z: Mapping[Stream, Tensor],
        y: Mapping[Stream, Tensor],
        pieces: Sequence[Piece],
        moving: Collection[Stream] | None = None,
    ) -> tuple[dict[Stream, Tensor], dict[Stream, Tensor], StepTrace]:
        """Make the N inner updates of step i.

        Args:
            i: Step index, from 0.
            num_steps: S.
            z: Latents per stream, batch first; for `mpgd`, predicted clean latents.
            y: Prompt embeddings per stream: unconditional rows, then conditional ones.
            pieces: The objective is the sum over pieces, terms and batch.
            moving: The streams that may be updated; None allows all.

        Returns:
            New latents, new prompt embeddings and the trace; an unguided step changes nothing.
        """
        z, y = dict(z), dict(y)
        guided = self.config.guided(i, num_steps, [s for s in z if moving is None or s in moving])
        if not guided:
            return z, y, StepTrace(i=i)
        began = time.perf_counter()
        if self.config.rule == "fresh_adam":
            self._moments.clear()
        tuned_z = [s for s in guided if rate_of(self.config.lr_latents, s) > 0]
        # An unconditional model has an empty prompt embedding.
        tuned_y = [s for s in guided if rate_of(self.config.lr_prompt, s) > 0 and y[s].numel()]
        z_before, y_before = z, y
        losses_before: dict[str, float] = {}
        norms_before: dict[str, float] = {}
        is_dead = False
        for n in range(self.config.num_updates):
            grads_z, grads_y, losses = gradients(z, y, tuned_z, tuned_y, pieces)
            norms: dict[str, float] = {s: mean_norm(g) for s, g in grads_z.items()}
            norms |= {f"{s} prompt": mean_norm(g) for s, g in grads_y.items()}
            if n == 0:
                losses_before, norms_before = losses, norms
            new_z, new_y = dict(z), dict(y)
            for s, grad in grads_z.items():  # Eq. 13
                lr = rate_of(self.config.lr_latents, s)
                new_z[s], dead = self._update(s, z[s], grad, lr)
                is_dead |= dead
            for s, grad in grads_y.items():  # Eq. 17
                lr = rate_of(self.config.lr_prompt, s)
                new_y[s], dead = self._update_prompt(f"{s} prompt", y[s], grad, lr)
                is_dead |= dead
            z, y = new_z, new_y
        relative_step: dict[str, float] = {s: relative_change(z_before[s], z[s]) for s in tuned_z}
        relative_step |= {f"{s} prompt": relative_change(y_before[s], y[s]) for s in tuned_y}
        return z, y, StepTrace(
            i=i, align_seconds=time.perf_counter() - began, is_guided=True, losses=losses_before,
            gradient_norm=norms_before, relative_step=relative_step, dead_gradient=is_dead,
        )  # fmt: skip

    def _update(self, name: str, value: Tensor, grad: Tensor, lr: float) -> tuple[Tensor, bool]:
        """One step of the rule on samples (batch, ...), and whether any gradient was dead."""
        norm = grad.flatten(1).norm(dim=1)
        is_alive = (norm > 0) & norm.isfinite()
        is_alive = is_alive.view(-1, *[1] * (value.ndim - 1))
        # NaN or inf must not enter the moments.
        grad = torch.where(is_alive, grad, 0.0)
        if self.config.clip_norm is not None:
            grad = grad * (self.config.clip_norm / sample_norm(grad)).clamp(max=1.0)
        moments = self._moments.setdefault(name, {})
        if self.config.rule in ("fresh_adam", "persistent_adam"):
            direction = adam_direction(grad, moments)
        elif self.config.rule == "descent":
            direction = heavy_ball(grad, moments, self.config.momentum)
        else:
            unit = grad / sample_rms(grad)
            direction = heavy_ball(unit, moments, self.config.momentum) * sample_rms(value)
        moved = value - lr * direction
        return torch.where(is_alive, moved, value), not bool(is_alive.all())

    def _update_prompt(self, name: str, y: Tensor, grad: Tensor, lr: float) -> tuple[Tensor, bool]:
        """One step on the tuned half of a prompt stack; each sample has one row in each half."""
        first, last = {"both": (0, 2), "uncond": (0, 1), "cond": (1, 2)}[self.config.tuned_half]
        stack, grad = (t.unflatten(0, (2, -1)).transpose(0, 1) for t in (y, grad))
        before = stack[:, first:last]
        tuned, dead = self._update(name, before, grad[:, first:last], lr)
        if self.config.keep_prompt_norm:
            tuned = tuned * (sample_norm(before) / sample_norm(tuned))
        new = torch.cat([stack[:, :first], tuned, stack[:, last:]], dim=1)
        return new.transpose(0, 1).flatten(0, 1), dead


def gradients(
    z: Mapping[Stream, Tensor],
    y: Mapping[Stream, Tensor],
    tuned_z: Sequence[Stream],
    tuned_y: Sequence[Stream],
    pieces: Sequence[Piece],
) -> tuple[dict[Stream, Tensor], dict[Stream, Tensor], dict[str, float]]:
    """Gradients with respect to the named latents and prompts, and the mean of every loss term.

    The graph of a piece is freed before the next one is built, so memory is that of one piece.
    """
    z = {s: v.detach().requires_grad_(s in tuned_z) for s, v in z.items()}
    y = {s: v.detach().requires_grad_(s in tuned_y) for s, v in y.items()}
    leaves = [z[s] for s in tuned_z] + [y[s] for s in tuned_y]
    sums = [torch.zeros_like(leaf) for leaf in leaves]
    values: dict[str, list[Tensor]] = {}
    for piece in pieces:
        with torch.enable_grad():
            terms = piece(z, y)
            total = torch.stack([term.sum() for term in terms.values()]).sum()
        for name, term in terms.items():
            values.setdefault(name, []).append(term.detach().mean())
        if total.requires_grad:
            for total_grad, grad in zip(
                sums, torch.autograd.grad(total, leaves, allow_unused=True), strict=True
            ):
                if grad is not None:
                    total_grad += grad
    losses = {name: torch.stack(parts).mean().item() for name, parts in values.items()}
    return (
        dict(zip(tuned_z, sums[: len(tuned_z)], strict=True)),
        dict(zip(tuned_y, sums[len(tuned_z) :], strict=True)),
        losses,
    )
