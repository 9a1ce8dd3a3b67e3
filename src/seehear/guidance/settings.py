"""Settings of the method: sampling, guidance, frame sampling and augmentation.

This module does not import PyTorch, so that presets can be listed and requests checked quickly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from seehear.errors import SettingsError
from seehear.guidance.step_schedule import active_interval
from seehear.guidance.streams import Stream

# Settings can come from a stranger's manifest. Larger values are no use, and can exhaust memory or
# crash a library.
MAX_STEPS, MAX_UPDATES, MAX_VIEWS = 10_000, 1000, 256
MAX_STRENGTH = 1000.0  # of an augmentation, a rate or a guidance scale

StepRule = Literal["descent", "fresh_adam", "persistent_adam", "relative", "mpgd"]
Rate = float | Mapping[Stream, float]  # one number for all streams, or one for each


@dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """Random crops, flips and colour changes of images, and the number of views per guided step."""

    per_step: int = 0  # views of every frame; 0 turns augmentation off
    nearest: float = 0.6  # smallest crop, as a fraction of width and height
    farthest: float = 1.1  # largest crop; beyond 1 the image is reflected at its edges
    colour: float = 0.1  # standard deviation of the RGB gains; half of it for the brightness
    mixing: float = 0.35  # standard deviation of the entries of the colour mixing matrix

    def __post_init__(self):
        _check_count(self.per_step)
        if not 0 < self.nearest <= self.farthest < 2:
            raise SettingsError(
                "expected crop sizes 0 < nearest <= farthest < 2, got "
                f"nearest={self.nearest} and farthest={self.farthest}"
            )
        _check_strengths(colour=self.colour, mixing=self.mixing)


@dataclass(frozen=True, kw_only=True)
class MelAugmentation:
    """Random changes of pitch, tempo, time and tone of log mels, and the views per guided step."""

    per_step: int = 0  # views of every mel; 0 turns augmentation off
    pitch: float = 2.0  # standard deviation of the pitch shift, in mel bands
    tempo: float = 0.15  # largest relative change of tempo in either direction
    shift: float = 0.15  # largest time shift in either direction, as a fraction of the length
    tone: float = 0.5  # standard deviation of a smooth equaliser curve, in nepers

    def __post_init__(self):
        _check_count(self.per_step)
        if not 0 <= self.tempo < 1:
            raise SettingsError(f"expected tempo in [0, 1), got {self.tempo}")
        _check_strengths(pitch=self.pitch, shift=self.shift, tone=self.tone)


@dataclass(frozen=True, kw_only=True)
class FrameSampling:
    """Number of frames that a guided step decodes in each window, and the seed for drawing them.

    Decoding dominates the cost of guiding a video, so a step decodes few frames. They are drawn
    from the whole window, and a run covers every frame. The authors' code uses only the first ten.
    """

    per_step: int = 2  # 2 in the authors' code; decoding time is proportional to it
    seed: int = 0

    def __post_init__(self):
        if not 1 <= self.per_step <= MAX_STEPS:
            raise SettingsError(
                f"expected per_step from 1 to {MAX_STEPS} frames, got {self.per_step}"
            )


@dataclass(frozen=True, kw_only=True)
class AlignerConfig:
    """Step rule, step sizes and schedule of the guidance.

    Step i (from 0) of S is guided when int(start * S) < i < int(end * S). Step 0 is never guided.
    The authors' 30 steps with start 0.2 and end 1 are guided from i = 7 to i = 29.
    Elements of a batch never influence each other.
    """

    # Update rule, with latents z, gradient g and learning rate lr. descent: z - lr g, Eq. 13.
    # fresh_adam: a new Adam optimizer at every timestep, as in the authors' code. persistent_adam:
    # one Adam optimizer for the whole run. relative: z - lr rms(z) g / rms(g). mpgd: the relative
    # step on the clean estimate x0, with the predicted noise unchanged (He et al. 2024,
    # arXiv:2311.16424, with a relative rate).
    rule: StepRule = "relative"
    # learning rate for the latents (lambda_1); in the paper 0.1 for audio, 0.01 for video
    lr_latents: Rate = 0.1
    # learning rate for the prompt embedding (lambda_2); 0 turns prompt tuning off
    lr_prompt: Rate = 0.0
    # gradient updates per guided step (N in Algorithm 1); 1 in the authors' code
    num_updates: int = 1
    start: Rate = 0.2  # fraction of the run at which guidance starts; 0.2 in the authors' code
    end: Rate = 1.0  # fraction of the run at which guidance ends; 1 in the authors' code
    every: int = 1  # guide only every k-th step between `start` and `end`
    through_denoiser: bool = False  # backpropagate through the denoiser too; needed for Eq. 17
    # Noise level for the clean estimate x0. matching: the current level of the latents. stale: the
    # level before the denoising step, as in the authors' code, which over-scales x0 by up to a
    # quarter.
    level: Literal["matching", "stale"] = "matching"
    # momentum (heavy ball) across updates and steps; ignored by the Adam rules
    momentum: float = 0.0
    # maximum gradient norm per batch element and stream; larger gradients are scaled down
    clip_norm: float | None = None
    # rescale the tuned prompt embeddings to their norm before the update
    keep_prompt_norm: bool = True
    # Prompt embeddings to tune: cond (conditional), uncond (the unconditional one of
    # classifier-free guidance) or both.
    tuned_half: Literal["both", "cond", "uncond"] = "both"

    def __post_init__(self):
        if not all(0 <= v <= MAX_STRENGTH for v in _values(self.lr_latents, self.lr_prompt)):
            raise SettingsError(
                f"expected rates from 0 to {MAX_STRENGTH:g}, got "
                f"lr_latents={self.lr_latents}, lr_prompt={self.lr_prompt}"
            )
        if not all(
            0 <= rate_of(self.start, s) <= rate_of(self.end, s) <= 1 and rate_of(self.start, s) < 1
            for s in _streams(self.start, self.end)
        ):
            raise SettingsError(
                "start and end are fractions of the run: expected 0 <= start <= end <= 1 and "
                f"start < 1, got start={self.start}, end={self.end}"
            )
        if not 1 <= self.num_updates <= MAX_UPDATES or self.every < 1:
            raise SettingsError(
                f"expected num_updates from 1 to {MAX_UPDATES} and every >= 1, "
                f"got num_updates={self.num_updates}, every={self.every}"
            )
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"expected momentum in [0, 1), got {self.momentum}")
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise SettingsError(f"expected a positive clip_norm or None, got {self.clip_norm}")
        if any(_values(self.lr_prompt)) and not self.through_denoiser:
            raise SettingsError(
                f"lr_prompt={self.lr_prompt} needs through_denoiser=True: the prompt changes the "
                "estimate only through the denoiser"
            )
        if self.through_denoiser and self.rule == "mpgd":
            raise SettingsError("rule mpgd updates the clean estimate; set through_denoiser=False")
        if self.level == "stale" and (self.through_denoiser or self.rule == "mpgd"):
            raise SettingsError(
                'level="stale" needs a constant noise prediction; use level="matching" with rule '
                "mpgd or through_denoiser=True"
            )

    def is_guided(self, i: int, num_steps: int) -> bool:
        """Whether any stream is guided at step i of `num_steps`."""
        streams = _streams(self.start, self.end, self.lr_latents, self.lr_prompt)
        return bool(self.guided(i, num_steps, streams))

    def num_guided(self, num_steps: int, first_step: int = 0) -> int:
        """Guided steps of a run of `num_steps` that skips the steps before `first_step`."""
        return sum(self.is_guided(i, num_steps) for i in range(first_step, num_steps))

    def guided(self, i: int, num_steps: int, streams: Sequence[Stream]) -> tuple[Stream, ...]:
        """The streams to guide at step i of `num_steps`. A stream with zero rates is not guided."""

        def is_guided(stream: Stream) -> bool:
            if not (rate_of(self.lr_latents, stream) or rate_of(self.lr_prompt, stream)):
                return False
            first = int(rate_of(self.start, stream) * num_steps) + 1
            last = int(rate_of(self.end, stream) * num_steps)
            return first <= i < last and (i - first) % self.every == 0

        return tuple(s for s in streams if is_guided(s))


def rate_of(rate: Rate, stream: Stream) -> float:
    """The rate of one stream; 0 if a mapping has no entry for it."""
    return rate.get(stream, 0.0) if isinstance(rate, Mapping) else rate


def _streams(*rates: Rate) -> Sequence[Stream]:
    """Streams named by mappings; if all rates are numbers, one stream stands for all."""
    named = dict.fromkeys(s for r in rates if isinstance(r, Mapping) for s in r)
    return tuple(named) or ("audio",)


def _values(*rates: Rate) -> list[float]:
    return [v for r in rates for v in (r.values() if isinstance(r, Mapping) else (r,))]


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How to denoise: number of steps, classifier-free guidance, alignment."""

    # number of steps of the denoising loop (S in method.md); 30 for AudioLDM in the authors' code
    num_steps: int = 30
    # Number of denoising steps of a stream, if this is smaller than the number of loop steps in its
    # interval (`spans`). They are spread evenly over the interval. In the other loop steps the
    # latents of the stream do not change.
    own_steps: Mapping[Stream, int] = field(default_factory=dict)
    # Interval (start, end) in which a stream is denoised, as fractions of the run. Streams without
    # an entry are denoised in the whole run.
    spans: Mapping[Stream, tuple[float, float]] = field(default_factory=dict)
    # classifier-free guidance scale; 2.5 for AudioLDM in the authors' code; 1 turns it off
    guidance_scale: Rate = 2.5
    # Fractions of the run at which a stream is shifted in time if the sync loss is used. Not in
    # the paper. At these steps the content is already determined, and the remaining steps repair
    # the discontinuities of the shift.
    retimed_at: tuple[float, ...] = (0.2, 0.3, 0.4)
    aligner: AlignerConfig = field(default_factory=AlignerConfig)

    def __post_init__(self):
        if not 1 <= self.num_steps <= MAX_STEPS:
            raise SettingsError(f"expected num_steps from 1 to {MAX_STEPS}, got {self.num_steps}")
        if not all(abs(scale) <= MAX_STRENGTH for scale in _values(self.guidance_scale)):
            raise SettingsError(
                f"expected a guidance scale of at most {MAX_STRENGTH:g}, got {self.guidance_scale}"
            )
        for stream, (first, last) in self.spans.items():
            if not 0 <= first < last <= 1:
                raise SettingsError(
                    "spans are fractions of the run: expected 0 <= start < end <= 1, "
                    f"got {first} to {last} for {stream}"
                )
        if not all(0 <= fraction < 1 for fraction in self.retimed_at):
            raise SettingsError(
                f"retimed_at holds fractions of the run in [0, 1), got {self.retimed_at}"
            )

    def shifts_at(self, i: int) -> bool:
        """Whether a sync loss shifts a stream in time at step i."""
        last = self.num_steps - 1
        return i in {min(round(f * self.num_steps), last) for f in self.retimed_at}

    def steps_of(self, stream: Stream) -> int:
        """Denoising steps of a stream: its own number, or one per loop step of its interval."""
        first, last = active_interval(self.num_steps, self.spans.get(stream))
        return self.own_steps.get(stream, last - first)

    @property
    def steps_each(self) -> int:
        """Denoising steps of a stream without its own number; `num_steps` without spans."""
        return round(self.num_steps * self._shortest_span)

    def with_steps(self, steps: int) -> "SamplingSettings":
        """A copy with enough loop steps to give every stream `steps` denoising steps."""
        return replace(self, num_steps=round(steps / self._shortest_span))

    @property
    def _shortest_span(self) -> float:
        return min((last - first for first, last in self.spans.values()), default=1.0)


def _check_count(per_step: int) -> None:
    if not 0 <= per_step <= MAX_VIEWS:
        raise SettingsError(f"expected per_step from 0 to {MAX_VIEWS} views, got {per_step}")


def _check_strengths(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value <= MAX_STRENGTH:
            raise SettingsError(f"expected {name} from 0 to {MAX_STRENGTH:g}, got {value}")
