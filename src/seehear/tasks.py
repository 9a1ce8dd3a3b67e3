"""The tasks, start here: give a video a sound (v2a), give a picture a sound (i2a)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.aligner import AlignerConfig
from seehear.captioners.nearest import Match, PhraseBank
from seehear.conditions import Targets, pixels_of, targets_for_video
from seehear.errors import MediaError, SettingsError
from seehear.families import Family, load_family
from seehear.given import FRAMES_PER_S, MOTION_FRAMES_PER_S, as_image, as_video, motion_of
from seehear.media import Image, Video, finish_level
from seehear.objective import ByWindows, InStep
from seehear.outputs import Result, describe_input, plain
from seehear.presets import DEFAULT, PRESETS, Preset
from seehear.sampling import Progress, Sampled, SamplingSettings, sample
from seehear.sync import Curve
from seehear.windows import Windowed, WindowLayout

OnStep = Callable[[Progress], None]

NAMING_FRAMES = 16  # spread over the clip, to name what it shows
MAX_IMAGE_DURATION_S = 600.0
MIN_DURATION_S = 0.1  # a binder hears nothing in less


def load(models: str = "pocket", **options: Any) -> "Studio":
    """Load a family of models once, to use it for many clips.

    >>> studio = seehear.load("pocket")
    >>> result = studio.video_to_audio("clip.mp4", seed=0)
    >>> result.save("clip_with_sound.mp4")

    Args:
        models: "pocket" ships with the package; "paper" needs weights and a GPU.
        **options: Of `seehear.families.load_family`: audio, binder, device, dtype.
    """
    return Studio(load_family(models, **options), options)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip, ready to be sampled: what it is conditioned on and how it is cut."""

    frames: UInt8[Tensor, "frames 3 height width"]  # RGB
    times_s: tuple[float, ...]
    duration_s: float  # of the sound to make
    prompt: str  # empty: none
    named: tuple[Match, ...]  # the binder's nearest phrases, best first, if nobody gave a prompt
    layout: WindowLayout
    windows_s: tuple[tuple[float, float], ...]
    preset: Preset
    seed: int
    task: str = "v2a"
    motion: Curve | None = None  # of the clip, where sound shall begin when something moves
    path: Path | None = None  # of the clip or picture, if it came from a file
    asked_prompt: str | None = None  # what the caller gave; None: the binder names the thing


class Studio:
    """A loaded family of models and the tasks that they can do."""

    def __init__(self, family: Family, loaded: Mapping[str, Any] | None = None):
        """Wrap a family; `load` does it by name.

        Args:
            family: Models that work together.
            loaded: The options that they were loaded with, for the manifest.
        """
        self.family = family
        self.loaded = {name: _plain_option(name, value) for name, value in (loaded or {}).items()}

    def video_to_audio(
        self,
        video: str | Path | Video | np.ndarray,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = DEFAULT,
        fps: float | None = None,
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a sound that belongs to a video, exactly as long as the video.

        Args:
            video: A file, a `Video`, or frames [n, height, width, 3], uint8, with `fps`.
            prompt: What is to be heard. None: the binder names it; "": no prompt at all.
            seed: Of the initial noise; same seed, same sound on the same machine.
            preset: A name of `seehear.presets.PRESETS`, or settings of your own.
            fps: Frames per second, for frames given as an array.
            on_step: Called after every denoising step; may raise `seehear.errors.Cancelled`.

        Returns:
            Mono float32 at the model's rate with `round(duration * rate)` samples, peak at most
            -1 dBFS; `Result.save` puts it to the untouched picture.

        Raises:
            MediaError: The video cannot be read, or is shorter than 0.1 s.
            SettingsError: No preset of that name, or settings that do not go together.
        """
        chosen = preset_of(preset)
        # Frames in an array are all that can tell of movement later.
        dense = MOTION_FRAMES_PER_S if chosen.sync_weight else FRAMES_PER_S
        read = as_video(video, fps, dense if isinstance(video, np.ndarray) else FRAMES_PER_S)
        return self.make(self.video_job(read, prompt, seed, chosen), on_step)

    def image_to_audio(
        self,
        image: str | Path | Image | np.ndarray,
        duration_s: float = 4.0,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = DEFAULT,
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a sound of `duration_s` seconds that belongs to a picture.

        Args:
            image: A file, an `Image`, or pixels [height, width, 3], uint8.
            duration_s: Length of the sound, 0.1 to 600 s.
            prompt: As in `video_to_audio`.
            seed: As in `video_to_audio`.
            preset: As in `video_to_audio`.
            on_step: As in `video_to_audio`.

        Raises:
            MediaError: The picture cannot be read.
            SettingsError: A duration out of range, or as in `video_to_audio`.
        """
        return self.make(self.image_job(as_image(image), duration_s, prompt, seed, preset), on_step)

    def video_job(
        self, video: Video, prompt: str | None, seed: int, preset: str | Preset = DEFAULT
    ) -> Job:
        """Choose windows and prompt for a video, without sampling anything yet.

        Raises:
            MediaError: The video is shorter than 0.1 s.
        """
        if video.duration_s < MIN_DURATION_S:
            raise MediaError(
                f"expected at least {MIN_DURATION_S} s of video, got {video.duration_s:.3f} s"
            )
        job = self.prepare(
            video.frames, video.times_s.tolist(), video.duration_s, prompt, seed, preset
        )
        motion = motion_of(video) if job.preset.sync_weight else None
        return replace(job, path=video.path, motion=motion)

    def image_job(
        self,
        image: Image,
        duration_s: float,
        prompt: str | None,
        seed: int,
        preset: str | Preset = DEFAULT,
    ) -> Job:
        """Choose windows and prompt for a picture, without sampling anything yet.

        Raises:
            SettingsError: A duration out of range.
        """
        if not MIN_DURATION_S <= duration_s <= MAX_IMAGE_DURATION_S:
            raise SettingsError(
                f"a sound for a picture lasts {MIN_DURATION_S} to {MAX_IMAGE_DURATION_S:.0f} s, "
                f"got {duration_s} s"
            )
        job = self.prepare(image.pixels[None], [0.0], duration_s, prompt, seed, preset)
        return replace(job, task="i2a", path=image.path)

    def prepare(
        self,
        frames: Tensor,
        times_s: Sequence[float],
        duration_s: float,
        prompt: str | None,
        seed: int,
        preset: str | Preset,
    ) -> Job:
        """Choose windows and prompt for frames (uint8), without sampling anything yet."""
        chosen = preset_of(preset)
        audio = self.family.audio
        window = round(audio.native_duration_s * audio.latents_per_s)
        layout = WindowLayout(window=window, overlap=max(1, round(window * chosen.overlap)))
        length = max(window, math.ceil(duration_s * audio.latents_per_s))
        named = self.name(frames) if prompt is None else ()
        return Job(
            frames=frames,
            times_s=tuple(times_s),
            duration_s=duration_s,
            prompt=(named[0].phrase if prompt is None else prompt).strip(),
            named=named,
            layout=layout,
            windows_s=tuple(layout.times_s(length, audio.latents_per_s, duration_s)),
            preset=chosen,
            seed=seed,
            asked_prompt=prompt,
        )

    @cached_property
    def weights(self) -> list[dict[str, Any]]:
        """Name, hash and licence of the weight files, read once for all clips."""
        return self.family.weights()

    @cached_property
    def phrases(self) -> PhraseBank:
        """The sounding things that a clip without a prompt may be named as."""
        return PhraseBank(self.family.binder)

    def name(self, frames: UInt8[Tensor, "frames 3 height width"]) -> tuple[Match, ...]:
        """The five phrases nearest to what frames show, best first."""
        chosen = torch.linspace(0, len(frames) - 1, min(len(frames), NAMING_FRAMES)).round().long()
        with torch.no_grad():
            embedding = self.family.binder.embed_video(pixels_of(frames[chosen])[None])
        return self.phrases.nearest(embedding, 5)[0]

    def targets(self, job: Job) -> Targets:
        """What the sound is aligned with: embeddings per window and of the whole clip."""
        return targets_for_video(
            self.family.binder, job.frames, job.times_s, job.windows_s, job.prompt
        )

    def run(self, job: Job, on_step: OnStep | None = None) -> tuple[Tensor, Sampled]:
        """Sample and decode a job: waveform [samples], and how it came about."""
        sampled = self.sample(job, on_step)
        return self.decode(job, sampled.latents["audio"]), sampled

    def sample(self, job: Job, on_step: OnStep | None = None) -> Sampled:
        """Denoise a job's latents: Algorithm 1 over its windows."""
        audio = Windowed(self.family.audio, job.layout)
        generator = torch.Generator().manual_seed(job.seed)
        latents = audio.prior(job.duration_s, 1, generator)
        spans = job.layout.spans(latents.shape[audio.time_axis])
        objective = ByWindows(
            backbones={"audio": self.family.audio},
            binder=self.family.binder,
            pairs=job.preset.pairs,
            weights=job.preset.weights,
            spans=tuple({"audio": span} for span in spans),
            targets=self.targets(job),
            local_weight=job.preset.local_weight,
            duration_s=job.duration_s,
            mel_bridge=job.preset.mel_bridge,
            sync=None
            if job.motion is None
            else InStep(motion=job.motion, weight=job.preset.sync_weight),
        )
        return sample(
            {"audio": audio},
            {"audio": latents},
            {"audio": audio.embed_prompt([job.prompt])},
            objective,
            job.preset.settings,
            on_step,
        )

    def decode(self, job: Job, latents: Tensor) -> Float[Tensor, " samples"]:
        """Turn clean latents into a sound of the job's duration, at its final level.

        Raises:
            SettingsError: The samples are not finite numbers: the rates were far too high.
        """
        audio = Windowed(self.family.audio, job.layout)
        with torch.no_grad():
            waveform = audio.decode(latents)[0].float().cpu()
        if not waveform.isfinite().all():
            raise SettingsError(
                "the sound left the range of numbers: lower the alignment's rate, "
                f"lr_latents={job.preset.settings.aligner.lr_latents}, or compute in float32"
            )
        length = round(job.duration_s * audio.sample_rate)
        waveform = torch.nn.functional.pad(waveform, (0, max(0, length - len(waveform))))
        return finish_level(waveform[:length], audio.sample_rate)

    def make(self, job: Job, on_step: OnStep | None = None) -> Result:
        """Do a job, with everything that its manifest tells."""
        waveform, sampled = self.run(job, on_step)
        return Result(
            task=job.task,
            waveform=waveform[None],
            sample_rate=self.family.audio.sample_rate,
            video_path=job.path if job.task == "v2a" else None,
            caption=job.prompt or None,
            seed=job.seed,
            settings={
                "models": self.family.name,
                "loaded": self.loaded,
                "prompt": job.asked_prompt,
                "named": [match._asdict() for match in job.named],
                "duration_s": job.duration_s,
                "windows_s": job.windows_s,
                "preset": plain(job.preset),
            },
            trace=[plain(step) for step in sampled.trace],
            inputs=[describe_input(job.path, job.duration_s)] if job.path else [],
            weights=self.weights,
        )


def preset_of(preset: str | Preset) -> Preset:
    """A preset by name, or the given one.

    Raises:
        SettingsError: No preset has that name.
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise SettingsError(f"no preset is called {preset!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[preset]


def adjusted(preset: str | Preset, num_steps: int | None = None, **aligner: Any) -> Preset:
    """A preset with another number of steps or other fields of `AlignerConfig`."""
    chosen = preset_of(preset)
    settings = replace(chosen.settings, aligner=replace(chosen.settings.aligner, **aligner))
    if num_steps is not None:
        settings = replace(settings, num_steps=num_steps)
    return replace(chosen, settings=settings)


def preset_from_plain(record: Mapping[str, Any]) -> Preset:
    """The preset that a manifest tells of; the inverse of `outputs.plain`."""
    settings = dict(record["settings"])
    settings["aligner"] = AlignerConfig(**settings["aligner"])
    fields = dict(record) | {
        "settings": SamplingSettings(**settings),
        "pairs": tuple(tuple(pair) for pair in record["pairs"]),
        "weights": tuple(record["weights"]),
    }
    return Preset(**fields)


def _plain_option(name: str, value: Any) -> Any:
    """A type by its name, a folder of weights by its full path; hub names and so on as they are."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if name in ("audio", "binder") and value is not None and Path(value).exists():
        return str(Path(value).resolve())
    return value
