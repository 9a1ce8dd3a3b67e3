"""Clips and pictures, one after the other: read, make, save; one that fails stops no other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seehear.cli.files import (
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    Errand,
    check_target,
    errands,
    expanded,
)
from seehear.cli.options import Asked
from seehear.cli.show import err, named_as, out, plan_text, step_progress, tell_error
from seehear.errors import Cancelled, MediaError, SeehearError, SettingsError
from seehear.given import FRAMES_PER_S
from seehear.media import probe, read_image, read_video
from seehear.media.encode import CONTAINERS
from seehear.media.write import SOUND_FORMATS
from seehear.outputs import Result
from seehear.plan import measured_plan
from seehear.presets import Preset
from seehear.tasks import Job, Studio, adjusted, load

SOUNDS = tuple(SOUND_FORMATS)
VIDEOS = tuple(sorted(CONTAINERS))


@dataclass(frozen=True, kw_only=True)
class Task:
    """What differs between v2a and i2a."""

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
    return studio.image_job(read_image(path), asked.duration_s, asked.prompt, asked.seed, preset)


TASKS = {
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
}


def make_all(name: str, inputs: Sequence[str], output: str, asked: Asked) -> int:
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
    preset = preset_asked(asked)

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
    studio = loaded_studio(asked) if todo else None
    expected_s = 0.0
    for errand in todo:
        assert studio is not None
        try:
            if asked.dry_run:
                plan = measured_plan(studio, task.prepare(studio, errand.source, asked, preset))
                expected_s += plan.seconds
                out.print(plan_text(errand.source, errand.target, plan))
            else:
                _make_one(studio, task, errand, preset, asked)
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


def _make_one(studio: Studio, task: Task, errand: Errand, preset: Preset, asked: Asked) -> None:
    began = time.perf_counter()
    with step_progress(errand.source.name, asked.quiet) as on_step:
        job = task.prepare(studio, errand.source, asked, preset)
        result = studio.make(job, on_step)
    errand.target.parent.mkdir(parents=True, exist_ok=True)
    save(result, errand.target, is_mix=asked.mix)
    if not asked.quiet:
        took_s = time.perf_counter() - began
        out.print(
            f"{errand.target}: {result.duration_s:.2f} s of sound in {took_s:.1f} s; "
            f"{named_as(job.named, job.prompt)}"
        )


def save(result: Result, target: Path, *, is_mix: bool) -> None:
    """Write media and manifest; the manifest remembers whether the old sound was kept."""
    result = replace(result, settings={**result.settings, "mix": is_mix})
    result.save(target, keep="mix" if is_mix else "replace")


def preset_asked(asked: Asked) -> Preset:
    """The preset with the changes that options ask for."""
    changes = {} if asked.lr is None else {"lr_latents": asked.lr}
    if asked.lr == 0:  # whoever turns guidance off means all of it
        changes["lr_prompt"] = 0.0
    preset = adjusted(asked.preset, num_steps=asked.steps, **changes)
    return preset if asked.sync is None else replace(preset, sync_weight=asked.sync)


def loaded_studio(asked: Asked) -> Studio:
    """Set the number of threads and load the models.

    Raises:
        SettingsError: This PyTorch has no such device.
    """
    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    check_device(asked.device)
    return load(
        asked.models,
        audio=asked.audio,
        binder=asked.binder,
        device=asked.device,
        dtype=getattr(torch, asked.dtype),
    )


def check_device(device: str) -> None:
    """Raise SettingsError unless a tensor can be put there."""
    try:
        torch.empty(1, device=device)
    # PyTorch tells of unknown, absent and unsupported devices by three kinds of error.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"expected a device that this PyTorch can use, got {device!r} ({reason}); "
            "leave --device out to run on the CPU"
        ) from error
