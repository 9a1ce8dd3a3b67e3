"""Named settings: the paper's equations, the authors' code, and our defaults."""

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

MIN_LUFS, MAX_LUFS = -60.0, -5.0
# Manifests of version 0.1.0 use the old names.
_NEW_NAMES = {
    "by_eye": "noisy_image_encoder",
    "looks": "image_augmentation",
    "hearings": "mel_augmentation",
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """All settings of a generation except models, prompt and seed."""

    name: str
    settings: SamplingSettings
    # Pairs of embeddings to compare, Eqs. 14-16; `preset_for` sets those of the task.
    pairs: tuple[Pair, ...] = V2A
    # Weights of the pairs; Eqs. 14-16 and the authors' code are plain sums.
    weights: tuple[float, ...] = (1.0, 1.0)
    # Distance between two embeddings. cosine: Eqs. 14-16. names:
    # `seehear.guidance.losses.NamesDistance`, not in the paper. Also the name of any distance
    # registered in `seehear.pipeline.losses`, or a function of two embeddings.
    distance: str | Callable[..., Any] = "cosine"
    # Softmax temperature of the target in the names distance; lower is sharper.
    target_temperature: float = 0.05
    # Weight of the distance to the window's own part of the condition. The distance to the
    # condition of the whole clip has the weight 1 - `local_weight`. Not in the paper, which has no
    # windows.
    local_weight: float = 0.5
    # Weight of the sync loss, which aligns audio onsets with motion onsets; 0 turns it off. Not in
    # the paper.
    sync_weight: float = 0.0
    terms: Mapping[str, float] = field(default_factory=dict)  # weights of further loss terms
    # Weight of the cosine distance to a reference (`like`). Not in the paper.
    like_weight: float = 1.0
    # Weight of the cosine similarity to a vetoed text or reference. Not in the paper.
    veto_weight: float = 1.0
    # Cosine similarity below which a veto has no effect.
    veto_margin: float = 0.05
    # Compare log mels instead of waveforms with the condition, if model and binder support it. This
    # is faster and avoids a gradient through the vocoder.
    mel_bridge: bool = False
    # Embed generated frames with the binder's noise-robust image encoder, if it has one.
    noisy_image_encoder: bool = False
    # Embed noisy latents with the family's latent encoder instead of decoded estimates. A guided
    # step then runs neither decoder nor binder, and does not differentiate the denoiser.
    latent_encoder: bool = False
    # Number of frames to embed per step in each window of a generated video.
    frames: FrameSampling = field(default_factory=FrameSampling)
    # Augmented views of frames, see `seehear.guidance.augmentation`. nearest, farthest: smallest
    # and largest crop, as a fraction of width and height; above 1, the image is extended by
    # reflection at its edges. colour, mixing: strength of the colour changes. Not in the paper.
    image_augmentation: ImageAugmentation = field(default_factory=ImageAugmentation)
    # Augmented views of log mels. pitch: standard deviation in mel bands. tempo, shift: largest
    # change of tempo and largest time shift, as fractions. tone: standard deviation of a smooth
    # equaliser curve, in nepers. Not in the paper.
    mel_augmentation: MelAugmentation = field(default_factory=MelAugmentation)
    # Integrated loudness of generated audio in LUFS (EBU R128); None: only limit the peak. Not in
    # the paper.
    lufs: float | None = -23.0
    overlap: float = 0.25  # smallest overlap of neighbouring windows, as a fraction of a window

    def __post_init__(self):
        if len(self.weights) != len(self.pairs):
            raise SettingsError(
                f"expected one weight per pair, got {len(self.weights)} for {len(self.pairs)}"
            )
        if not 0 <= self.sync_weight < math.inf:
            raise SettingsError(
                f"expected a finite sync_weight of at least 0, got {self.sync_weight}"
            )
        if not all(0 <= weight < math.inf for weight in (self.like_weight, self.veto_weight)):
            raise SettingsError(
                "expected finite like_weight and veto_weight of at least 0, got "
                f"{self.like_weight} and {self.veto_weight}"
            )
        if not -1 <= self.veto_margin <= 1:
            raise SettingsError(f"expected veto_margin in [-1, 1], got {self.veto_margin}")
        if self.lufs is not None and not MIN_LUFS <= self.lufs <= MAX_LUFS:
            raise SettingsError(
                f"expected a loudness of {MIN_LUFS:g} to {MAX_LUFS:g} LUFS, got {self.lufs:g}"
            )
        aligner = self.settings.aligner
        # Without `through_denoiser` no prompt is tuned: see `AlignerConfig`.
        if self.latent_encoder and (aligner.through_denoiser or aligner.rule == "mpgd"):
            raise SettingsError(
                "expected through_denoiser=False, lr_prompt=0 and a rule other than mpgd with "
                "latent_encoder, whose gradient does not pass the denoiser"
            )
        if not 0 <= self.local_weight <= 1 or not 0 < self.overlap < 1:
            raise SettingsError(
                "expected local_weight in [0, 1] and overlap in (0, 1), got "
                f"{self.local_weight} and {self.overlap}"
            )


# Algorithm 1 and Eqs. 11-17 as written (arXiv:2402.17723).
EQUATIONS = Preset(
    name="equations",
    settings=SamplingSettings(
        num_steps=30,  # not in the paper; as in the authors' code for AudioLDM
        guidance_scale=2.5,  # not in the paper; as in the authors' code for AudioLDM
        aligner=AlignerConfig(
            rule="descent",  # Eq. 13
            lr_latents=0.1,  # lambda_1 for AudioLDM, section 4.1
            lr_prompt=0.1,  # lambda_2, Eq. 17: no value in the paper; as lambda_1
            num_updates=1,  # N of Algorithm 1: no value in the paper; as in the authors' code
            start=0.2,  # K of Algorithm 1: no value in the paper; as in the authors' code
            end=1.0,  # Algorithm 1 guides until the last step
            through_denoiser=True,  # Eqs. 13 and 17: eps in Eq. 11 is a function of z_t and y
            level="matching",  # Eq. 11: z_t, alpha-bar_t and eps at the same t
            keep_prompt_norm=False,  # Eq. 17 is a plain step
            tuned_half="cond",  # y is the prompt's embedding; Eq. 17 has no unconditional one
        ),
    ),
)

# The authors' code for v2a, to 1e-9 in float64.
AUTHORS = Preset(
    name="authors",
    settings=SamplingSettings(
        num_steps=30,  # as in the authors' code
        guidance_scale=2.5,  # default of AudioLDM's pipeline; the authors' code does not change it
        aligner=AlignerConfig(
            rule="fresh_adam",  # a new Adam at every timestep; Eq. 13 is a plain step
            lr_latents=0.1,  # as in the authors' code
            lr_prompt=0.0,  # the authors' code updates only the latents
            num_updates=1,  # as in the authors' code
            start=0.2,  # the authors' code guides step i if i > int(0.2 S)
            end=1.0,  # the last step is guided too
            through_denoiser=False,  # no gradient of the noise prediction in the authors' code
            level="stale",  # latents from after the step, alpha-bar and eps from before it
        ),
    ),
)

# Not in the paper: tuned on the pocket family with an independent judge; experiments in
# docs/tried.md.
WORDLESS = Preset(
    name="wordless",
    settings=SamplingSettings(
        num_steps=30,  # as in the authors' code
        guidance_scale=2.5,  # as in the authors' code; 4 was not better
        aligner=AlignerConfig(
            rule="relative",  # independent of the scale of latents and loss, so it fits every model
            lr_latents=0.05,  # 0.03, 0.1 and 0.2 were not better, see docs/tried.md
            lr_prompt=0.3,  # Eq. 17; 0.2 and 0.6 were not better
            tuned_half="cond",  # the unconditional embedding keeps its trained meaning
            start=0.0,  # the first steps determine the class of the audio
            end=0.9,  # the last steps remove artefacts of guidance
            through_denoiser=True,  # its Jacobian keeps the step near the model's data manifold
            level="matching",  # "stale" doubled the Fréchet distance (results not saved)
        ),
    ),
    weights=(1.0, 0.3),  # audio-video has the larger weight, so that it overrides a wrong prompt
    # on 28 scenes without a prompt, judge accuracy 0.82 with names and 0.50 with cosine; see
    # docs/tried.md
    distance="names",
    mel_bridge=True,  # guided steps do not run the vocoder
    mel_augmentation=MelAugmentation(per_step=6),  # 2 views were not better than none
)


def _tuned(preset: Preset, **aligner: Any) -> SamplingSettings:
    """A preset's settings with other values of `AlignerConfig`."""
    settings = preset.settings
    return replace(settings, aligner=replace(settings.aligner, **aligner))


# As wordless with smaller steps: with a prompt, strong guidance only lowers fidelity.
DEFAULT = replace(
    WORDLESS,
    name="default",
    # For audio, the names distance was not measured with a caption or the right prompt.
    distance="cosine",
    mel_augmentation=MelAugmentation(),  # augmented views were not measured with prompts
    settings=_tuned(
        WORDLESS,
        lr_latents=0.02,  # the prompt carries most of the information
        lr_prompt=0.05,  # keeps the meaning of the prompt
        start=0.2,  # as in the authors' code
    ),
)

# only Eq. 13, to measure the effect of prompt tuning in wordless
LATENTS = replace(WORDLESS, name="latents", settings=_tuned(WORDLESS, lr_prompt=0.0))

# As default with an encoder of noisy latents: a guided step costs hardly more than an unguided one.
FAST = replace(
    DEFAULT,
    name="fast",
    latent_encoder=True,
    settings=_tuned(
        DEFAULT,
        lr_latents=0.01,  # 0.02 and 0.04 were not better with a caption
        lr_prompt=0.0,  # the gradient does not pass the denoiser
        through_denoiser=False,  # so that a step costs one pass through the encoder
    ),
)

PRESETS: dict[str, Preset] = {
    p.name: p for p in (DEFAULT, FAST, WORDLESS, LATENTS, AUTHORS, EQUATIONS)
}

# For images and videos: the audio presets with the changes below.
_FOUR_FRAMES = FrameSampling(per_step=4)
# The pocket image encoder was trained with augmentations at least as strong.
_EIGHT_VIEWS = ImageAugmentation(per_step=8)
_IMAGE_VIDEO_DEFAULT = replace(
    DEFAULT,
    settings=replace(
        DEFAULT.settings,
        num_steps=20,  # 30 steps were better only without a prompt, see docs/tried.md
        guidance_scale=4.0,  # 3 and 6 were not better, see docs/tried.md
    ),
    distance="names",  # as in wordless
    frames=_FOUR_FRAMES,  # few frames per step, for speed; a run covers all frames
    noisy_image_encoder=True,  # the pretrained image encoder was trained on clean images only
    image_augmentation=_EIGHT_VIEWS,  # without augmented views, judge accuracy was half as high
)
_IMAGE_VIDEO_WORDLESS = replace(
    WORDLESS,
    settings=replace(
        WORDLESS.settings,
        guidance_scale=4.0,  # as in default
    ),
    frames=_FOUR_FRAMES,  # as in default
    noisy_image_encoder=True,  # as in default
    image_augmentation=_EIGHT_VIEWS,  # as in default
)
# Only Eq. 17 (prompt tuning), the paper's choice for videos, and only Eq. 13 (latents).
_PROMPT = replace(
    _IMAGE_VIDEO_WORDLESS,
    name="prompt",
    settings=_tuned(
        _IMAGE_VIDEO_WORDLESS,
        lr_latents=0.0,  # only Eq. 17
    ),
)
_IMAGE_VIDEO_LATENTS = replace(
    _IMAGE_VIDEO_WORDLESS,
    name="latents",
    settings=replace(
        _tuned(
            _IMAGE_VIDEO_WORDLESS,
            lr_prompt=0.0,  # only Eq. 13
        ),
        # with a wrong prompt and 112 sounds, judge accuracy 0.41; 0.22 with a scale of 4
        guidance_scale=1.5,
    ),
)
# The paper's rates for AnimateDiff, section 4.1: 0.01 for latents and prompts.
_IMAGE_VIDEO_EQUATIONS = replace(
    EQUATIONS,
    settings=_tuned(
        EQUATIONS,
        lr_latents=0.01,  # lambda_1 for AnimateDiff, section 4.1
        lr_prompt=0.01,  # lambda_2: no value in the paper; as lambda_1
    ),
    frames=FrameSampling(),
)
IMAGE_VIDEO_PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        _IMAGE_VIDEO_DEFAULT,
        _IMAGE_VIDEO_WORDLESS,
        _PROMPT,
        _IMAGE_VIDEO_LATENTS,
        _IMAGE_VIDEO_EQUATIONS,
    )
}

# Mutual guidance does not work while both streams are noise. The video, which the prompt alone
# determines well, starts a quarter of the run earlier; then both streams guide each other.
_JOINT_DEFAULT = replace(
    _IMAGE_VIDEO_WORDLESS,
    name="default",
    settings=replace(
        _tuned(
            _IMAGE_VIDEO_WORDLESS,
            lr_latents={"audio": 0.05, "video": 0.05},  # as in wordless for a single stream
            lr_prompt={"audio": 0.3, "video": 0.3},  # as in wordless for a single stream
            # audio: soon after its first step, which is at 0.25; video: later, when the audio is
            # less noisy
            start={"audio": 0.3, "video": 0.4},
        ),
        num_steps=40,  # each stream is denoised in 30 of the 40 steps
        # in two thirds of its steps, each stream is denoised together with the other
        spans={"video": (0.0, 0.75), "audio": (0.25, 1.0)},
        guidance_scale={"audio": 2.5, "video": 4.0},  # as for a single stream
        retimed_at=(0.4, 0.475, 0.55),  # 0.2, 0.3 and 0.4 of the audio's own steps
    ),
    # lower than for a fixed input, so that the two streams agree on one class
    target_temperature=0.03,
)


def _both(video: Preset, audio: Preset) -> Preset:
    """A joint preset: a video preset with the rates and the guidance scale of an audio preset."""

    def each(rate: Callable[[Preset], Rate]) -> Rate:
        return {"audio": rate_of(rate(audio), "audio"), "video": rate_of(rate(video), "video")}

    settings = _tuned(
        video,
        lr_latents=each(lambda preset: preset.settings.aligner.lr_latents),
        lr_prompt=each(lambda preset: preset.settings.aligner.lr_prompt),
    )
    scales = each(lambda preset: preset.settings.guidance_scale)
    return replace(video, settings=replace(settings, guidance_scale=scales))


JOINT_PRESETS: dict[str, Preset] = {
    "default": _JOINT_DEFAULT,
    "wordless": _both(_IMAGE_VIDEO_WORDLESS, WORDLESS),
    "prompt": _both(_PROMPT, replace(WORDLESS, settings=_tuned(WORDLESS, lr_latents=0.0))),
    "latents": _both(_IMAGE_VIDEO_LATENTS, LATENTS),
    "equations": _both(_IMAGE_VIDEO_EQUATIONS, EQUATIONS),
}

# Joint models without a prompt: neither classifier-free guidance nor prompt tuning.
_JOINT_MODEL_WORDLESS = replace(
    _IMAGE_VIDEO_WORDLESS,
    settings=replace(
        _tuned(
            _IMAGE_VIDEO_WORDLESS,
            lr_latents={"audio": 0.05, "video": 0.05},  # as in wordless for a single stream
            lr_prompt=0.0,  # the model has no prompt embedding
        ),
        num_steps=25,  # a divisor of 1000, as DDIM of the released code needs
        guidance_scale=1.0,  # the model has no condition to scale
    ),
    weights=(1.0, 1.0),  # the prompt or the reference acts through guidance alone
)
_JOINT_MODEL_DEFAULT = replace(
    _JOINT_MODEL_WORDLESS,
    name="default",
    settings=_tuned(
        _JOINT_MODEL_WORDLESS,
        lr_latents={"audio": 0.02, "video": 0.02},  # as in default for a single stream
        start=0.2,  # as in the authors' code
    ),
)
JOINT_MODEL_PRESETS: dict[str, Preset] = {
    "default": _JOINT_MODEL_DEFAULT,
    "wordless": _JOINT_MODEL_WORDLESS,
    "latents": replace(
        _JOINT_MODEL_WORDLESS,
        name="latents",
        settings=_tuned(
            _JOINT_MODEL_WORDLESS,
            through_denoiser=False,  # a constant eps: no backward pass through the model
        ),
    ),
    "equations": replace(
        _IMAGE_VIDEO_EQUATIONS,
        settings=replace(
            _tuned(
                _IMAGE_VIDEO_EQUATIONS,
                lr_prompt=0.0,  # the model has no prompt embedding
            ),
            num_steps=25,  # as in wordless
            guidance_scale=1.0,  # as in wordless
        ),
    ),
}

# The paper's own runs, with the models of `paper_runs`; the audio runs are as in the authors' code.
PAPER_V2A = replace(AUTHORS, name="paper-v2a")
PAPER_I2A = replace(AUTHORS, name="paper-i2a")
PAPER_A2V = Preset(
    name="paper-a2v",
    settings=SamplingSettings(
        num_steps=25,  # section 4.1: 25 for AnimateDiff
        guidance_scale=7.5,  # not in the paper; AnimateDiff's default
        aligner=AlignerConfig(
            rule="fresh_adam",  # as in the authors' code for audio; none was released for video
            lr_latents=0.01,  # lambda_1 for AnimateDiff, section 4.1
            lr_prompt=0.01,  # lambda_2, Eq. 17: no value in the paper; as lambda_1
            num_updates=1,  # N of Algorithm 1: no value in the paper; as in the authors' code
            start=0.0,  # K of Algorithm 1: no value in the paper; guides from the first step
            end=1.0,  # Algorithm 1 guides until the last step
            through_denoiser=True,  # Eq. 17
            keep_prompt_norm=True,  # not in the paper; keeps embeddings in the model's range
            tuned_half="both",  # not in the paper
        ),
    ),
    frames=FrameSampling(per_step=2),  # ImageBind embeds pairs of frames
)
PAPER_JOINT = replace(
    PAPER_A2V,
    name="paper-joint",
    settings=SamplingSettings(
        num_steps=25,  # section 4.1: 25 for AnimateDiff; both streams have the same number
        guidance_scale={"audio": 2.5, "video": 7.5},  # as for a single stream
        aligner=AlignerConfig(
            rule="fresh_adam",  # as for a single stream
            lr_latents={"audio": 0.1, "video": 0.01},  # lambda_1, section 4.1
            lr_prompt={"audio": 0.0, "video": 0.01},  # as for a single stream
            start={"audio": 0.2, "video": 0.0},  # as for a single stream
            through_denoiser=True,  # tuning the video's prompt needs it
        ),
    ),
)
# The paper plugs its aligner into MM-Diffusion (Table 1) and gives no settings for this row.
PAPER_LANDSCAPE = Preset(
    name="paper-landscape",
    settings=SamplingSettings(
        num_steps=25,  # not in the paper; as for AnimateDiff, section 4.1
        guidance_scale=1.0,  # the model has no condition to scale
        aligner=AlignerConfig(
            rule="fresh_adam",  # not in the paper; as in the authors' code for audio
            lr_latents={"audio": 0.01, "video": 0.01},  # not in the paper; lambda_1 for AnimateDiff
            lr_prompt=0.0,  # the model has no prompt embedding, Eq. 17
            num_updates=1,  # not in the paper; as in the authors' code
            start=0.2,  # not in the paper; as in the authors' code
            end=1.0,  # Algorithm 1 guides until the last step
            through_denoiser=False,  # not in the paper; as in the authors' code
            level="matching",  # Eq. 11: z_t, alpha-bar_t and eps at the same t
        ),
    ),
    frames=FrameSampling(per_step=2),  # ImageBind embeds pairs of frames
)


def _with_latent_encoder(preset: Preset) -> Preset:
    """A paper preset whose guided steps run neither decoder nor binder; not in the paper.

    The rule and the learning rates of the latents stay the same.
    """
    settings = _tuned(
        preset,
        lr_prompt=0.0,  # the gradient does not pass the denoiser, so Eq. 17 does not apply
        through_denoiser=False,  # a guided step costs one pass through the encoder
        level="matching",  # the encoder embeds the latents before the step, at their own level
    )
    return replace(preset, name=f"{preset.name}-fast", latent_encoder=True, settings=settings)


PAPER_V2A_FAST = _with_latent_encoder(PAPER_V2A)
PAPER_I2A_FAST = _with_latent_encoder(PAPER_I2A)
PAPER_A2V_FAST = _with_latent_encoder(PAPER_A2V)
PAPER_JOINT_FAST = _with_latent_encoder(PAPER_JOINT)
PAPER_PRESETS: Mapping[str, tuple[Preset, ...]] = {
    "v2a": (PAPER_V2A, PAPER_V2A_FAST),
    "i2a": (PAPER_I2A, PAPER_I2A_FAST),
    "a2v": (PAPER_A2V, PAPER_A2V_FAST),
    "joint": (PAPER_JOINT, PAPER_JOINT_FAST),
    "joint-model": (PAPER_LANDSCAPE,),
}

# Presets that select the paper's binder and a joint model of `seehear.models.families`.
PAPER_BACKBONES: Mapping[str, str] = {PAPER_LANDSCAPE.name: "mm-diffusion"}


def presets_of(task: str) -> Mapping[str, Preset]:
    """The presets of a task, by name."""
    row = TASKS[task]
    if row.needs_joint_model:
        known = dict(JOINT_MODEL_PRESETS)
    elif row.makes_audio and row.makes_video:
        known = dict(JOINT_PRESETS)
    else:
        known = dict(PRESETS if row.makes_audio else IMAGE_VIDEO_PRESETS)
    return known | {preset.name: preset for preset in PAPER_PRESETS.get(task, ())}


def preset_for(task: str, preset: str | Preset) -> Preset:
    """A preset, by name or itself, with the pairs of a task (Eqs. 14 to 16).

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
    # The first pair is audio-video; all pairs with text have the same weight.
    media, text = preset.weights[0], preset.weights[-1]
    return replace(preset, pairs=pairs, weights=(media, *[text] * (len(pairs) - 1)))


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
    """The preset of a manifest's record; the inverse of `manifest.to_json`.

    Raises:
        KeyError, TypeError or ValueError: A key is missing or unknown, or has a value of another
            type or range.
    """
    from seehear.pipeline.manifest_schema import problem_in_preset

    record = {_NEW_NAMES.get(name, name): value for name, value in record.items()}
    problem = problem_in_preset(record)
    if problem is not None:
        raise ValueError(problem)
    settings = dict(record["settings"])
    settings["aligner"] = AlignerConfig(**settings["aligner"])
    settings["spans"] = {s: tuple(span) for s, span in settings.get("spans", {}).items()}
    # Manifests without this key are from versions without time shifts.
    settings["retimed_at"] = tuple(settings.get("retimed_at", ()))
    fields: dict[str, Any] = {"lufs": None}  # version 0.1.0 did not set the loudness
    fields |= record
    fields |= {
        "settings": SamplingSettings(**settings),
        "pairs": tuple(tuple(pair) for pair in record["pairs"]),
        "weights": tuple(record["weights"]),
        "frames": FrameSampling(**record.get("frames", {})),
        "image_augmentation": ImageAugmentation(**record.get("image_augmentation", {})),
        "mel_augmentation": MelAugmentation(**record.get("mel_augmentation", {})),
    }
    return Preset(**fields)
