"""A job: one output with all settings resolved, and its sampling and decoding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.conditions import Condition
from seehear.guidance.decoding import AugmentedViews
from seehear.guidance.frame_sampling import FrameSampler
from seehear.guidance.losses import Distance, cosine_distance
from seehear.guidance.objective import Agreement, LossTerm
from seehear.guidance.prompts import embed_prompts
from seehear.guidance.protocols import Backbone, EmbedsLatents, HasConditionNoise, JointStream
from seehear.guidance.sampling import SamplingResult, StepProgress, sample
from seehear.guidance.streams import Stream
from seehear.guidance.sync import SyncTerm
from seehear.guidance.windows import WindowedBackbone, frames_for, layout_of, positions_for
from seehear.media import Audio, finish_level
from seehear.media.loudness import normalise_loudness
from seehear.models.captioners.phrase_bank import Naming
from seehear.models.families import Family
from seehear.pipeline.presets import Preset
from seehear.pipeline.region import Region
from seehear.pipeline.shot_list import Shot
from seehear.pipeline.shots import seed_of_shot
from seehear.pipeline.steering import ReferenceInput, ReferenceName, references_of
from seehear.pipeline.task import TASKS, TaskName

OnStep = Callable[[StepProgress], None]


@dataclass(frozen=True, kw_only=True)
class ShotJob:
    """A shot of a video, and the job of its audio."""

    shot: Shot
    job: "Job"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One output, ready for sampling: its condition, prompts, windows and settings."""

    task: TaskName
    condition: Condition  # of the input
    duration_s: float  # of the output; for a still, of the input audio
    prompts: Mapping[Stream, str]  # of every generated stream; "": no prompt
    backbones: Mapping[Stream, Backbone]  # in windows, if clips may be long
    windows_s: tuple[tuple[float, float], ...]
    preset: Preset
    seed: int
    negative: str = ""  # what the output should not contain, for classifier-free guidance
    references: Mapping[ReferenceName, ReferenceInput] = field(default_factory=dict)
    naming: Naming | None = None  # the concepts of the default caption
    captioned_by: str | None = None  # class of the captioner that wrote the prompt
    terms: tuple[LossTerm, ...] = ()  # besides the pairs of embeddings
    distance: Distance = cosine_distance
    path: Path | None = None  # of the input, if it came from a file
    audio: Audio | None = None  # input audio, to mux with the frames
    region: Region | None = None  # the only part of the clip to generate again
    shots: tuple[ShotJob, ...] = ()  # sampled one by one and joined, instead of this job
    user_prompt: str | None = None  # as requested; None: written by captioner or binder

    @property
    def sync(self) -> SyncTerm | None:
        """The sync loss, if it is one of the terms."""
        return next((term for term in self.terms if isinstance(term, SyncTerm)), None)

    @property
    def first_step(self) -> int:
        """The first step that is not skipped, because the run starts from a recording."""
        like = self.references.get("like")
        return 0 if like is None else like.first_step(self.preset.settings.num_steps)

    @property
    def input_duration_s(self) -> float:
        """Duration of the input, or of the output for a prompt."""
        return self.duration_s if self.region is None else self.region.recording.duration_s

    @property
    def prompt(self) -> str:
        """The prompt that all streams are compared with; of shots, all of them."""
        if self.shots:
            return "; ".join(dict.fromkeys(s.job.prompt for s in self.shots if s.job.prompt))
        return next(iter(dict.fromkeys(p for p in self.prompts.values() if p)), "")

    def with_seed(self, seed: int) -> "Job":
        """The same job with another seed."""
        shots = tuple(
            replace(s, job=s.job.with_seed(seed_of_shot(seed, k))) for k, s in enumerate(self.shots)
        )
        return replace(self, seed=seed, shots=shots)


def backbones_for(task: str, family: Family, overlap: float) -> dict[Stream, Backbone]:
    """The models of a task, with windows that overlap by at least the fraction `overlap`."""
    found: dict[Stream, Backbone] = {}
    for stream, part in TASKS[task].makes.items():
        backbone = family.backbone(part)
        # All positions of a joint model's clip attend to each other, so it has no windows.
        is_joint = isinstance(backbone, JointStream)
        layout = None if is_joint else layout_of(backbone, overlap)
        found[stream] = backbone if layout is None else WindowedBackbone(backbone, layout)
    return found


def windows_of(
    backbones: Mapping[Stream, Backbone], duration_s: float
) -> tuple[tuple[float, float], ...]:
    """Start and end of every window of the objective, from the first stream that has windows."""
    for backbone in backbones.values():
        if isinstance(backbone, WindowedBackbone):
            window = backbone.layout.window
            length = max(window, positions_for(duration_s, backbone.latents_per_s))
            times = backbone.layout.times_s(length, backbone.latents_per_s, duration_s)
            return tuple(times)
    return ((0.0, duration_s),)


def sample_job(family: Family, job: Job, on_step: OnStep | None = None) -> SamplingResult:
    """Denoise a job's latents: Algorithm 1 over its windows."""
    # One generator for all streams: the draws of a stream do not depend on later streams.
    generator = torch.Generator().manual_seed(job.seed)
    latents = {s: b.prior(job.duration_s, 1, generator) for s, b in job.backbones.items()}
    backbones = {
        s: b.with_noise(generator) if isinstance(b, HasConditionNoise) else b
        for s, b in job.backbones.items()
    }
    objective = _objective(family, job, latents)
    num_steps, noise = job.preset.settings.num_steps, latents.get("audio")
    if job.first_step and noise is not None:
        latents["audio"] = job.references["like"].start(noise, job.backbones["audio"], num_steps)
    if job.region is not None and noise is not None:
        inpainted = job.region.inpainted(job.backbones["audio"], noise)
        level = inpainted.levels(num_steps)[job.first_step]
        latents["audio"] = inpainted.at_level(latents["audio"], level)
        backbones["audio"] = inpainted
    return sample(
        backbones,
        latents,
        {s: embed_prompts(b, [job.prompts[s]], job.negative) for s, b in job.backbones.items()},
        objective,
        job.preset.settings,
        on_step,
        generator,
        job.first_step,
    )


def _objective(family: Family, job: Job, latents: Mapping[Stream, Tensor]) -> Agreement:
    spans = _spans(job, latents)
    samplers: tuple[FrameSampler, ...] = ()
    if "video" in latents:
        fps = job.backbones["video"].latents_per_s
        # Embed only frames that the output keeps: a clip may be shorter than its window.
        kept = [positions_for(end - start, fps) for start, end in job.windows_s]
        counts = [
            min(n, s["video"].stop - s["video"].start) for n, s in zip(kept, spans, strict=True)
        ]
        samplers = tuple(FrameSampler(job.preset.frames, count) for count in counts)
    parts = TASKS[job.task].makes
    encoders: dict[Stream, EmbedsLatents] = {}
    if job.preset.latent_encoder:
        encoders = {s: family.latent_encoder(part, latents[s]) for s, part in parts.items()}
    return Agreement(
        backbones={s: family.backbone(part) for s, part in parts.items()},
        binder=family.binder,
        pairs=job.preset.pairs,
        weights=job.preset.weights,
        windows=spans,
        targets=job.condition.targets(family.binder, job.windows_s, job.prompt),
        local_weight=job.preset.local_weight,
        duration_s=job.duration_s,
        mel_bridge=job.preset.mel_bridge,
        noisy_image_encoder=job.preset.noisy_image_encoder,
        distance=job.distance,
        terms=job.terms,
        references=references_of(job.references, family.binder, job.preset),
        samplers=samplers,
        views=AugmentedViews(job.preset.image_augmentation, job.preset.mel_augmentation, job.seed),
        latent_encoders=encoders,
    )


def _spans(job: Job, latents: Mapping[Stream, Tensor]) -> tuple[Mapping[Stream, slice], ...]:
    """The slice of every window in the latents of every stream."""
    first = next((s for s, b in job.backbones.items() if isinstance(b, WindowedBackbone)), None)
    if first is None:
        return ({s: slice(0, z.shape[_axis(job, s)]) for s, z in latents.items()},)
    windowed = job.backbones[first]
    assert isinstance(windowed, WindowedBackbone)
    spans = []
    for span in windowed.layout.spans(latents[first].shape[windowed.time_axis]):
        start_s = span.start / windowed.latents_per_s
        stop_s = span.stop / windowed.latents_per_s
        ends = {}
        for s, z in latents.items():
            length, rate = z.shape[_axis(job, s)], job.backbones[s].latents_per_s
            start = min(round(start_s * rate), length - 1)
            ends[s] = slice(start, max(start + 1, min(round(stop_s * rate), length)))
        spans.append(ends)
    return tuple(spans)


def _axis(job: Job, stream: Stream) -> int:
    return job.backbones[stream].time_axis


def decode_audio(job: Job, latents: Tensor) -> Float[Tensor, " samples"]:
    """Decode clean latents to audio of the job's duration, at its final level.

    Raises:
        SettingsError: The samples contain NaN or inf: the guidance rate is too high.
    """
    audio = job.backbones["audio"]
    with torch.no_grad():
        waveform = audio.decode(latents)[0].float().cpu()
    _check_finite(job, "audio", waveform)
    length = round(job.duration_s * audio.sample_rate)
    waveform = torch.nn.functional.pad(waveform, (0, max(0, length - len(waveform))))
    return at_final_level(job, waveform[:length])


def at_final_level(job: Job, waveform: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    """A decoded waveform with faded ends, and with the preset's loudness or limited peak."""
    rate = int(job.backbones["audio"].sample_rate)
    finished = finish_level(waveform, rate)
    # A region keeps the level of the audio around it.
    lufs = None if job.region is not None else job.preset.lufs
    return finished if lufs is None else normalise_loudness(finished, rate, lufs)


def decode_frames(job: Job, latents: Tensor) -> UInt8[Tensor, "frames 3 height width"]:
    """Decode clean latents to 8-bit frames of the job's duration.

    Raises:
        SettingsError: The latents contain NaN or inf: the guidance rate is too high.
    """
    video = job.backbones["video"]
    _check_finite(job, "video", latents)  # clamped frames hide inf
    with torch.no_grad():
        frames = video.decode(latents)[0].float().cpu()
    return (frames[: frames_for(video, job.duration_s)] * 255).round().to(torch.uint8)


def whole_frames_s(video: Backbone, duration_s: float) -> float:
    """The duration rounded up to whole frames."""
    return frames_for(video, duration_s) / float(video.sample_rate)


def _check_finite(job: Job, what: str, values: Tensor) -> None:
    if not values.isfinite().all():
        raise SettingsError(
            f"generated {what} contains NaN or inf: lower the guidance rate, "
            f"lr_latents={job.preset.settings.aligner.lr_latents}, or compute in float32"
        )
