"""Clips and pictures, one after the other: read, make, save; one that fails stops no other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from seehear.cli.files import (
    AUDIO_SUFFIXES,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    Errand,
    check_target,
    errands,
    expanded,
)
from seehear.cli.loading import loaded_studio, predicted_text, recipe_without_weights
from seehear.cli.options import Asked
from seehear.cli.show import (
    err,
    out,
    plan_text,
    saving_previews,
    step_progress,
    tell_error,
)
from seehear.errors import Cancelled, MediaError, SeehearError
from seehear.given import FRAMES_PER_S, as_audio
from seehear.jobs import Job, TaskName
from seehear.media import probe, read_image, read_video
from seehear.media.encode import CONTAINERS
from seehear.media.write import PICTURE_FORMATS, SOUND_FORMATS
from seehear.outputs import Result
from seehear.plan import measured_plan
from seehear.presets import Preset
from seehear.tasks import Studio, adjusted
from seehear.told import made_text, named_as

SOUNDS = tuple(SOUND_FORMATS)
PICTURES = tuple(PICTURE_FORMATS)
VIDEOS = tuple(sorted(CONTAINERS))


@dataclass(frozen=True, kw_only=True)
class Task:
    """What differs between the tasks that start from a file."""

    suffixes: frozenset[str]  # of the files to take from a folder
    allowed: tuple[str, ...]  # suffixes that can be written
    check: Callable[[Path], None]  # raises MediaError for a file of another kind, quickly
    suffix_for: Callable[[Path], str]  # of an output, where the user doesn't say
    prepare: Callable[[Studio, Path, Asked, Preset], Job]


def _check_video(path: Path) -> None:
    kind = probe(path).kind
    if kind != "video":
        hint = "use seehear i2a" if kind == "image" else "there is no picture to go by"
        raise MediaError(f"{path}: expected a video, got a file of kind {kind}; {hint}")


def _video_job(studio: Studio, path: Path, asked: Asked, preset: Preset) -> Job:
    video = read_video(path, frames_per_s=FRAMES_PER_S, max_duration_s=asked.max_duration_s)
    return studio.video_job(video, asked.prompt, asked.seed, preset)


def _check_picture(path: Path) -> None:
    read_image(path)


def _picture_job(studio: Studio, path: Path, asked: Asked, preset: Preset) -> Job:
    assert asked.duration_s is not None
    return studio.image_job(read_image(path), asked.duration_s, asked.prompt, asked.seed, preset)


def _check_sound(path: Path) -> None:
    found = probe(path)
    if found.kind != "audio" and not found.has_audio:
        raise MediaError(
            f"{path}: expected a sound, or a video with one; got a file of kind {found.kind} "
            "without"
        )


def _job_for_sound(task: TaskName, studio: Studio, path: Path, asked: Asked, preset: Preset) -> Job:
    sound = as_audio(path, max_duration_s=asked.max_duration_s)
    return studio.audio_job(task, sound, asked.prompt, asked.seed, preset)


TASKS: dict[str, Task] = {
    "v2a": Task(
        suffixes=VIDEO_SUFFIXES,
        allowed=(*VIDEOS, *SOUNDS),
        check=_check_video,
        # Matroska holds nearly every codec.
        suffix_for=lambda path: path.suffix if path.suffix.lower() in CONTAINERS else ".mkv",
        prepare=_video_job,
    ),
    "i2a": Task(
        suffixes=PICTURE_SUFFIXES,
        allowed=SOUNDS,
        check=_check_picture,
        suffix_for=lambda path: ".wav",
        prepare=_picture_job,
    ),
    "a2v": Task(
        suffixes=AUDIO_SUFFIXES,
        allowed=VIDEOS,
        check=_check_sound,
        suffix_for=lambda path: ".mp4",
        prepare=partial(_job_for_sound, "a2v"),
    ),
    "a2i": Task(
        suffixes=AUDIO_SUFFIXES,
        allowed=PICTURES,
        check=_check_sound,
        suffix_for=lambda path: ".png",
        prepare=partial(_job_for_sound, "a2i"),
    ),
}


def make_all(name: TaskName, inputs: Sequence[str], output: str, asked: Asked) -> int:
    """Check all that can be checked, load the models once, then make one output after the other.

    Args:
        name: Of the task.
        inputs: Files, folders and patterns.
        output: A file or, for several inputs, a folder.
        asked: Everything else.

    Returns:
        The exit code: 2 if any input failed, and the others are done.
    """
    task = TASKS[name]
    num_failed = num_done = 0
    preset = preset_asked(name, asked)

    def fail(error: SeehearError, path: Path | None = None) -> None:
        nonlocal num_failed
        num_failed += 1
        tell_error(error, path)

    sources = expanded(inputs, task.suffixes, fail)
    todo: list[Errand] = []
    for errand in errands(sources, output, lambda path: asked.suffix or task.suffix_for(path)):
        try:
            check_target(errand, task.allowed, overwrite=asked.overwrite or asked.dry_run)
            task.check(errand.source)
            todo.append(errand)
        except SeehearError as error:
            fail(error, errand.source)
    if asked.dry_run and (recipe := recipe_without_weights(asked)):
        for errand in todo:
            out.print(predicted_text(str(errand.source), errand.target, recipe, asked))
        return 2 if num_failed else 0
    studio = loaded_studio(asked) if todo else None
    expected_s = 0.0
    for errand in todo:
        assert studio is not None
        try:
            if asked.dry_run:
                plan = measured_plan(studio, task.prepare(studio, errand.source, asked, preset))
                expected_s += plan.seconds
                out.print(plan_text(str(errand.source), errand.target, plan))
            else:
                prepared = partial(task.prepare, studio, errand.source, asked, preset)
                _make_one(studio, prepared, errand.target, errand.source.name, asked)
        except Cancelled:
            raise
        except SeehearError as error:
            fail(error, errand.source)
        else:
            num_done += 1
    if asked.dry_run and num_done > 1:
        out.print(f"all {num_done} inputs: about {expected_s:.1f} s")
    if num_failed and num_failed + num_done > 1:
        err.print(f"{num_done} of {num_failed + num_done} inputs done, {num_failed} failed")
    return 2 if num_failed else 0


def make_joint(prompt: str, output: str, asked: Asked) -> int:
    """Make a video and its sound from a sentence.

    Returns:
        The exit code, 0.

    Raises:
        MediaError: The output cannot be written.
        SettingsError: A duration out of range, or no such device.
        WeightsError: The models cannot be loaded.
    """
    target = Path(output)
    if target.is_dir() or not target.suffix:
        raise MediaError(f"{output}: expected the name of a file to write, such as out.mp4")
    errand = Errand(Path(prompt), target)
    check_target(errand, VIDEOS, overwrite=asked.overwrite or asked.dry_run)
    preset = preset_asked("joint", asked)
    if asked.dry_run and (recipe := recipe_without_weights(asked)):
        out.print(predicted_text(f'"{prompt}"', target, recipe, asked))
        return 0
    studio = loaded_studio(asked)

    def prepared() -> Job:
        return studio.text_job(
            prompt, asked.seed, preset, asked.duration_s, asked.sound_prompt, asked.picture_prompt
        )

    if asked.dry_run:
        out.print(plan_text(f'"{prompt}"', target, measured_plan(studio, prepared())))
    else:
        _make_one(studio, prepared, target, target.name, asked)
    return 0


def _make_one(
    studio: Studio, prepared: Callable[[], Job], target: Path, name: str, asked: Asked
) -> None:
    began = time.perf_counter()
    with step_progress(name, asked.quiet) as on_step:
        job = prepared()
        if asked.previews is not None:
            on_step = saving_previews(asked.previews, target.stem, on_step)
        result = studio.make(job, on_step)
    target.parent.mkdir(parents=True, exist_ok=True)
    save(result, target, is_mix=asked.mix, upscale=asked.upscale)
    if not asked.quiet:
        took_s = time.perf_counter() - began
        words = named_as(job.named, job.prompt, job.captioned_by)
        out.print(f"{target}: {made_text(result)} in {took_s:.1f} s; {words}")


def save(result: Result, target: Path, *, is_mix: bool, upscale: int) -> None:
    """Write media and manifest; the manifest remembers whether the old sound was kept."""
    result = replace(result, settings={**result.settings, "mix": is_mix})
    result.save(target, keep="mix" if is_mix else "replace", upscale=upscale)


def preset_asked(task: TaskName, asked: Asked) -> Preset:
    """The task's preset with the changes that options ask for."""
    changes = {} if asked.lr is None else {"lr_latents": asked.lr}
    if asked.lr == 0:  # whoever turns guidance off means all of it
        changes["lr_prompt"] = 0.0
    preset = adjusted(asked.preset, num_steps=asked.steps, task=task, **changes)
    return preset if asked.sync is None else replace(preset, sync_weight=asked.sync)
