"""Settings with a name: the paper's equations, the authors' code, and our own default."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seehear.errors import SettingsError
from seehear.guidance.settings import (
    AlignerConfig,
    FrameSampling,
    ImageAugmentation,
    MelAugmentation,
    Rate,
    SamplingSettings,
    rate_of,
)
from seehear.guidance.streams import JOINT, JOINT_OWN, V2A, Pair
from seehear.pipeline.task import TASKS, TaskName


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything that decides how a clip is made, but for models, prompt and seed."""

    name: str
    settings: SamplingSettings
    pairs: tuple[Pair, ...] = V2A  # Eq. 15
    weights: tuple[float, ...] = (1.0, 1.0)  # Eqs. 14-16 are plain sums; so is the authors' code
    # cosine: Eqs. 14-16. names: ours, see `seehear.guidance.losses.NamesDistance`.
    # A name of `seehear.pipeline.losses`, or a function of two embeddings.
    distance: str | Callable[..., Any] = "cosine"
    # Of the names of what is given, or of the other stream; the lower, the sharper.
    target_temperature: float = 0.05
    # Long clips are ours: neither the paper nor its code has windows.
    local_weight: float = (
        0.5  # of a window's own part of the condition; the whole clip has the rest
    )
    # Of the sync term: sound shall begin when the picture begins to move. Ours; 0 turns it off.
    sync_weight: float = 0.0
    terms: Mapping[str, float] = field(default_factory=dict)  # weights of further loss terms
    # Compare mels with the condition, where model and binder can, rather than waveforms: a third
    # of the cost, and no vocoder for the gradient to get lost in.
    mel_bridge: bool = False
    # The same for pictures: compare what the binder's eye sees, which knows unfinished pictures.
    by_eye: bool = False
    # Which frames of a made video the binder looks at.
    frames: FrameSampling = field(default_factory=FrameSampling)
    # Ours: augmented views are compared, see `seehear.guidance.augmentation`.
    looks: ImageAugmentation = field(default_factory=ImageAugmentation)
    hearings: MelAugmentation = field(default_factory=MelAugmentation)  # the same for mels
    overlap: float = 0.25  # least share of a window that its neighbour covers too

    def __post_init__(self):
        if len(self.weights) != len(self.pairs):
            raise SettingsError(
                f"expected one weight per pair, got {len(self.weights)} for {len(self.pairs)}"
            )
        if not 0 <= self.sync_weight < math.inf:
            raise SettingsError(f"sync_weight is not negative, got {self.sync_weight}")
        if not 0 <= self.local_weight <= 1 or not 0 < self.overlap < 1:
            raise SettingsError(
                "local_weight lies in [0, 1] and overlap in (0, 1), got "
                f"{self.local_weight} and {self.overlap}"
            )


# Algorithm 1 and Eqs. 11-17 as written (arXiv:2402.17723).
EQUATIONS = Preset(
    name="equations",
    settings=SamplingSettings(
        num_steps=30,  # not in the paper; the authors' code for AudioLDM
        guidance_scale=2.5,  # not in the paper; the authors' code for AudioLDM
        aligner=AlignerConfig(
            rule="descent",  # Eq. 13
            lr_latents=0.1,  # lambda_1 for AudioLDM, section 4.1
            lr_prompt=0.1,  # lambda_2, Eq. 17: never given; lambda_1's value
            num_updates=1,  # N of Algorithm 1: never given; the authors' code
            start=0.2,  # K of Algorithm 1: never given; the authors' code
            end=1.0,  # Algorithm 1 guides until the last step
            through_denoiser=True,  # Eqs. 13 and 17: eps in Eq. 11 is a function of z_t and y
            level="matching",  # Eq. 11: z_t, alpha-bar_t and eps at the same t
            keep_prompt_norm=False,  # Eq. 17 is a plain step
            tuned_half="cond",  # y is the prompt's embedding; Eq. 17 knows no unconditional one
        ),
    ),
)

# The released video-to-audio script, to 1e-9 in float64.
AUTHORS = Preset(
    name="authors",
    settings=SamplingSettings(
        num_steps=30,  # the script's
        guidance_scale=2.5,  # the pipeline's default, never changed by the script
        aligner=AlignerConfig(
            rule="fresh_adam",  # Eq. 13 is a plain step; the code makes a new Adam every timestep
            lr_latents=0.1,  # the script's
            lr_prompt=0.0,  # the released script tunes latents only
            num_updates=1,  # the script's
            start=0.2,  # guided when i > int(0.2 S)
            end=1.0,  # the very last step is guided too
            through_denoiser=False,  # the noise is predicted without gradient
            level="stale",  # latents from after the step with alpha-bar and eps from before it
        ),
    ),
)

# Ours, chosen on the pocket family by an independent judge: docs/tried.md tells what was tried.
WORDLESS = Preset(
    name="wordless",
    settings=SamplingSettings(
        num_steps=30,  # as the authors' code
        guidance_scale=2.5,  # as the authors' code; 4 did no better
        aligner=AlignerConfig(
            rule="relative",  # free of the scale of latents and loss, so the same for every model
            lr_latents=0.05,  # of 0.03, 0.05, 0.1 and 0.2 the one whose sounds are named best
            lr_prompt=0.3,  # Eq. 17: the prompt moves as well; 0.2 and 0.6 did no better
            tuned_half="cond",  # the unconditional half stays what it was trained as
            start=0.0,  # the kind of sound is decided in the first steps
            end=0.9,  # the last steps remove what guidance leaves behind
            through_denoiser=True,  # its Jacobian keeps the step near what the model can make
            level="matching",  # the stale level doubled the Frechet distance
        ),
    ),
    weights=(1.0, 0.3),  # what is seen outweighs what was said: a wrong word is overruled
    distance="names",  # cosine distance reached half as many; see docs/tried.md
    mel_bridge=True,  # no vocoder in the loop
    hearings=MelAugmentation(per_step=6),  # 2 did no better than none
)


def _tuned(preset: Preset, **aligner: Any) -> SamplingSettings:
    """A preset's settings with other values of `AlignerConfig`."""
    settings = preset.settings
    return replace(settings, aligner=replace(settings.aligner, **aligner))


# As wordless, but gentle: where words say what is heard, a strong pull only costs fidelity.
DEFAULT = replace(
    WORDLESS,
    name="default",
    distance="cosine",  # names were not measured where words say what is heard
    hearings=MelAugmentation(),  # copies were not measured where words say what is heard
    settings=_tuned(
        WORDLESS,
        lr_latents=0.02,  # the words say most already
        lr_prompt=0.05,  # so that the words stay what they are
        start=0.2,  # as the authors' code
    ),
)

# Eq. 13's latents alone: what prompt tuning adds to wordless is the difference.
LATENTS = replace(WORDLESS, name="latents", settings=_tuned(WORDLESS, lr_prompt=0.0))

PRESETS: dict[str, Preset] = {p.name: p for p in (DEFAULT, WORDLESS, LATENTS, AUTHORS, EQUATIONS)}

# For pictures and clips. As for sounds, but for the values here.
_PICTURES = FrameSampling(per_step=4)
_LOOKS = ImageAugmentation(
    per_step=8
)  # altered as the pocket eye has learnt to see through, or a little less
_PICTURE_DEFAULT = replace(
    DEFAULT,
    settings=replace(
        DEFAULT.settings,
        num_steps=20,  # 30 did no better; without words they do: docs/tried.md
        guidance_scale=4.0,  # 3 and 6 did no better: docs/tried.md
    ),
    distance="names",  # as for wordless
    frames=_PICTURES,  # few at a step, for time; over a run every frame has its turn
    by_eye=True,  # the eye knows unfinished pictures, the pretrained tower finished ones
    looks=_LOOKS,  # without copies, half as many pictures showed what is heard
)
_PICTURE_WORDLESS = replace(
    WORDLESS,
    settings=replace(
        WORDLESS.settings,
        guidance_scale=4.0,  # as default
    ),
    frames=_PICTURES,  # as default
    by_eye=True,  # as default
    looks=_LOOKS,  # as default
)
# Eq. 17's prompt tuning alone, the paper's choice for videos, and Eq. 13's latents alone.
_PROMPT = replace(
    _PICTURE_WORDLESS,
    name="prompt",
    settings=_tuned(
        _PICTURE_WORDLESS,
        lr_latents=0.0,  # Eq. 17 alone
    ),
)
_PICTURE_LATENTS = replace(
    _PICTURE_WORDLESS,
    name="latents",
    settings=replace(
        _tuned(
            _PICTURE_WORDLESS,
            lr_prompt=0.0,  # Eq. 13 alone
        ),
        guidance_scale=1.5,  # a wrong word is overruled in 0.41 of 112 pictures, at 4 in 0.22
    ),
)
# The paper's rates for AnimateDiff, section 4.1: 0.01 for latents as for prompts.
_PICTURE_EQUATIONS = replace(
    EQUATIONS,
    settings=_tuned(
        EQUATIONS,
        lr_latents=0.01,  # lambda_1 for AnimateDiff, section 4.1
        lr_prompt=0.01,  # lambda_2, never given; lambda_1's value
    ),
    frames=FrameSampling(),
)
PICTURE_PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (_PICTURE_DEFAULT, _PICTURE_WORDLESS, _PROMPT, _PICTURE_LATENTS, _PICTURE_EQUATIONS)
}

# Two streams that pull each other while both are noise agree on nothing. So the picture, which
# words alone make well, leads by a quarter of the run; then each pulls the other to one name.
_JOINT_DEFAULT = replace(
    _PICTURE_WORDLESS,
    name="default",
    settings=replace(
        _tuned(
            _PICTURE_WORDLESS,
            lr_latents={"audio": 0.05, "video": 0.05},  # as wordless for either alone
            lr_prompt={"audio": 0.3, "video": 0.3},  # as wordless for either alone
            start={"audio": 0.3, "video": 0.4},  # the sound first, which comes later
        ),
        num_steps=40,  # 30 for either
        spans={"video": (0.0, 0.75), "audio": (0.25, 1.0)},  # two thirds of the steps side by side
        guidance_scale={"audio": 2.5, "video": 4.0},  # as for either alone
        retimed_at=(0.4, 0.475, 0.55),  # at the same shares of the sound's own steps as alone
    ),
    target_temperature=0.03,  # sharper than what is given: they shall choose
)


def _both(picture: Preset, sound: Preset) -> Preset:
    """A preset for pictures whose sound has the rates and the guidance scale of one for sounds."""

    def each(rate: Callable[[Preset], Rate]) -> Rate:
        return {"audio": rate_of(rate(sound), "audio"), "video": rate_of(rate(picture), "video")}

    settings = _tuned(
        picture,
        lr_latents=each(lambda preset: preset.settings.aligner.lr_latents),
        lr_prompt=each(lambda preset: preset.settings.aligner.lr_prompt),
    )
    scales = each(lambda preset: preset.settings.guidance_scale)
    return replace(picture, settings=replace(settings, guidance_scale=scales))


JOINT_PRESETS: dict[str, Preset] = {
    "default": _JOINT_DEFAULT,
    "wordless": _both(_PICTURE_WORDLESS, WORDLESS),
    "prompt": _both(_PROMPT, replace(WORDLESS, settings=_tuned(WORDLESS, lr_latents=0.0))),
    "latents": _both(_PICTURE_LATENTS, LATENTS),
    "equations": _both(_PICTURE_EQUATIONS, EQUATIONS),
}

# The paper's own runs, with the models of `paper_runs`. For sounds the released script.
PAPER_V2A = replace(AUTHORS, name="paper-v2a")
PAPER_I2A = replace(AUTHORS, name="paper-i2a")
PAPER_A2V = Preset(
    name="paper-a2v",
    settings=SamplingSettings(
        num_steps=25,  # section 4.1: 25 for AnimateDiff
        guidance_scale=7.5,  # not in the paper; AnimateDiff's own
        aligner=AlignerConfig(
            rule="fresh_adam",  # as in the released script; no script for videos was released
            lr_latents=0.01,  # lambda_1 for AnimateDiff, section 4.1
            lr_prompt=0.01,  # lambda_2, Eq. 17: never given; lambda_1's value
            num_updates=1,  # N of Algorithm 1: never given; the released script's
            start=0.0,  # K of Algorithm 1: never given; the prompt is best tuned from the start
            end=1.0,  # Algorithm 1 guides until the last step
            through_denoiser=True,  # Eq. 17
            keep_prompt_norm=True,  # not in the paper; keeps an embedding where the model knows it
            tuned_half="both",  # not in the paper; both halves of the stack
        ),
    ),
    frames=FrameSampling(per_step=2),  # ImageBind takes pairs of frames
)
PAPER_JOINT = replace(
    PAPER_A2V,
    name="paper-joint",
    settings=SamplingSettings(
        num_steps=25,  # section 4.1: 25 for AnimateDiff; one count for both streams
        guidance_scale={"audio": 2.5, "video": 7.5},  # as for either alone
        aligner=AlignerConfig(
            rule="fresh_adam",  # as for either alone
            lr_latents={"audio": 0.1, "video": 0.01},  # lambda_1, section 4.1
            lr_prompt={"audio": 0.0, "video": 0.01},  # as for either alone
            start={"audio": 0.2, "video": 0.0},  # as for either alone
            through_denoiser=True,  # the video's prompt needs it
        ),
    ),
)
PAPER_PRESETS: dict[str, Preset] = {
    "v2a": PAPER_V2A, "i2a": PAPER_I2A, "a2v": PAPER_A2V, "joint": PAPER_JOINT
}  # fmt: skip


def presets_of(task: str) -> Mapping[str, Preset]:
    """The presets of a task by name."""
    row = TASKS[task]
    if row.makes_audio and row.makes_video:
        known = dict(JOINT_PRESETS)
    else:
        known = dict(PRESETS if row.makes_audio else PICTURE_PRESETS)
    if task in PAPER_PRESETS:
        known[f"paper-{task}"] = PAPER_PRESETS[task]
    return known


def preset_for(task: str, preset: str | Preset) -> Preset:
    """A preset by name, or the given one, with the pairs of a task (Eqs. 14 to 16).

    Raises:
        SettingsError: The task has no preset of that name.
    """
    if isinstance(preset, str):
        known = presets_of(task)
        if preset not in known:
            raise SettingsError(
                f"{task} has no preset {preset!r}; choose one of {', '.join(known)}"
            )
        preset = known[preset]
    pairs = TASKS[task].pairs
    if preset.pairs == pairs or (pairs == JOINT and preset.pairs == JOINT_OWN):
        return preset
    # The first pair is that of sound and picture; those with words all weigh the same.
    agreement, words = preset.weights[0], preset.weights[-1]
    return replace(preset, pairs=pairs, weights=(agreement, *[words] * (len(pairs) - 1)))


def with_overrides(
    preset: str | Preset, num_steps: int | None = None, *, task: TaskName = "v2a", **aligner: Any
) -> Preset:
    """A preset of a task with another number of steps or other fields of `AlignerConfig`."""
    chosen = preset_for(task, preset) if isinstance(preset, str) else preset
    settings = replace(chosen.settings, aligner=replace(chosen.settings.aligner, **aligner))
    if num_steps is not None:
        settings = settings.with_steps(num_steps)
    return replace(chosen, settings=settings)


def preset_from_json(record: Mapping[str, Any]) -> Preset:
    """The preset that a manifest tells of; the inverse of `manifest.to_json`."""
    settings = dict(record["settings"])
    settings["aligner"] = AlignerConfig(**settings["aligner"])
    settings["spans"] = {s: tuple(span) for s, span in settings.get("spans", {}).items()}
    # Manifests that do not tell of it are from when nothing was moved in time.
    settings["retimed_at"] = tuple(settings.get("retimed_at", ()))
    fields = dict(record) | {
        "settings": SamplingSettings(**settings),
        "pairs": tuple(tuple(pair) for pair in record["pairs"]),
        "weights": tuple(record["weights"]),
        "frames": FrameSampling(**record.get("frames", {})),
        "looks": ImageAugmentation(**record.get("looks", {})),
        "hearings": MelAugmentation(**record.get("hearings", {})),
    }
    return Preset(**fields)
