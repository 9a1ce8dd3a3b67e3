"""The denoising loop, Algorithm 1: every task runs through it."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.aligner import Aligner, AlignerConfig, Rate, StepTrace
from seehear.guidance.diffusion import (
    NoiseLevel,
    Prediction,
    step,
    x0_from_eps,
    x0_from_eps_by_reciprocal,
)
from seehear.guidance.objective import Estimate, Objective, Retimes, parts
from seehear.guidance.protocols import Backbone, Previews, Stream
from seehear.guidance.retiming import mean_shift, taken
from seehear.guidance.step_schedule import turns, turns_of


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How to denoise: number of steps, classifier-free guidance, alignment."""

    num_steps: int = 30  # S, turns of the loop; 30 for AudioLDM in the authors' code
    own_steps: Mapping[Stream, int] = field(default_factory=dict)  # of streams that make fewer
    # Shares of the run in which a stream steps, where that is not all of it; see
    # `step_schedule.turns`.
    spans: Mapping[Stream, tuple[float, float]] = field(default_factory=dict)
    guidance_scale: Rate = 2.5  # classifier-free; 2.5 for AudioLDM in the authors' code, 1 is off
    # Shares of the run at which a sync term moves a stream in time. Ours: when it is decided what
    # happens, and the denoiser can still mend the seams.
    retimed_at: tuple[float, ...] = (0.2, 0.3, 0.4)
    aligner: AlignerConfig = field(default_factory=AlignerConfig)

    def __post_init__(self):
        if self.num_steps < 1:
            raise SettingsError(f"num_steps counts from 1, got {self.num_steps}")
        for stream, (first, last) in self.spans.items():
            if not 0 <= first < last <= 1:
                raise SettingsError(
                    f"spans are shares of a run, 0 <= first < last <= 1; got {first} to {last} "
                    f"for {stream}"
                )
        if not all(0 <= share < 1 for share in self.retimed_at):
            raise SettingsError(f"retimed_at are shares of a run, in [0, 1); got {self.retimed_at}")

    def retimes(self, i: int) -> bool:
        """Whether step i is one of those at which a sync term moves a stream in time."""
        last = self.num_steps - 1
        return i in {min(round(share * self.num_steps), last) for share in self.retimed_at}

    def steps_of(self, stream: Stream) -> int:
        """How many steps a stream makes: its own number, or one in every turn of its part."""
        first, last = turns_of(self.num_steps, self.spans.get(stream))
        return self.own_steps.get(stream, last - first)

    @property
    def steps_each(self) -> int:
        """How many steps a stream makes that has none of its own; without spans all turns."""
        return round(self.num_steps * self._share)

    def with_steps(self, steps: int) -> "SamplingSettings":
        """The same with as many turns as give every stream `steps` steps."""
        return replace(self, num_steps=round(steps / self._share))

    @property
    def _share(self) -> float:
        return min((last - first for first, last in self.spans.values()), default=1.0)


@dataclass(frozen=True)
class Progress:
    """What a callback is told after every step. It may raise `errors.Cancelled` to stop."""

    i: int  # the step just made, from 0
    num_steps: int
    trace: StepTrace
    # Decodes the present clean estimate of every stream, without gradients, when it is called.
    preview: Callable[[], dict[Stream, Tensor]]


@dataclass(frozen=True)
class Sampled:
    """Clean latents to decode, and how they came about."""

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
    on_step: Callable[[Progress], None] | None = None,
) -> Sampled:
    """Denoise latents of one or more streams while an objective pulls them together.

    Args:
        backbones: One frozen model per generated stream.
        latents: Their initial latents, batch first, drawn from `Backbone.prior`.
        prompts: Their prompt embeddings y, from `Backbone.embed_prompt`.
        objective: What alignment makes smaller; None samples the models as they are.
        settings: Steps, guidance scale and alignment.
        on_step: Called after every step; an exception that it raises ends the run.

    Raises:
        SettingsError: The streams of the arguments differ.
    """
    if not backbones.keys() == latents.keys() == prompts.keys():
        raise SettingsError(
            "backbones, latents and prompts must have the same streams, got "
            f"{list(backbones)}, {list(latents)} and {list(prompts)}"
        )
    num_steps, config = settings.num_steps, settings.aligner
    own_steps = {s: settings.steps_of(s) for s in backbones}
    levels = {s: backbone.levels(own_steps[s]) for s, backbone in backbones.items()}
    scales = {s: _scale_of(settings.guidance_scale, s) for s in backbones}
    aligner = Aligner(config)
    z, y = dict(latents), dict(prompts)
    predicted: dict[Stream, Prediction] = {}
    traces: list[StepTrace] = []
    is_due = False  # to move a stream in time; one that waits is moved when it goes on
    for i, turn in enumerate(turns(num_steps, own_steps, settings.spans)):  # Algorithm 1
        began = time.perf_counter()
        trace, moved_s = StepTrace(i=i), dict[str, float]()
        guided = config.guided(i, num_steps, turn.moving)
        guide = objective if guided else None
        before = {s: levels[s][turn.at[s]] for s in backbones}
        after = {s: levels[s][turn.after(s)] for s in backbones}

        # A stream that waits keeps its latents, and with them what was predicted from them.
        due = [s for s in backbones if s in turn.moving or s not in predicted]

        if guide is not None and config.through_denoiser:  # Eqs. 13 and 17: eps depends on both
            # What is not pulled now is predicted once, for its own step and to be compared with.
            others = [s for s in due if s not in guided]
            predicted |= _predicted(backbones, others, z, before, y, scales)
            due = list(guided)
            still = {s: p.x0 for s, p in predicted.items() if s not in guided}
            estimate = denoising_estimate(backbones, before, scales, still)
            z, y, trace = aligner.align(i, num_steps, z, y, guide.pieces(estimate), turn.moving)

        predicted |= _predicted(backbones, due, z, before, y, scales)

        is_due = is_due or settings.retimes(i)
        if is_due and isinstance(objective, Retimes) and (moved := objective.moved) in turn.moving:
            # Ours: what happens too early or too late is cut out and put where it belongs.
            is_due = False
            source = objective.retimed({s: p.x0 for s, p in predicted.items()})
            if shift := mean_shift(source):
                z[moved] = taken(z[moved], source, backbones[moved].time_axis)
                predicted |= _predicted(backbones, [moved], z, before, y, scales)
                moved_s = {moved: shift / backbones[moved].latents_per_s}

        if guide is not None and config.rule == "mpgd":  # the variable is the clean estimate itself
            x0 = {s: p.x0 for s, p in predicted.items()}
            pieces = guide.pieces(clean_estimate(backbones))
            x0, y, trace = aligner.align(i, num_steps, x0, y, pieces, turn.moving)
            predicted = {s: Prediction(x0=x0[s], eps=p.eps) for s, p in predicted.items()}

        z |= {s: step(predicted[s], after[s]) for s in turn.moving}

        if guide is not None and not config.through_denoiser and config.rule != "mpgd":
            # Eq. 13 with eps a constant. The authors guide after the step; with the level that
            # the latents have by then ("matching") this is Eq. 11 as written.
            is_stale = config.level == "stale"
            eps = {s: predicted[s].eps for s in guided}
            still = {s: p.x0 for s, p in predicted.items() if s not in guided}
            estimate = frozen_estimate(
                backbones, eps, before if is_stale else after, is_stale, still
            )
            z, y, trace = aligner.align(i, num_steps, z, y, guide.pieces(estimate), turn.moving)

        seconds = time.perf_counter() - began
        traces.append(replace(trace, seconds=seconds, moved_s=moved_s))
        if on_step is not None:
            preview = preview_of(backbones, z, {s: p.eps for s, p in predicted.items()}, after)
            on_step(Progress(i, num_steps, traces[-1], preview))
    return Sampled(z, y, tuple(traces))


def frozen_estimate(
    backbones: Mapping[Stream, Backbone],
    eps: Mapping[Stream, Tensor],
    levels: Mapping[Stream, NoiseLevel],
    is_stale: bool,
    still: Mapping[Stream, Tensor],
) -> Estimate:
    """Clean latents by Eq. 11 with a constant noise; a stale level uses the authors' rounding.

    Streams that are not guided now show the clean estimate of their last step.
    """
    x0_from = x0_from_eps_by_reciprocal if is_stale else x0_from_eps

    def estimate(z, y, spans=None):
        z = parts(backbones, {s: z[s] for s in eps}, spans)
        noise, others = parts(backbones, eps, spans), parts(backbones, still, spans)
        return {s: x0_from(z[s], noise[s], levels[s]) for s in z} | others

    return estimate


def denoising_estimate(
    backbones: Mapping[Stream, Backbone],
    levels: Mapping[Stream, NoiseLevel],
    scales: Mapping[Stream, float],
    still: Mapping[Stream, Tensor],
) -> Estimate:
    """Clean latents from a fresh prediction, differentiable in latents and prompt.

    Streams that are not guided now show the clean estimate that they have.
    """

    def estimate(z, y, spans=None):
        z = parts(backbones, {s: v for s, v in z.items() if s not in still}, spans)
        fresh = {s: backbones[s].predict(z[s], levels[s], y[s], scales[s]).x0 for s in z}
        return fresh | parts(backbones, still, spans)

    return estimate


def clean_estimate(backbones: Mapping[Stream, Backbone]) -> Estimate:
    """Latents that are clean already."""

    def estimate(z, y, spans=None):
        return parts(backbones, z, spans)

    return estimate


def _predicted(
    backbones: Mapping[Stream, Backbone],
    streams: Iterable[Stream],
    z: Mapping[Stream, Tensor],
    levels: Mapping[Stream, NoiseLevel],
    y: Mapping[Stream, Tensor],
    scales: Mapping[Stream, float],
) -> dict[Stream, Prediction]:
    return {s: backbones[s].predict(z[s], levels[s], y[s], scales[s]) for s in streams}


def preview_of(
    backbones: Mapping[Stream, Backbone],
    z: Mapping[Stream, Tensor],
    eps: Mapping[Stream, Tensor],
    levels: Mapping[Stream, NoiseLevel],
) -> Callable[[], dict[Stream, Tensor]]:
    """Decode the clean estimate when asked to, and not before."""

    @torch.no_grad()
    def preview() -> dict[Stream, Tensor]:
        x0 = {s: x0_from_eps(z[s], eps[s], levels[s]) for s in backbones}
        return {
            s: b.preview(x0[s]) if isinstance(b, Previews) else b.decode(x0[s])
            for s, b in backbones.items()
        }

    return preview


def _scale_of(scale: Rate, stream: Stream) -> float:
    if not isinstance(scale, Mapping):
        return scale
    if stream not in scale:
        raise SettingsError(f"guidance_scale names {list(scale)} but {stream!r} is generated too")
    return scale[stream]
