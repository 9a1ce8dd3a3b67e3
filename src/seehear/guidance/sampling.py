"""The denoising loop, Algorithm 1. Every task uses it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.aligner import StepTrace
from seehear.guidance.diffusion import NoiseLevel, x0_from_eps
from seehear.guidance.guide import Guide, LoopState
from seehear.guidance.objective import Objective
from seehear.guidance.protocols import Backbone, HasPreview, HasSolver
from seehear.guidance.settings import Rate, SamplingSettings
from seehear.guidance.solvers import Ddim, Solver
from seehear.guidance.step_schedule import step_schedule
from seehear.guidance.streams import Stream


@dataclass(frozen=True)
class StepProgress:
    """The argument of a callback after every step. It may raise `errors.Cancelled` to stop."""

    i: int  # the completed step, from 0
    num_steps: int
    trace: StepTrace
    # Decodes the current clean estimate of every stream, without gradients.
    preview: Callable[[], dict[Stream, Tensor]]


@dataclass(frozen=True)
class SamplingResult:
    """Clean latents to decode, tuned prompt embeddings and the trace of the run."""

    latents: dict[Stream, Tensor]
    prompts: dict[Stream, Tensor]  # as tuned by Eq. 17; unchanged without prompt tuning
    trace: tuple[StepTrace, ...]  # one entry per step


@torch.no_grad()
def sample(
    backbones: Mapping[Stream, Backbone],
    latents: Mapping[Stream, Tensor],
    prompts: Mapping[Stream, Tensor],
    objective: Objective | None,
    settings: SamplingSettings,
    on_step: Callable[[StepProgress], None] | None = None,
    generator: torch.Generator | None = None,
    first_step: int = 0,
) -> SamplingResult:
    """Denoise latents of one or more streams under guidance: Algorithm 1.

    Args:
        backbones: One frozen model per generated stream.
        latents: Their initial latents, batch first, drawn from `Backbone.prior`.
        prompts: Their prompt embeddings y, from `Backbone.embed_prompt`.
        objective: The loss that guidance minimises; None samples without guidance.
        settings: Steps, classifier-free guidance scale and alignment.
        on_step: Called after every step. An exception that it raises ends the run.
        generator: Draws the fresh noise of solvers that need it; None: one with the seed 0.
        first_step: Skip the steps before it. `latents` then have the noise level of this step.

    Raises:
        SettingsError: The arguments name different streams.
    """
    if not backbones.keys() == latents.keys() == prompts.keys():
        raise SettingsError(
            "expected backbones, latents and prompts with the same streams, got "
            f"{list(backbones)}, {list(latents)} and {list(prompts)}"
        )
    num_steps = settings.num_steps
    steps = {s: settings.steps_of(s) for s in backbones}
    levels = {s: backbone.levels(steps[s]) for s, backbone in backbones.items()}
    scales = {s: _scale_of(settings.guidance_scale, s) for s in backbones}
    generator = generator or torch.Generator().manual_seed(0)
    solvers = {s: solver_of(b, steps[s], generator) for s, b in backbones.items()}
    guide = Guide(settings.aligner, objective, num_steps, settings.shifts_at)
    now = LoopState(backbones, levels, scales, dict(latents), dict(prompts))
    traces: list[StepTrace] = []
    schedule = tuple(enumerate(step_schedule(num_steps, steps, settings.spans)))
    for i, loop_step in schedule[first_step:]:  # Algorithm 1
        began = time.perf_counter()
        now.begin(i, loop_step)
        guide.before_step(now)  # Eqs. 13 and 17, through the denoiser
        now.predict(now.due)  # eps and, by Eq. 11, the clean estimate
        guide.on_estimate(now)  # the time shift; MPGD
        now.z |= {
            s: solvers[s].step(now.z[s], now.predicted[s], now.before[s], now.after[s])
            for s in loop_step.moving
        }
        guide.after_step(now)  # Eq. 13 with a constant eps
        traces.append(replace(now.trace, seconds=time.perf_counter() - began))
        if on_step is not None:
            eps = {s: p.eps for s, p in now.predicted.items()}
            preview = preview_of(backbones, dict(now.z), eps, now.after)
            on_step(StepProgress(i, num_steps, traces[-1], preview))
    return SamplingResult(now.z, now.y, tuple(traces))


def solver_of(backbone: Backbone, num_steps: int, generator: torch.Generator) -> Solver:
    """The backbone's own solver, else DDIM with eta 0."""
    return backbone.solver(num_steps, generator) if isinstance(backbone, HasSolver) else Ddim()


def preview_of(
    backbones: Mapping[Stream, Backbone],
    z: Mapping[Stream, Tensor],
    eps: Mapping[Stream, Tensor],
    levels: Mapping[Stream, NoiseLevel],
) -> Callable[[], dict[Stream, Tensor]]:
    """A function that decodes the clean estimates; nothing is decoded before it is called."""

    @torch.no_grad()
    def preview() -> dict[Stream, Tensor]:
        x0 = {s: x0_from_eps(z[s], eps[s], levels[s]) for s in backbones}
        return {
            s: b.preview(x0[s]) if isinstance(b, HasPreview) else b.decode(x0[s])
            for s, b in backbones.items()
        }

    return preview


def _scale_of(scale: Rate, stream: Stream) -> float:
    if not isinstance(scale, Mapping):
        return scale
    if stream not in scale:
        raise SettingsError(f"expected a guidance_scale for {stream!r}, got only {list(scale)}")
    return scale[stream]
