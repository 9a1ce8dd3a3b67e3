"""Settings of the method: sampling, guidance, frame sampling and augmentation.

They lie in one file without PyTorch, so that presets can be listed and requests checked before it
is imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from seehear.errors import SettingsError
from seehear.guidance.step_schedule import active_interval
from seehear.guidance.streams import Stream

StepRule = Literal["descent", "fresh_adam", "persistent_adam", "relative", "mpgd"]
Rate = float | Mapping[Stream, float]  # one number for all streams, or one for each


@dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """How many altered copies of a picture a guided step looks at, and how they are altered."""

    per_step: int = 0  # of every frame; 0: only the frame as it is
    nearest: float = 0.6  # smallest share of width and height that a copy shows
    farthest: float = 1.1  # largest; beyond 1 the picture is mirrored at its edges
    colour: float = 0.1  # spread of the factors of red, green and blue; of the brightness, half
    mixing: float = 0.35  # spread of what each colour takes of the others

    def __post_init__(self):
        _check_count(self.per_step)
        if not 0 < self.nearest <= self.farthest < 2:
            raise SettingsError(
                "copies show a share of the picture, 0 < nearest <= farthest < 2; got "
                f"{self.nearest} and {self.farthest}"
            )
        _check_spreads(colour=self.colour, mixing=self.mixing)


@dataclass(frozen=True, kw_only=True)
class MelAugmentation:
    """How many altered copies of a mel a guided step listens to, and how they are altered."""

    per_step: int = 0  # 0: only the mel as it is
    pitch: float = 2.0  # spread of the shift in mel bands
    tempo: float = 0.15  # largest share by which a copy is faster or slower
    shift: float = 0.15  # largest share of its length by which it is earlier or later
    tone: float = 0.5  # spread in nepers of a smooth curve over the bands

    def __post_init__(self):
        _check_count(self.per_step)
        if not 0 <= self.tempo < 1:
            raise SettingsError(f"tempo lies in [0, 1), got {self.tempo}")
        _check_spreads(pitch=self.pitch, shift=self.shift, tone=self.tone)


@dataclass(frozen=True, kw_only=True)
class FrameSampling:
    """How many frames a guided step decodes, and from which seed they are drawn.

    Decoding dominates the price of guiding a video, so a step looks at few frames. They are spread
    over the whole clip, and none is left out: the authors' code only ever saw the first ten.
    """

    per_step: int = 2  # 2 in the authors' code; a step's decoding costs in proportion
    seed: int = 0

    def __post_init__(self):
        if self.per_step < 1:
            raise SettingsError(f"per_step counts frames from 1, got {self.per_step}")


@dataclass(frozen=True, kw_only=True)
class AlignerConfig:
    """How, when and how strongly to pull the latents towards the condition.

    Of S steps, step i (from 0) is guided when int(start * S) < i < int(end * S). So step 0 never
    is, and the authors' 30 steps with start 0.2 and end 1 are guided from i = 7 to i = 29.
    Samples of a batch never influence each other.
    """

    # descent: z - lr g, Eq. 13. fresh_adam: a new Adam at every timestep, the authors' code.
    # persistent_adam: one Adam for the whole run. relative: z - lr rms(z) g / rms(g).
    # mpgd: the relative step on the clean estimate, then back to the noisy latents (He et al.
    # 2024, arXiv:2311.16424, with a relative rate).
    rule: StepRule = "relative"
    lr_latents: Rate = 0.1  # lambda_1; 0.1 audio, 0.01 video in the paper
    lr_prompt: Rate = 0.0  # lambda_2; 0 turns prompt tuning off
    num_updates: int = 1  # N in Algorithm 1; 1 in the authors' code
    start: Rate = 0.2  # fraction of the steps before guidance; 0.2 in the authors' code
    end: Rate = 1.0  # fraction of the steps after which it stops; 1 in the authors' code
    every: int = 1  # guide every k-th step of that interval
    through_denoiser: bool = False  # differentiate the predicted noise too, as Eq. 17 needs
    # matching: x0 from the noise level that the latents are at. stale: from the level before the
    # denoising step, as in the authors' code, which over-scales x0 by up to a quarter.
    level: Literal["matching", "stale"] = "matching"
    momentum: float = 0.0  # heavy ball over updates and steps; Adam has its own
    clip_norm: float | None = None  # largest gradient norm of a sample and stream
    keep_prompt_norm: bool = True  # rescale what is tuned of the prompt stack to its norm before
    tuned_half: Literal["both", "cond", "uncond"] = "both"  # which rows of the prompt stack

    def __post_init__(self):
        if min(_values(self.lr_latents, self.lr_prompt), default=0) < 0:
            raise SettingsError(
                "rates are not negative, got "
                f"lr_latents={self.lr_latents}, lr_prompt={self.lr_prompt}"
            )
        if not all(
            0 <= rate_of(self.start, s) <= rate_of(self.end, s) <= 1 and rate_of(self.start, s) < 1
            for s in _streams(self.start, self.end)
        ):
            raise SettingsError(
                "start and end are fractions of the steps, 0 <= start <= end <= 1 and start < 1; "
                f"got start={self.start}, end={self.end}"
            )
        if self.num_updates < 1 or self.every < 1:
            raise SettingsError(
                "num_updates and every count from 1; "
                f"got num_updates={self.num_updates}, every={self.every}"
            )
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"momentum lies in [0, 1), got {self.momentum}")
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise SettingsError(f"clip_norm must be positive or None, got {self.clip_norm}")
        if any(_values(self.lr_prompt)) and not self.through_denoiser:
            raise SettingsError(
                "the prompt acts only through the denoiser: lr_prompt > 0 needs "
                "through_denoiser=True"
            )
        if self.through_denoiser and self.rule == "mpgd":
            raise SettingsError("mpgd edits the clean estimate: it needs through_denoiser=False")
        if self.level == "stale" and (self.through_denoiser or self.rule == "mpgd"):
            raise SettingsError(
                'level="stale" is about a frozen noise prediction: use "matching" with mpgd or '
                "through_denoiser=True"
            )

    def is_guided(self, i: int, num_steps: int) -> bool:
        """Whether step i of `num_steps` is guided for any stream."""
        streams = _streams(self.start, self.end, self.lr_latents, self.lr_prompt)
        return bool(self.guided(i, num_steps, streams))

    def guided(self, i: int, num_steps: int, streams: Sequence[Stream]) -> tuple[Stream, ...]:
        """Which of the streams are guided at step i of `num_steps`. Rates of zero guide nothing."""

        def is_guided(stream: Stream) -> bool:
            if not (rate_of(self.lr_latents, stream) or rate_of(self.lr_prompt, stream)):
                return False
            first = int(rate_of(self.start, stream) * num_steps) + 1
            last = int(rate_of(self.end, stream) * num_steps)
            return first <= i < last and (i - first) % self.every == 0

        return tuple(s for s in streams if is_guided(s))


def rate_of(rate: Rate, stream: Stream) -> float:
    """The rate of one stream; 0 for a stream that a mapping leaves out."""
    return rate.get(stream, 0.0) if isinstance(rate, Mapping) else rate


def _streams(*rates: Rate) -> Sequence[Stream]:
    """The streams that mappings among the rates name; numbers mean all of them, so any one does."""
    named = dict.fromkeys(s for r in rates if isinstance(r, Mapping) for s in r)
    return tuple(named) or ("audio",)


def _values(*rates: Rate) -> list[float]:
    return [v for r in rates for v in (r.values() if isinstance(r, Mapping) else (r,))]


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How to denoise: number of steps, classifier-free guidance, alignment."""

    num_steps: int = 30  # S, turns of the loop; 30 for AudioLDM in the authors' code
    own_steps: Mapping[Stream, int] = field(default_factory=dict)  # of streams that make fewer
    # Shares of the run in which a stream steps, where that is not all of it; see
    # `step_schedule.step_schedule`.
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

    def shifts_at(self, i: int) -> bool:
        """Whether step i is one of those at which a sync term moves a stream in time."""
        last = self.num_steps - 1
        return i in {min(round(share * self.num_steps), last) for share in self.retimed_at}

    def steps_of(self, stream: Stream) -> int:
        """How many steps a stream makes: its own number, or one in every turn of its part."""
        first, last = active_interval(self.num_steps, self.spans.get(stream))
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


def _check_count(per_step: int) -> None:
    if per_step < 0:
        raise SettingsError(f"per_step counts altered copies from 0, got {per_step}")


def _check_spreads(**spreads: float) -> None:
    if min(spreads.values()) < 0:
        raise SettingsError(f"spreads are not negative, got {spreads}")
