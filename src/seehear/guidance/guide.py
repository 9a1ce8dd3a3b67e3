"""Where guidance acts inside a denoising step, and which tensors it changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.aligner import Aligner, Piece, StepTrace
from seehear.guidance.diffusion import (
    NoiseLevel,
    Prediction,
    x0_from_eps,
    x0_from_eps_by_reciprocal,
)
from seehear.guidance.objective import Estimate, Objective, ReadsLatents, ShiftsInTime, parts
from seehear.guidance.protocols import Backbone, JointStream
from seehear.guidance.retiming import gather_in_time, mean_shift
from seehear.guidance.settings import AlignerConfig
from seehear.guidance.step_schedule import LoopStep
from seehear.guidance.streams import Stream


@dataclass
class LoopState:
    """Latents, prompt embeddings and predictions of a run; the loop and the guide update them."""

    backbones: Mapping[Stream, Backbone]
    levels: Mapping[Stream, tuple[NoiseLevel, ...]]
    scales: Mapping[Stream, float]  # of classifier-free guidance
    z: dict[Stream, Tensor]
    y: dict[Stream, Tensor]
    predicted: dict[Stream, Prediction] = field(default_factory=dict)
    i: int = 0
    moving: tuple[Stream, ...] = ()  # streams that step now
    due: list[Stream] = field(default_factory=list)  # streams to predict in this step
    before: dict[Stream, NoiseLevel] = field(default_factory=dict)
    after: dict[Stream, NoiseLevel] = field(default_factory=dict)
    trace: StepTrace = field(default_factory=lambda: StepTrace(i=0))

    def begin(self, i: int, step: LoopStep) -> None:
        """Go to step i: set the noise levels before and after it, and the streams to predict."""
        self.i, self.moving, self.trace = i, step.moving, StepTrace(i=i)
        self.before = {s: self.levels[s][step.at[s]] for s in self.backbones}
        self.after = {s: self.levels[s][step.after(s)] for s in self.backbones}
        # A waiting stream keeps its latents, so its prediction stays valid.
        self.due = [s for s in self.backbones if s in step.moving or s not in self.predicted]

    def predict(self, streams: Iterable[Stream]) -> None:
        """Run the denoisers of `streams`, and of the streams that share a joint model with them."""
        self.predicted |= predict_streams(
            self.backbones, streams, self.z, self.before, self.y, self.scales
        )


def predict_streams(
    backbones: Mapping[Stream, Backbone],
    streams: Iterable[Stream],
    z: Mapping[Stream, Tensor],
    levels: Mapping[Stream, NoiseLevel],
    y: Mapping[Stream, Tensor],
    scales: Mapping[Stream, float],
) -> dict[Stream, Prediction]:
    """Predictions of `streams`, and of those that share a joint model with one of them.

    Raises:
        SettingsError: The streams of a joint model are at different noise levels.
    """
    predicted: dict[Stream, Prediction] = {}
    for s in streams:
        backbone = backbones[s]
        if s in predicted:
            continue
        if not isinstance(backbone, JointStream):
            predicted[s] = backbone.predict(z[s], levels[s], y[s], scales[s])
            continue
        group = backbone.joint.streams
        if any(levels[other] != levels[s] for other in group):
            raise SettingsError(
                f"expected the same steps for {' and '.join(group)}, which one joint model "
                "predicts together; leave own_steps and spans out of the preset"
            )
        predicted |= backbone.joint.predict(
            {other: z[other] for other in group},
            levels[s],
            {other: y[other] for other in group},
            {other: scales[other] for other in group},
        )
    return predicted


class Guide:
    """Guidance of one run: when it acts, on which variable and through which estimate.

    `AlignerConfig` selects which of the three methods makes the gradient steps: before the step
    through the denoiser, on the clean estimate (MPGD), or after the step with a constant eps. An
    objective that reads noisy latents is minimised before the step, without the denoiser.
    """

    def __init__(
        self,
        config: AlignerConfig,
        objective: Objective | None,
        num_steps: int,
        shifts_at: Callable[[int], bool],
    ):
        self.config, self.objective, self.num_steps = config, objective, num_steps
        self.shifts_at = shifts_at
        self.aligner = Aligner(config)
        self.latent_objective: ReadsLatents | None = None
        if isinstance(objective, ReadsLatents) and objective.reads_latents:
            self.latent_objective = objective
        self.is_shift_due = False  # a waiting stream is shifted at its next step

    def before_step(self, now: LoopState) -> None:
        """Eqs. 13 and 17 with the denoiser in the graph; eps depends on latents and prompt.

        Or Eq. 13 with the embeddings of the noisy latents, which no denoiser and decoder compute.
        """
        guided = self._guided(now)
        if guided and self.latent_objective is not None:
            self._align_latents(now, self.latent_objective.latent_pieces(now.before))
            return
        if not (guided and self.config.through_denoiser):
            return
        # Unguided streams are predicted once; the guided ones are compared with them.
        now.predict([s for s in now.due if s not in guided])
        now.due = list(guided)
        fixed = {s: p.x0 for s, p in now.predicted.items() if s not in guided}
        estimate = denoising_estimate(now.backbones, now.before, now.scales, fixed)
        self._align_latents(now, self._pieces(estimate))

    def on_estimate(self, now: LoopState) -> None:
        """The time shift of a sync loss, then MPGD, whose variable is the clean estimate."""
        self._shift_in_time(now)
        if self._guided(now) and self.config.rule == "mpgd":
            moved_s = now.trace.moved_s
            x0 = {s: p.x0 for s, p in now.predicted.items()}
            pieces = self._pieces(clean_estimate(now.backbones))
            x0, now.y, trace = self.aligner.align(
                now.i, self.num_steps, x0, now.y, pieces, now.moving
            )
            now.predicted = {s: Prediction(x0=x0[s], eps=p.eps) for s, p in now.predicted.items()}
            now.trace = replace(trace, moved_s=moved_s)

    def after_step(self, now: LoopState) -> None:
        """Eq. 13 with a constant eps.

        The authors guide after the step. With the noise level of the new latents ("matching") this
        is Eq. 11 as written.
        """
        guided = self._guided(now)
        is_guided_before = self.latent_objective is not None or self.config.through_denoiser
        if not guided or is_guided_before or self.config.rule == "mpgd":
            return
        is_stale = self.config.level == "stale"
        eps = {s: now.predicted[s].eps for s in guided}
        fixed = {s: p.x0 for s, p in now.predicted.items() if s not in guided}
        levels = now.before if is_stale else now.after
        estimate = frozen_estimate(now.backbones, eps, levels, is_stale, fixed)
        self._align_latents(now, self._pieces(estimate))

    def _guided(self, now: LoopState) -> tuple[Stream, ...]:
        if self.objective is None:
            return ()
        return self.config.guided(now.i, self.num_steps, now.moving)

    def _pieces(self, estimate: Estimate) -> Sequence[Piece]:
        assert self.objective is not None
        return self.objective.pieces(estimate)

    def _align_latents(self, now: LoopState, pieces: Sequence[Piece]) -> None:
        moved_s = now.trace.moved_s
        now.z, now.y, trace = self.aligner.align(
            now.i, self.num_steps, now.z, now.y, pieces, now.moving
        )
        now.trace = replace(trace, moved_s=moved_s)

    def _shift_in_time(self, now: LoopState) -> None:
        """Ours: shift the latents of a stream in time so that its events match the other stream."""
        self.is_shift_due = self.is_shift_due or self.shifts_at(now.i)
        objective = self.objective
        if not (self.is_shift_due and isinstance(objective, ShiftsInTime)):
            return
        stream = objective.shifted_stream
        if stream not in now.moving:
            return
        self.is_shift_due = False
        source = objective.source_positions({s: p.x0 for s, p in now.predicted.items()})
        if shift := mean_shift(source):
            backbone = now.backbones[stream]
            now.z[stream] = gather_in_time(now.z[stream], source, backbone.time_axis)
            now.predict([stream])
            now.trace = replace(now.trace, moved_s={stream: shift / backbone.latents_per_s})


def frozen_estimate(
    backbones: Mapping[Stream, Backbone],
    eps: Mapping[Stream, Tensor],
    levels: Mapping[Stream, NoiseLevel],
    is_stale: bool,
    fixed: Mapping[Stream, Tensor],
) -> Estimate:
    """Clean latents by Eq. 11 with constant noise; a stale level uses the authors' rounding.

    `fixed` holds the clean estimates of the unguided streams, from their last step.
    """
    x0_from = x0_from_eps_by_reciprocal if is_stale else x0_from_eps

    def estimate(z, y, spans=None):
        z = parts(backbones, {s: z[s] for s in eps}, spans)
        noise, others = parts(backbones, eps, spans), parts(backbones, fixed, spans)
        return {s: x0_from(z[s], noise[s], levels[s]) for s in z} | others

    return estimate


def denoising_estimate(
    backbones: Mapping[Stream, Backbone],
    levels: Mapping[Stream, NoiseLevel],
    scales: Mapping[Stream, float],
    fixed: Mapping[Stream, Tensor],
) -> Estimate:
    """Clean latents from a new prediction, differentiable in latents and prompt.

    `fixed` holds the clean estimates of the unguided streams, from their last step.
    """

    def estimate(z, y, spans=None):
        streams = [s for s in z if s not in fixed]
        z = parts(backbones, z, spans)
        predicted = predict_streams(backbones, streams, z, levels, y, scales)
        return parts(backbones, fixed, spans) | {s: p.x0 for s, p in predicted.items()}

    return estimate


def clean_estimate(backbones: Mapping[Stream, Backbone]) -> Estimate:
    """The identity, for latents that are clean estimates already (MPGD)."""

    def estimate(z, y, spans=None):
        return parts(backbones, z, spans)

    return estimate
