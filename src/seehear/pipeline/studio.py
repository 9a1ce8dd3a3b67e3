"""The tasks, start here: v2a and i2a make a sound, a2v and a2i a picture, joint makes both."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seehear.dsp.events import motion_starts
from seehear.dsp.key_frames import key_frames
from seehear.errors import MediaError, SettingsError
from seehear.guidance.conditions import (
    AudioCondition,
    Condition,
    Targets,
    TextCondition,
    VideoCondition,
    pixels_of,
)
from seehear.guidance.frame_sampling import evenly_spaced_indices
from seehear.guidance.losses import JOINT, JOINT_OWN
from seehear.guidance.protocols import Backbone, CaptionsAudio, CaptionsImages, Stream
from seehear.guidance.sampling import SamplingResult
from seehear.guidance.sync import SyncTerm
from seehear.media import Audio, Image, Video
from seehear.models import captioners
from seehear.models.captioners.phrase_bank import Match
from seehear.models.families import Family, load_family
from seehear.pipeline.inputs import (
    FRAMES_PER_S,
    MOTION_FRAMES_PER_S,
    as_audio,
    as_image,
    as_video,
    audio_condition,
    motion_curve,
    onset_curve,
)
from seehear.pipeline.job import (
    Job,
    OnStep,
    backbones_for,
    decoded_frames,
    decoded_sound,
    num_frames,
    sampled_job,
    windows_of,
)
from seehear.pipeline.manifest import describe_input, to_json
from seehear.pipeline.presets import DEFAULT, Preset, preset_for
from seehear.pipeline.result import Result
from seehear.pipeline.task import MAKES, TaskName

NAMING_FRAMES = 16  # spread over the clip, to name what it shows
MIN_DURATION_S = 0.1  # a binder hears nothing in less
MAX_DURATION_S = 600.0  # of what is made without a clip that says how long


def load(models: str = "pocket", captioner: str | Path | None = None, **options: Any) -> "Studio":
    """Load a family of models once, to use it for many clips.

    >>> studio = seehear.load("pocket")
    >>> result = studio.video_to_audio("clip.mp4", seed=0)
    >>> result.save("clip_with_sound.mp4")

    Args:
        models: "pocket" ships with the package; "paper" needs weights and a GPU.
        captioner: Writes the prompt where none is given, see `seehear.models.captioners.load`.
            None: the binder's nearest phrase.
        **options: Of `seehear.models.families.load_family`: audio, video, binder, device, dtype...
    """
    family = load_family(models, **options)
    if captioner is None:
        return Studio(family, options)
    family = family.with_extra_weights("captioner", captioners.folder_of(captioner), str(captioner))
    common = {name: options[name] for name in ("device", "dtype", "lean") if name in options}
    writer = captioners.load(captioner, **common)
    return Studio(family, {**options, "captioner": captioner}, writer)


class Studio:
    """A family of models and the tasks that they can do.

    Everywhere: same seed, same output on the same machine. A prompt of None lets the binder name
    what is given, "" means no words at all. `preset` is a name of
    `seehear.pipeline.presets.presets_of`, or settings of your own. `on_step` is called after every
    denoising step and may raise
    `seehear.errors.Cancelled`.
    """

    def __init__(
        self,
        family: Family,
        loaded: Mapping[str, Any] | None = None,
        captioner: captioners.Captioner | None = None,
    ):
        """Wrap a family; `load` does it by name.

        Args:
            family: Models that work together.
            loaded: The options that they were loaded with, for the manifest.
            captioner: Describes what is given; None: the binder's nearest phrase does.
        """
        self.family, self.captioner = family, captioner
        self.loaded = {name: _plain_option(name, value) for name, value in (loaded or {}).items()}

    def video_to_audio(
        self,
        video: str | Path | Video | np.ndarray,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        fps: float | None = None,
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a sound that belongs to a video, exactly as long as the video.

        Args:
            video: A file, a `Video`, or frames [n, height, width, 3], uint8, with `fps`.
            prompt: What is to be heard.
            seed: Of the initial noise.
            preset: How the picture pulls the sound.
            fps: Frames per second, for frames given as an array.
            on_step: Called after every step.

        Returns:
            Mono float32 at the model's rate with `round(duration * rate)` samples, peak at most
            -1 dBFS; `Result.save` puts it to the untouched picture.

        Raises:
            MediaError: The video cannot be read, or is shorter than 0.1 s.
            SettingsError: No preset of that name, or settings that do not go together.
        """
        chosen = preset_for("v2a", preset)
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
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a sound of `duration_s` seconds that belongs to a picture.

        Args:
            image: A file, an `Image`, or pixels [height, width, 3], uint8.
            duration_s: Length of the sound, 0.1 to 600 s.
            prompt: As in `video_to_audio`, like all that follow.
            seed: Of the initial noise.
            preset: How the picture pulls the sound.
            on_step: Called after every step.

        Raises:
            MediaError: The picture cannot be read.
            SettingsError: A duration out of range, or as in `video_to_audio`.
        """
        return self.make(self.image_job(as_image(image), duration_s, prompt, seed, preset), on_step)

    def audio_to_video(
        self,
        audio: str | Path | Audio | np.ndarray,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a video that belongs to a sound, at most one frame longer than the sound.

        Args:
            audio: A file, an `Audio`, or samples [n] or [channels, n] in [-1, 1] with their rate.
            prompt: What is to be seen.
            seed: Of the initial noise.
            preset: How the sound pulls the picture.
            sample_rate: In Hz, for samples given as an array.
            on_step: Called after every step.

        Returns:
            RGB frames in uint8 at the model's rate, and the given sound with them.

        Raises:
            MediaError: The sound cannot be read, or is shorter than 0.1 s or too long.
            SettingsError: No preset of that name, settings that do not go together, or a family
                without a video model.
        """
        given = as_audio(audio, sample_rate, MAX_DURATION_S)
        return self.make(self.audio_job("a2v", given, prompt, seed, preset), on_step)

    def audio_to_image(
        self,
        audio: str | Path | Audio | np.ndarray,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a picture that belongs to a sound; arguments and errors as `audio_to_video`."""
        given = as_audio(audio, sample_rate, MAX_DURATION_S)
        return self.make(self.audio_job("a2i", given, prompt, seed, preset), on_step)

    def text_to_both(
        self,
        prompt: str,
        seed: int = 0,
        *,
        sound_prompt: str | None = None,
        picture_prompt: str | None = None,
        duration_s: float | None = None,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
    ) -> Result:
        """Make a video and its sound from a sentence (Joint-VA, Eq. 16).

        Args:
            prompt: What is to be seen and heard; "" lets chance decide.
            seed: Of the initial noise of both.
            sound_prompt: What is to be heard, if that is not `prompt`.
            picture_prompt: What is to be seen, if that is not `prompt`.
            duration_s: 0.1 to 600 s, rounded up to whole frames; None: as long as the video model
                was trained on.
            preset: How sound and picture pull each other.
            on_step: Called after every step.

        Returns:
            Sound and frames of the same length.

        Raises:
            SettingsError: A duration out of range, no preset of that name, or a family without a
                video model.
        """
        job = self.text_job(prompt, seed, preset, duration_s, sound_prompt, picture_prompt)
        return self.make(job, on_step)

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
        shown = VideoCondition(video.frames, tuple(video.times_s.tolist()))
        job = self._job("v2a", shown, video.duration_s, prompt, seed, preset)
        weight = job.preset.sync_weight
        sync = (
            SyncTerm(starts=motion_starts(motion_curve(video)), weight=weight) if weight else None
        )
        return replace(job, path=video.path, sync=sync)

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
        _check_duration("a sound for a picture", duration_s)
        shown = VideoCondition(image.pixels[None], (0.0,))
        job = self._job("i2a", shown, duration_s, prompt, seed, preset)
        return replace(job, path=image.path)

    def audio_job(
        self,
        task: TaskName,
        audio: Audio,
        prompt: str | None,
        seed: int,
        preset: str | Preset = "default",
    ) -> Job:
        """Choose windows and prompt for a sound ("a2v" or "a2i"), without sampling anything yet.

        Raises:
            MediaError: The sound is shorter than 0.1 s.
        """
        if audio.duration_s < MIN_DURATION_S:
            raise MediaError(
                f"expected at least {MIN_DURATION_S} s of sound, got {audio.duration_s:.3f} s"
            )
        sound = audio_condition(audio)
        job = self._job(task, sound, audio.duration_s, prompt, seed, preset)
        weight = job.preset.sync_weight if task == "a2v" else 0.0  # a still has no motion
        if weight:
            _check_frames(job.backbones["video"], audio.duration_s)
        sync = SyncTerm(onsets=onset_curve(sound), weight=weight) if weight else None
        return replace(job, path=audio.path, sound=audio, sync=sync)

    def text_job(
        self,
        prompt: str,
        seed: int,
        preset: str | Preset = "default",
        duration_s: float | None = None,
        sound_prompt: str | None = None,
        picture_prompt: str | None = None,
    ) -> Job:
        """Choose windows for a sentence, without sampling anything yet.

        Raises:
            SettingsError: A duration out of range.
        """
        video = self.family.video
        wanted_s = video.native_duration_s if duration_s is None else duration_s
        _check_duration("a video from a sentence", wanted_s)
        fps = float(video.sample_rate)
        own: dict[Stream, str | None] = {"audio": sound_prompt, "video": picture_prompt}
        said = {s: (prompt if text is None else text).strip() for s, text in own.items()}
        if said["audio"] == said["video"]:
            texts, pairs = {"text": said["audio"]}, JOINT
        else:
            texts, pairs = {f"{stream} text": text for stream, text in said.items()}, JOINT_OWN
        chosen = replace(preset_for("joint", preset), pairs=pairs)
        job = self._job("joint", TextCondition(texts), wanted_s, prompt, seed, chosen, said)
        weight = job.preset.sync_weight
        if weight:
            _check_frames(job.backbones["video"], wanted_s)
        return replace(
            job,
            duration_s=num_frames(job.backbones["video"], wanted_s) / fps,
            sync=SyncTerm(weight=weight) if weight else None,
        )

    def _job(
        self,
        task: TaskName,
        condition: Condition,
        duration_s: float,
        prompt: str | None,
        seed: int,
        preset: str | Preset,
        prompts: Mapping[Stream, str] | None = None,  # of every stream; None: the same for all
    ) -> Job:
        chosen = preset_for(task, preset)
        backbones = backbones_for(task, self.family, chosen.overlap)
        said = self.caption(condition) if prompt is None else None
        named = self.name(condition) if prompt is None and said is None else ()
        text = prompt if prompt is not None else said or named[0].phrase
        return Job(
            task=task,
            condition=condition,
            duration_s=duration_s,
            prompts=prompts or dict.fromkeys(backbones, text.strip()),
            backbones=backbones,
            windows_s=windows_of(backbones, duration_s),
            preset=chosen,
            seed=seed,
            named=named,
            captioned_by=None if said is None else type(self.captioner).__name__,
            asked_prompt=prompt,
        )

    def caption(self, condition: Condition) -> str | None:
        """What the captioner says of what is given; None where it cannot, or there is none.

        Of a clip it is shown the frame that shows it best.
        """
        if isinstance(condition, VideoCondition) and isinstance(self.captioner, CaptionsImages):
            frames = (pixels_of(condition.frames) * 255).round().to(torch.uint8)
            return self.captioner.caption_image(frames[key_frames(frames)[0]]) or None
        if isinstance(condition, AudioCondition) and isinstance(self.captioner, CaptionsAudio):
            return self.captioner.caption_audio(condition.waveform, condition.sample_rate) or None
        return None

    @torch.no_grad()
    def name(self, condition: Condition) -> tuple[Match, ...]:
        """The five phrases nearest to what is shown or heard, best first.

        Raises:
            SettingsError: Neither a picture nor a sound is given.
        """
        if isinstance(condition, VideoCondition):
            chosen = list(evenly_spaced_indices(len(condition.frames), NAMING_FRAMES))
            found = self.family.binder.embed_video(pixels_of(condition.frames[chosen])[None])
        elif isinstance(condition, AudioCondition):
            found = self.family.binder.embed_audio(condition.waveform[None], condition.sample_rate)
        else:
            raise SettingsError('there is nothing to name: give a prompt, or "" for none')
        return self.family.phrases.nearest(found, 5)[0]

    def targets(self, job: Job) -> Targets:
        """What is made is aligned with: embeddings per window and of the whole clip."""
        return job.condition.targets(self.family.binder, job.windows_s, job.prompt)

    def run(
        self, job: Job, on_step: OnStep | None = None
    ) -> tuple[dict[str, Tensor], SamplingResult]:
        """Sample and decode a job: media by stream, and how they came about.

        A sound has shape [samples]; frames are uint8 [n, 3, height, width].
        """
        sampled = self.sample(job, on_step)
        return {s: self.decode(job, sampled.latents, s) for s in job.backbones}, sampled

    def sample(self, job: Job, on_step: OnStep | None = None) -> SamplingResult:
        """Denoise a job's latents: Algorithm 1 over its windows."""
        return sampled_job(self.family, job, on_step)

    def decode(self, job: Job, latents: Mapping[Any, Tensor], stream: str = "audio") -> Tensor:
        """Turn clean latents of one stream into what is kept of it.

        Raises:
            SettingsError: Not finite numbers: the rates were far too high.
        """
        return (decoded_sound if stream == "audio" else decoded_frames)(job, latents[stream])

    def make(self, job: Job, on_step: OnStep | None = None) -> Result:
        """Do a job, with everything that its manifest tells."""
        media, sampled = self.run(job, on_step)
        sound, frames = media.get("audio"), media.get("video")
        sample_rate = None
        if sound is not None:
            sound, sample_rate = sound[None], int(job.backbones["audio"].sample_rate)
        elif job.sound is not None and job.task == "a2v":
            sound, sample_rate = job.sound.waveform, job.sound.sample_rate
        return Result(
            task=job.task,
            waveform=sound,
            sample_rate=sample_rate,
            frames=frames,
            fps=None if frames is None else float(job.backbones["video"].sample_rate),
            video_path=job.path if job.task == "v2a" else None,
            caption=job.prompt or None,
            seed=job.seed,
            settings={
                "models": self.family.name,
                "loaded": self.loaded,
                "prompt": job.asked_prompt,
                "prompts": dict(job.prompts),
                "named": [match._asdict() for match in job.named],
                "captioned_by": job.captioned_by,
                "duration_s": job.duration_s,
                "windows_s": job.windows_s,
                "preset": to_json(job.preset),
            },
            trace=[to_json(step) for step in sampled.trace],
            inputs=[describe_input(job.path, job.duration_s)] if job.path else [],
            weights=self.family.weights(MAKES[job.task].values()),
        )


def _check_duration(what: str, duration_s: float) -> None:
    if not MIN_DURATION_S <= duration_s <= MAX_DURATION_S:
        raise SettingsError(
            f"{what} lasts {MIN_DURATION_S} to {MAX_DURATION_S:.0f} s, got {duration_s} s"
        )


def _check_frames(video: Backbone, duration_s: float) -> None:
    if num_frames(video, duration_s) < 2:
        raise SettingsError(
            f"expected at least two frames to be in step with a sound, {duration_s:.3f} s are one; "
            "leave sync out"
        )


def _plain_option(name: str, value: Any) -> Any:
    """A type by its name, a folder of weights by its full path; hub names and so on as they are."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if (
        name in ("audio", "video", "motion", "binder", "captioner")
        and value is not None
        and Path(value).exists()
    ):
        return str(Path(value).resolve())
    return value
