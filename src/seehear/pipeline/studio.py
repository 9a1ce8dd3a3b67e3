"""The Python interface: v2a and i2a generate audio, a2v and a2i frames, joint both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any, Unpack, overload

import torch
from torch import Tensor

from seehear.dsp.key_frames import key_frames
from seehear.errors import MediaError, SettingsError
from seehear.guidance.conditions import (
    AudioCondition,
    Condition,
    ReferenceCondition,
    TextCondition,
    VideoCondition,
    pixels_of,
)
from seehear.guidance.frame_sampling import evenly_spaced_indices
from seehear.guidance.protocols import CaptionsAudio, CaptionsImages
from seehear.guidance.sampling import SamplingResult
from seehear.guidance.streams import JOINT, JOINT_OWN, Pair, Stream
from seehear.media import Audio, Image, Video
from seehear.models import captioners
from seehear.models.captioners.phrase_bank import Naming
from seehear.models.families import Family, load_family
from seehear.models.load_options import DtypeName, LoadOptions
from seehear.pipeline.agreement import agreement
from seehear.pipeline.conditioned_streams import with_conditioned_stream
from seehear.pipeline.inputs import (
    FRAMES_PER_S,
    MOTION_FRAMES_PER_S,
    Array,
    Media,
    all_frames,
    as_audio,
    as_image,
    as_video,
    condition_of,
    read_reference,
)
from seehear.pipeline.job import (
    Job,
    OnStep,
    ShotJob,
    at_final_level,
    backbones_for,
    decode_audio,
    decode_frames,
    sample_job,
    whole_frames_s,
    windows_of,
)
from seehear.pipeline.losses import JobContext, check_recordable, distance_of, terms_of
from seehear.pipeline.manifest import describe_input, to_json
from seehear.pipeline.presets import Preset, preset_for
from seehear.pipeline.region import Region, frames_between, region_of
from seehear.pipeline.result import Result
from seehear.pipeline.shot_list import ShotList
from seehear.pipeline.shots import frames_of, joined, parts_of, shots_of
from seehear.pipeline.steering import (
    Avoiding,
    ReferenceInput,
    ReferenceName,
    Steering,
    reference_input,
)
from seehear.pipeline.task import TASKS, Task, TaskName
from seehear.pipeline.texts import check_text

NAMING_FRAMES = 16  # evenly spaced frames to caption a video from
MIN_DURATION_S = 0.1  # shorter audio is too short for binders
IMAGE_DURATION_S = 4.0  # of the audio for an image
MAX_DURATION_S = 600.0  # of outputs whose length the caller chooses


def load(
    models: str = "pocket",
    *,
    audio: str | Path | None = None,
    video: str | Path | None = None,
    motion: str | Path | None = None,
    binder: str | Path | None = None,
    backbone: str | None = None,
    captioner: str | Path | None = None,
    latent_encoders: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: DtypeName | torch.dtype = "float32",
    commercial: bool = False,
    checkpointing: bool = False,
    lean: bool = False,
    clip: Mapping[str, Any] | None = None,
    binder_options: Mapping[str, Any] | None = None,
) -> "Studio":
    """Load a family of models once, to use it for many clips.

    >>> studio = seehear.load("pocket")
    >>> result = studio.video_to_audio("clip.mp4", seed=0)
    >>> result.save("clip_with_audio.mp4")

    Args:
        models: "pocket" ships with the package; "paper" needs weights and a GPU.
        audio: Another audio model instead of the family's own: a folder with model_index.json, a
            hub name, or a name of `seehear models list`. The same holds for `video` and `motion`.
        video: Another image or video model.
        motion: A motion adapter for `video`, unless `video` contains one.
        binder: The binder's weights, a file or folder; or NAME or NAME=PATH of another binder.
        backbone: NAME or NAME=PATH of a joint model, which generates audio and video together.
        captioner: Model that writes the prompt if it is None; see
            `seehear.models.captioners.load`. None: the binder's nearest phrase.
        latent_encoders: Folder that `seehear distill` wrote, for presets with `latent_encoder`.
        device: Device of the models.
        dtype: Data type of the networks: float32, or bfloat16 to save memory.
        commercial: Refuse models whose licence forbids commercial use, or is unknown.
        checkpointing: Recompute activations in the backward pass: less memory, more time.
        lean: Offload text encoders and the binder's encoders to the CPU after use.
        clip: Options of the video model: num_frames, fps, height, width, ...
        binder_options: Options of the binder's `load`: clip_duration_s, crop, ...

    Raises:
        SettingsError: No family has that name, or a licence forbids commercial use.
        WeightsError: Weights are missing or not in the expected format.
    """
    return load_studio(
        LoadOptions(
            models=models,
            audio=audio,
            video=video,
            motion=motion,
            binder=binder,
            backbone=backbone,
            captioner=captioner,
            latent_encoders=latent_encoders,
            device=str(device),
            dtype=str(dtype).removeprefix("torch."),
            commercial=commercial,
            checkpointing=checkpointing,
            lean=lean,
            clip=clip or {},
            binder_options=binder_options or {},
        )
    )


def load_studio(options: LoadOptions) -> "Studio":
    """Load the models that the options name; errors as `load`."""
    family, captioner = load_family(options), None
    if options.captioner is not None:
        if not captioners.is_external(options.captioner):
            folder = captioners.folder_of(options.captioner)
            family = family.with_extra_weights("captioner", folder, str(options.captioner))
        captioner = captioners.load(
            options.captioner,
            device=options.device,
            dtype=getattr(torch, options.dtype),
            lean=options.lean,
        )
    return Studio(family, options, captioner)


class Studio:
    """A family of models, with one method per task.

    The same seed gives the same output on the same machine. With a prompt of None the captioner or
    the binder writes one; "" uses no prompt. `preset` is a name of
    `seehear.pipeline.presets.presets_of`, or a `Preset`. `on_step` is called after every denoising
    step and may raise `seehear.errors.Cancelled`.
    """

    def __init__(
        self,
        family: Family,
        options: LoadOptions | None = None,
        captioner: captioners.Captioner | None = None,
    ):
        """Wrap a family; `load` does it by name.

        Args:
            family: Models that work together.
            options: The options that loaded them, for the manifest.
            captioner: Model that writes prompts; None: the prompt is the binder's nearest phrase.
        """
        self.family, self.captioner = family, captioner
        self.options = options or LoadOptions(models=family.name)

    @overload
    def video_to_audio(
        self,
        video: str | Path | Video | Array,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        fps: float | None = None,
        region: tuple[float | None, float | None] | None = None,
        shots: ShotList | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result: ...

    @overload
    def video_to_audio(
        self,
        video: str | Path | Video | Array,
        prompt: str | None = None,
        seed: Sequence[int] = ...,
        *,
        preset: str | Preset = "default",
        fps: float | None = None,
        region: tuple[float | None, float | None] | None = None,
        shots: ShotList | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> list[Result]: ...

    def video_to_audio(
        self,
        video: str | Path | Video | Array,
        prompt: str | None = None,
        seed: int | Sequence[int] = 0,
        *,
        preset: str | Preset = "default",
        fps: float | None = None,
        region: tuple[float | None, float | None] | None = None,
        shots: ShotList | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result | list[Result]:
        """Generate audio for a video, of exactly the video's length.

        Args:
            video: A file, a `Video`, or frames [n, height, width, 3], uint8, with `fps`.
            prompt: Description of the audio; None: written by the captioner or the binder.
            seed: Seed of the initial noise. A list of seeds gives a list of results, which
                `Result.agreement` ranks.
            preset: Settings of sampling and guidance.
            fps: Frames per second of frames in an array.
            region: Start and end, in seconds, of the only region to generate, in a video file with
                audio. The audio outside it is kept sample by sample, at its own rate and with its
                channels. None instead of a time: the start or the end of the clip.
            shots: Generate audio for every shot by itself, with its own caption, and crossfade
                them at the cuts: "auto" finds the cuts, a path is a list that `seehear shots`
                writes, or a list of `seehear.pipeline.shot_list.Shot`. Between shots of a list that
                are apart, there is silence.
            on_step: Called after every step.
            **steering: See `Steering`.

        Returns:
            Mono float32 audio at the model's rate with `round(duration * rate)` samples, peak at
            most -1 dBFS. `Result.save` muxes it with the untouched video.

        Raises:
            MediaError: The video cannot be read, or is shorter than 0.1 s, or has no audio around
                the region.
            SettingsError: No preset of that name, incompatible settings, or a region or a shot
                that is not inside the clip.
        """
        chosen = preset_for("v2a", preset)
        # The sync loss cannot read more frames of an array later, so keep them now.
        dense = MOTION_FRAMES_PER_S if chosen.sync_weight else FRAMES_PER_S
        read = as_video(video, fps, dense if isinstance(video, Array) else FRAMES_PER_S)
        job = self.job(
            "v2a", read, prompt=prompt, seed=_first(seed), preset=chosen, region=region,
            shots=shots, **steering,
        )  # fmt: skip
        frames = None if isinstance(video, str | Path) else all_frames(video, fps)
        return self._make_each(job, seed, on_step, frames)

    @overload
    def image_to_audio(
        self,
        image: str | Path | Image | Array,
        duration_s: float = 4.0,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result: ...

    @overload
    def image_to_audio(
        self,
        image: str | Path | Image | Array,
        duration_s: float = 4.0,
        prompt: str | None = None,
        seed: Sequence[int] = ...,
        *,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> list[Result]: ...

    def image_to_audio(
        self,
        image: str | Path | Image | Array,
        duration_s: float = 4.0,
        prompt: str | None = None,
        seed: int | Sequence[int] = 0,
        *,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result | list[Result]:
        """Generate audio of `duration_s` seconds for an image.

        Args:
            image: A file, an `Image`, or pixels [height, width, 3], uint8.
            duration_s: Length of the audio, 0.1 to 600 s.
            prompt: As in `video_to_audio`.
            seed: As in `video_to_audio`.
            preset: Settings of sampling and guidance.
            on_step: Called after every step.
            **steering: See `Steering`.

        Raises:
            MediaError: The image cannot be read.
            SettingsError: A duration out of range, or as in `video_to_audio`.
        """
        job = self.job(
            "i2a", as_image(image), prompt=prompt, seed=_first(seed), preset=preset,
            duration_s=duration_s, **steering,
        )  # fmt: skip
        return self._make_each(job, seed, on_step)

    @overload
    def audio_to_video(
        self,
        audio: str | Path | Audio | Array,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result: ...

    @overload
    def audio_to_video(
        self,
        audio: str | Path | Audio | Array,
        prompt: str | None = None,
        seed: Sequence[int] = ...,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> list[Result]: ...

    def audio_to_video(
        self,
        audio: str | Path | Audio | Array,
        prompt: str | None = None,
        seed: int | Sequence[int] = 0,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result | list[Result]:
        """Generate a video for audio, at most one frame longer than the audio.

        Args:
            audio: A file, an `Audio`, or samples [n] or [channels, n] in [-1, 1] with their rate.
            prompt: Description of the video; None: written by the captioner or the binder.
            seed: As in `video_to_audio`.
            preset: Settings of sampling and guidance.
            sample_rate: Sample rate in Hz of samples in an array.
            on_step: Called after every step.
            **steering: See `Steering`.

        Returns:
            RGB frames in uint8 at the model's rate, with the input audio.

        Raises:
            MediaError: The audio cannot be read, or is shorter than 0.1 s or too long.
            SettingsError: No preset of that name, incompatible settings, or a family
                without a video model.
        """
        media = as_audio(audio, sample_rate, MAX_DURATION_S)
        job = self.job("a2v", media, prompt=prompt, seed=_first(seed), preset=preset, **steering)
        return self._make_each(job, seed, on_step)

    @overload
    def audio_to_image(
        self,
        audio: str | Path | Audio | Array,
        prompt: str | None = None,
        seed: int = 0,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result: ...

    @overload
    def audio_to_image(
        self,
        audio: str | Path | Audio | Array,
        prompt: str | None = None,
        seed: Sequence[int] = ...,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> list[Result]: ...

    def audio_to_image(
        self,
        audio: str | Path | Audio | Array,
        prompt: str | None = None,
        seed: int | Sequence[int] = 0,
        *,
        preset: str | Preset = "default",
        sample_rate: int | None = None,
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result | list[Result]:
        """Generate an image for audio; arguments and errors as `audio_to_video`."""
        media = as_audio(audio, sample_rate, MAX_DURATION_S)
        job = self.job("a2i", media, prompt=prompt, seed=_first(seed), preset=preset, **steering)
        return self._make_each(job, seed, on_step)

    @overload
    def text_to_both(
        self,
        prompt: str,
        seed: int = 0,
        *,
        audio_prompt: str | None = None,
        video_prompt: str | None = None,
        duration_s: float | None = None,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result: ...

    @overload
    def text_to_both(
        self,
        prompt: str,
        seed: Sequence[int] = ...,
        *,
        audio_prompt: str | None = None,
        video_prompt: str | None = None,
        duration_s: float | None = None,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> list[Result]: ...

    def text_to_both(
        self,
        prompt: str,
        seed: int | Sequence[int] = 0,
        *,
        audio_prompt: str | None = None,
        video_prompt: str | None = None,
        duration_s: float | None = None,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Steering],
    ) -> Result | list[Result]:
        """Generate a video with audio from a prompt (Joint-VA, Eq. 16).

        Args:
            prompt: Description of video and audio; "" uses no prompt.
            seed: Seed of the initial noise of both streams.
            audio_prompt: Description of the audio alone; None: `prompt`.
            video_prompt: Description of the video alone; None: `prompt`.
            duration_s: 0.1 to 600 s, rounded up to whole frames; None: the video model's length.
            preset: Settings of sampling and guidance.
            on_step: Called after every step.
            **steering: See `Steering`.

        Returns:
            Audio and frames of the same length.

        Raises:
            SettingsError: A duration out of range, no preset of that name, or a family without a
                video model.
        """
        job = self.job(
            "joint", prompt=prompt, seed=_first(seed), preset=preset, duration_s=duration_s,
            audio_prompt=audio_prompt, video_prompt=video_prompt, **steering,
        )  # fmt: skip
        return self._make_each(job, seed, on_step)

    def joint_model(
        self,
        prompt: str = "",
        seed: int | Sequence[int] = 0,
        *,
        like: str | Path | Video | Image | Audio | None = None,
        duration_s: float | None = None,
        preset: str | Preset = "default",
        on_step: OnStep | None = None,
        **steering: Unpack[Avoiding],
    ) -> Result | list[Result]:
        """Generate a video with audio by a joint model, such as MM-Diffusion.

        Such a model has no prompt. Guidance brings the two streams together, and near the prompt
        and the reference, if there are any.

        Args:
            prompt: What both streams shall show; "" for nothing.
            seed: Seed of the initial noise of both streams; a list gives a list of results.
            like: A file or media that both streams shall resemble: audio, an image or a video.
            duration_s: At most the model's own length, rounded up to whole frames; None: that.
            preset: Settings of sampling and guidance.
            on_step: Called after every step.
            **steering: See `Avoiding`.

        Raises:
            MediaError: The reference cannot be read.
            SettingsError: The studio was loaded without a joint model, or as in `text_to_both`.
        """
        media = read_reference(Path(like)) if isinstance(like, str | Path) else like
        job = self.job(
            "joint-model", media, prompt=prompt, seed=_first(seed), preset=preset,
            duration_s=duration_s, **steering,
        )  # fmt: skip
        return self._make_each(job, seed, on_step)

    def _make_each(
        self,
        job: Job,
        seed: int | Sequence[int],
        on_step: OnStep | None,
        frames: tuple[Tensor, float] | None = None,
    ) -> Result | list[Result]:
        """One result, or one for every seed of a list; `frames` are those to mux the audio with."""
        is_list = isinstance(seed, Sequence)

        def make(number: int) -> Result:
            result = self.make(job.with_seed(int(number)), on_step, with_agreement=is_list)
            if frames is None:
                return result
            return replace(result, input_frames=frames[0], input_fps=frames[1])

        return [make(s) for s in seed] if isinstance(seed, Sequence) else make(seed)

    def job(
        self,
        task: TaskName,
        media: Media | None = None,
        *,
        prompt: str | None = None,
        seed: int = 0,
        preset: str | Preset = "default",
        duration_s: float | None = None,
        audio_prompt: str | None = None,
        video_prompt: str | None = None,
        negative: str = "",
        veto: str | Path | Media | None = None,
        like: str | Path | Media | None = None,
        like_strength: float = 0.0,
        region: tuple[float | None, float | None] | None = None,
        shots: ShotList | None = None,
    ) -> Job:
        """Resolve all settings of an output without sampling: condition, prompts, windows, sync.

        Args:
            task: A name of `seehear.pipeline.task.TASKS`.
            media: The input video, image or audio; None for a prompt.
            prompt: None: the captioner or the binder writes it; "": no prompt.
            seed: As in `video_to_audio`.
            preset: A name or settings.
            duration_s: For tasks with `Task.has_duration`; None: 4 s for an image, the video
                model's own length for a prompt.
            audio_prompt: For joint, the prompt of the audio; None: `prompt`.
            video_prompt: For joint, the prompt of the video; None: `prompt`.
            negative: As in `Steering`.
            veto: As in `Steering`.
            like: As in `Steering`; a joint model has its reference as `media` instead.
            like_strength: As in `Steering`; only for tasks that generate nothing but audio.
            region: As in `video_to_audio`.
            shots: As in `video_to_audio`.

        Raises:
            MediaError: The input is shorter than 0.1 s, or a reference cannot be read.
            SettingsError: A duration out of range, no preset of that name, an unknown distance or
                loss term, a setting that a manifest cannot record, a prompt that is no Unicode
                text, a negative prompt or a reference that has no effect, or too few frames for
                sync.
        """
        row = TASKS[task]
        chosen = preset_for(task, preset)
        check_recordable(chosen)
        if shots is not None:
            if task != "v2a" or not isinstance(media, Video) or region is not None:
                raise SettingsError("expected shots only of a whole video, for v2a")
            steering = Steering(
                negative=negative, veto=veto, like=like, like_strength=like_strength
            )
            return self._job_of_shots(media, shots, prompt, seed, chosen, steering)
        for text in (prompt, audio_prompt, video_prompt, negative):
            check_text(text)
        if negative:
            _check_negative(chosen, row)
        if row.needs_joint_model and like is not None:
            raise SettingsError("expected the reference of a joint model as its input, got `like`")
        if like_strength and (like is None or tuple(row.makes) != ("audio",)):
            raise SettingsError(
                "expected like_strength only with a recording as `like`, for v2a and i2a"
            )
        references = _references(like, veto, chosen, like_strength)
        prompts: dict[Stream, str] | None = None
        condition: Condition
        if row.needs_joint_model:
            text = (prompt or "").strip()
            prompts = dict.fromkeys(row.makes, text)
            condition = ReferenceCondition(None if media is None else condition_of(media), text)
        elif media is None:
            own: dict[Stream, str | None] = {"audio": audio_prompt, "video": video_prompt}
            prompts = {s: ((prompt or "") if p is None else p).strip() for s, p in own.items()}
            condition, pairs = _text_condition(prompts)
            chosen = replace(chosen, pairs=pairs)
        else:
            condition = condition_of(media)
        wanted_s = self._duration_s(row, media, duration_s)
        part = self._region(media, region)
        if part is not None:
            assert isinstance(media, Video)
            start_s, end_s = part.part_s
            condition = condition_of(frames_between(media, start_s, end_s))
            wanted_s = end_s - start_s
        backbones = with_conditioned_stream(
            row, backbones_for(task, self.family, chosen.overlap), media, seed
        )
        text, naming, captioned_by = prompt or "", None, None
        if prompt is None and prompts is None:
            text, naming, captioned_by = self.captioned(condition)
        terms = terms_of(
            chosen,
            JobContext(
                task=row,
                media=media if row.reads_file else None,
                backbones=backbones,
                duration_s=wanted_s,
            ),
        )
        if part is not None:
            terms = tuple(term.for_window(part.part_s[0]) for term in terms)
        is_text_to_video = not row.reads_file
        return Job(
            task=task,
            condition=condition,
            # A video from a prompt is rounded up to whole frames.
            duration_s=whole_frames_s(backbones["video"], wanted_s)
            if is_text_to_video
            else wanted_s,
            prompts=prompts or dict.fromkeys(backbones, text.strip()),
            backbones=backbones,
            windows_s=windows_of(backbones, wanted_s),
            preset=chosen,
            seed=seed,
            negative=negative.strip(),
            references=references,
            naming=naming,
            captioned_by=captioned_by,
            terms=terms,
            distance=distance_of(self.family, chosen),
            path=None if media is None else media.path,
            audio=media if isinstance(media, Audio) and row.reads_file else None,
            region=part,
            user_prompt=prompt,
        )

    def _job_of_shots(
        self,
        video: Video,
        shots: ShotList,
        prompt: str | None,
        seed: int,
        preset: Preset,
        steering: Steering,
    ) -> Job:
        """A job with one job for every shot, each with its own frames, caption and seed."""
        parts, found = [], shots_of(video, shots)
        # Terms and reference read their files once, and not again for every shot.
        context = JobContext(
            task=TASKS["v2a"],
            media=video,
            backbones=backbones_for("v2a", self.family, preset.overlap),
            duration_s=video.duration_s,
        )
        whole = terms_of(preset, context)
        like = steering.get("like")
        if isinstance(like, str | Path):
            steering = Steering(**steering)
            steering["like"] = read_reference(Path(like))
        for shot, part_s in zip(found, parts_of(found), strict=True):
            own = Steering(**steering)
            if shot.veto is not None:
                own["veto"] = shot.veto
            job = self.job(
                "v2a",
                frames_of(video, shot, part_s),
                prompt=prompt if shot.prompt is None else shot.prompt,
                preset=replace(preset, sync_weight=0.0, terms={}),
                **own,
            )
            terms = tuple(term.for_window(part_s[0]) for term in whole)
            parts.append(ShotJob(shot=shot, job=replace(job, preset=preset, terms=terms)))
        windows_s = [
            (start_s + first_s, end_s + first_s)
            for part, (first_s, _) in zip(parts, parts_of(found), strict=True)
            for start_s, end_s in part.job.windows_s
        ]
        return replace(
            parts[0].job,
            condition=condition_of(video),
            duration_s=video.duration_s,
            prompts={"audio": ""},
            windows_s=tuple(windows_s),
            references={k: v for k, v in parts[0].job.references.items() if k != "veto"},
            naming=None,
            captioned_by=None,
            user_prompt=prompt,
            shots=tuple(parts),
        ).with_seed(seed)

    def _region(
        self, media: Media | None, region: tuple[float | None, float | None] | None
    ) -> Region | None:
        """The region of a video to generate again; errors as `region_of`."""
        if region is None:
            return None
        if not isinstance(media, Video):
            raise SettingsError("expected a region only of a video, for v2a")
        return region_of(media, *region, self.family.audio.native_duration_s)

    def _duration_s(self, row: Task, media: Media | None, duration_s: float | None) -> float:
        """The duration of the output: that of the input, or `duration_s`."""
        if isinstance(media, Video | Audio) and row.reads_file:
            if media.duration_s < MIN_DURATION_S:
                raise MediaError(
                    f"expected at least {MIN_DURATION_S} s of "
                    f"{'video' if isinstance(media, Video) else 'audio'}, "
                    f"got {media.duration_s:.3f} s"
                )
            return media.duration_s
        if duration_s is None:
            is_still = row.reads_file
            duration_s = IMAGE_DURATION_S if is_still else self.family.video.native_duration_s
        what = "audio for an image" if row.reads_file else "a video from a prompt"
        if not MIN_DURATION_S <= duration_s <= MAX_DURATION_S:
            raise SettingsError(
                f"{what}: expected {MIN_DURATION_S} to {MAX_DURATION_S:.0f} s, got {duration_s} s"
            )
        return duration_s

    def captioned(self, condition: Condition) -> tuple[str, Naming | None, str | None]:
        """The prompt for an input, with the binder's concepts or the captioner's class behind it.

        Raises:
            SettingsError: The condition has neither frames nor audio.
        """
        caption = self.caption(condition)
        if caption is not None:
            return caption, None, type(self.captioner).__name__
        naming = self.name(condition)
        return naming.caption, naming, None

    def caption(self, condition: Condition) -> str | None:
        """The captioner's caption of the input; None if it has none for this kind of input.

        A video is captioned by its key frame.
        """
        if isinstance(condition, VideoCondition) and isinstance(self.captioner, CaptionsImages):
            frames = (pixels_of(condition.frames) * 255).round().to(torch.uint8)
            return self.captioner.caption_image(frames[key_frames(frames)[0]]) or None
        if isinstance(condition, AudioCondition) and isinstance(self.captioner, CaptionsAudio):
            return self.captioner.caption_audio(condition.waveform, condition.sample_rate) or None
        return None

    @torch.no_grad()
    def name(self, condition: Condition) -> Naming:
        """The five best concepts for the input by the family's binder, and a default caption.

        Raises:
            SettingsError: The condition has neither frames nor audio.
        """
        if isinstance(condition, VideoCondition):
            chosen = list(evenly_spaced_indices(len(condition.frames), NAMING_FRAMES))
            return self.family.phrases.name_video(pixels_of(condition.frames[chosen]))
        if isinstance(condition, AudioCondition):
            return self.family.phrases.name_audio(condition.waveform, condition.sample_rate)
        raise SettingsError('expected video or audio to caption; pass a prompt, or "" for none')

    def run(
        self, job: Job, on_step: OnStep | None = None
    ) -> tuple[dict[str, Tensor], SamplingResult]:
        """Sample and decode a job: media by stream, and the sampling result.

        Audio has shape [samples]; frames are uint8 [n, 3, height, width].
        """
        sampled = self.sample(job, on_step)
        return {s: self.decode(job, sampled.latents, s) for s in job.backbones}, sampled

    def sample(self, job: Job, on_step: OnStep | None = None) -> SamplingResult:
        """Denoise a job's latents: Algorithm 1 over its windows."""
        return sample_job(self.family, job, on_step)

    def decode(self, job: Job, latents: Mapping[Any, Tensor], stream: str = "audio") -> Tensor:
        """Decode clean latents of one stream to the job's duration.

        Raises:
            SettingsError: The output contains NaN or inf: the guidance rate is too high.
        """
        return (decode_audio if stream == "audio" else decode_frames)(job, latents[stream])

    def make(
        self, job: Job, on_step: OnStep | None = None, *, with_agreement: bool = False
    ) -> Result:
        """Sample and decode a job. The result has everything that its manifest records.

        With `with_agreement`, the binder also compares audio and video, to rank takes.
        """
        media, trace, agreed = self._generated(job, on_step, with_agreement)
        waveform, frames = media.get("audio"), media.get("video")
        sample_rate = None
        if waveform is not None:
            waveform, sample_rate = waveform[None], int(job.backbones["audio"].sample_rate)
            if job.region is not None:
                waveform = job.region.spliced(waveform[0], sample_rate)
                sample_rate = job.region.recording.sample_rate
        elif job.audio is not None and job.task == "a2v":
            waveform, sample_rate = job.audio.waveform, job.audio.sample_rate
        return Result(
            task=job.task,
            waveform=waveform,
            sample_rate=sample_rate,
            frames=frames,
            fps=None if frames is None else float(job.backbones["video"].sample_rate),
            video_path=job.path if job.task == "v2a" else None,
            caption=job.prompt or None,
            seed=job.seed,
            settings=self._settings(job),
            trace=trace,
            inputs=[describe_input(job.path, job.input_duration_s)] if job.path else [],
            weights=self.family.weights(
                TASKS[job.task].makes.values(), with_latent_encoders=job.preset.latent_encoder
            ),
            agreement=agreed,
        )

    def _generated(
        self, job: Job, on_step: OnStep | None, with_agreement: bool
    ) -> tuple[dict[str, Tensor], list[dict[str, Any]], float | None]:
        """Media by stream, the trace, and the agreement if it is wanted; of shots, their mean."""
        if not job.shots:
            media, sampled = self.run(job, on_step)
            agreed = agreement(self.family.binder, job, media) if with_agreement else None
            return media, [to_json(step) for step in sampled.trace], agreed
        count, rate = len(job.shots), int(job.backbones["audio"].sample_rate)
        parts = [
            self._generated(part.job, _of_shot(on_step, k, count), with_agreement)
            for k, part in enumerate(job.shots)
        ]
        waveforms, shots = [media["audio"] for media, _, _ in parts], [s.shot for s in job.shots]
        waveform = at_final_level(job, joined(waveforms, shots, rate, job.duration_s))
        steps = [step for _, trace, _ in parts for step in trace]
        agreements = [agreed for _, _, agreed in parts if agreed is not None]
        return (
            {"audio": waveform},
            [{**step, "i": i} for i, step in enumerate(steps)],
            sum(agreements) / count if agreements else None,
        )

    def _settings(self, job: Job) -> dict[str, Any]:
        """Everything that a manifest records of a job, besides its seed, input and weights."""
        settings: dict[str, Any] = {
            "models": self.family.name,
            "loaded": self.options.to_json(),
            "prompt": job.user_prompt,
            "prompts": dict(job.prompts),
            **_recorded_caption(job),
            "duration_s": job.duration_s,
            "windows_s": job.windows_s,
            "preset": _recorded(job.preset),
        }
        if job.region is not None:
            settings["region_s"] = [job.region.start_s, job.region.end_s]
        if job.shots:
            settings["shots"] = [_recorded_shot(part) for part in job.shots]
        return settings | _recorded_steering(job)


def _of_shot(on_step: OnStep | None, k: int, count: int) -> OnStep | None:
    """A callback for the steps of shot k, which counts the steps of all shots."""
    if on_step is None:
        return None
    return lambda step: on_step(
        replace(step, i=k * step.num_steps + step.i, num_steps=count * step.num_steps)
    )


def _recorded_caption(job: Job) -> dict[str, Any]:
    """The names that the binder found, or the model that wrote the caption, for a manifest."""
    return {
        "named": [match._asdict() for match in job.naming.matches] if job.naming else [],
        "is_sure": job.naming.is_sure if job.naming else None,
        "captioned_by": job.captioned_by,
    }


def _recorded_shot(part: ShotJob) -> dict[str, Any]:
    """A shot for a manifest."""
    veto = part.job.references.get("veto")
    return {
        "from_s": part.shot.start_s,
        "to_s": part.shot.end_s,
        "prompt": part.job.prompt,
        **({} if veto is None else {"veto": veto.to_json()}),
        **_recorded_caption(part.job),
    }


def _text_condition(prompts: Mapping[Stream, str]) -> tuple[TextCondition, tuple[Pair, ...]]:
    """The prompts to compare with: one for both streams, or one for each (Eq. 16)."""
    if len(set(prompts.values())) == 1:
        return TextCondition({"text": prompts["audio"]}), JOINT
    return TextCondition({f"{s} text": text for s, text in prompts.items()}), JOINT_OWN


def _check_negative(preset: Preset, task: Task) -> None:
    """Refuse a negative prompt that has no effect, because nothing is extrapolated from it."""
    scale = preset.settings.guidance_scale
    scales = scale.values() if isinstance(scale, Mapping) else (scale,)
    if task.needs_joint_model:
        raise SettingsError("expected no negative prompt for a joint model, which reads no prompt")
    if all(value == 1 for value in scales):
        raise SettingsError(
            "expected no negative prompt, because the preset has no classifier-free guidance "
            f"(guidance_scale={scale}); drop it"
        )


def _references(
    like: str | Path | Media | None,
    veto: str | Path | Media | None,
    preset: Preset,
    like_strength: float = 0.0,
) -> dict[ReferenceName, ReferenceInput]:
    """The references of a job, read from their files.

    Raises:
        MediaError: A file cannot be read.
        SettingsError: The preset guides no step, so that they have no effect.
    """
    found: dict[ReferenceName, ReferenceInput] = {}
    if like is not None:
        source = Path(like) if isinstance(like, str) else like
        found["like"] = reference_input(source, like_strength)
    if veto is not None and not (isinstance(veto, str) and not veto.strip()):
        found["veto"] = reference_input(veto)
    aligner, num_steps = preset.settings.aligner, preset.settings.num_steps
    first_step = found["like"].first_step(num_steps) if "like" in found else 0
    is_guided = aligner.num_guided(num_steps, first_step) > 0
    useless = [name for name in found if not (is_guided or (name == "like" and like_strength))]
    if useless:
        raise SettingsError(
            f"expected no {' and no '.join(useless)}, because no step is guided; drop "
            f"{'them' if len(useless) > 1 else 'it'}, or use more steps, a rate above 0 or a "
            "smaller like_strength"
        )
    return found


def _recorded_steering(job: Job) -> dict[str, Any]:
    """Negative prompt and references for a manifest, if there are any."""
    references = {name: given.to_json() for name, given in job.references.items()}
    return ({"negative": job.negative} if job.negative else {}) | (
        {"references": references} if references else {}
    )


def _recorded(preset: Preset) -> dict[str, Any]:
    """The preset for a manifest. Without further loss terms it has the keys of version 0.1.0."""
    record = to_json(preset)
    return record if record["terms"] else {k: v for k, v in record.items() if k != "terms"}


def _first(seed: int | Sequence[int]) -> int:
    """The first of several seeds.

    Raises:
        SettingsError: There is none, or one is not a whole number from 0 to 2^63 - 1.
    """
    seeds = list(seed) if isinstance(seed, Sequence) else [seed]
    is_fine = all(isinstance(s, Integral) and 0 <= s < 2**63 for s in seeds)
    if not seeds or not is_fine or any(isinstance(s, bool) for s in seeds):
        raise SettingsError(
            f"expected a seed from 0 to 2^63 - 1, or a list of seeds, got {seed!r:.60}"
        )
    return int(seeds[0])
