"""Clips and pictures, one after the other: read, make, save; one that fails stops no other."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from seehear.cli.console import err, out, plan_text, saving_previews, step_progress, tell_error
from seehear.cli.load_models import loaded_studio, needing, predicted_text, recipe_without_weights
from seehear.cli.options import RunOptions
from seehear.cli.paths import (
    InputOutput,
    OutputPaths,
    check_page,
    check_target,
    expand_inputs,
    pair_outputs,
)
from seehear.diagnostics.dry_run import time_dry_run
from seehear.errors import Cancelled, MediaError, SeehearError
from seehear.media import check_folder_of, probe, read_image
from seehear.media.suffixes import VIDEO_SUFFIXES
from seehear.pipeline.messages import ineffective_options, output_summary, prompt_note
from seehear.pipeline.presets import Preset
from seehear.pipeline.request import Request
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TAKES, WRITES, TaskName, suffix_for

GALLERY = "reports.html"  # of several outputs with --report, in their folder
# What an order and the options of a command have in common.
_SHARED = {field.name for field in fields(Request)} & {field.name for field in fields(RunOptions)}


def _check_video(path: Path) -> None:
    kind = probe(path).kind
    if kind != "video":
        hint = "use seehear i2a" if kind == "image" else "there is no picture to go by"
        raise MediaError(f"{path}: expected a video, got a file of kind {kind}; {hint}")


def _check_picture(path: Path) -> None:
    read_image(path)


def _check_sound(path: Path) -> None:
    found = probe(path)
    if found.kind != "audio" and not found.has_audio:
        raise MediaError(
            f"{path}: expected a sound, or a video with one; got a file of kind {found.kind} "
            "without"
        )


# By task: raises MediaError for a file of another kind, quickly.
_CHECKS: Mapping[str, Callable[[Path], None]] = {
    "v2a": _check_video,
    "i2a": _check_picture,
    "a2v": _check_sound,
    "a2i": _check_sound,
}


def run_inputs(name: TaskName, inputs: Sequence[str], output: str, asked: RunOptions) -> int:
    """Check all that can be checked, load the models once, then make one output after the other.

    Args:
        name: Of the task.
        inputs: Files, folders and patterns.
        output: A file or, for several inputs, a folder.
        asked: Everything else.

    Returns:
        The exit code: 2 if any input failed, and the others are done.
    """
    num_failed = num_done = 0
    preset = request_from(name, None, asked).preset_settings()
    _tell_if_unguided(preset, asked)
    if asked.report:
        _pages()

    def fail(error: SeehearError, path: Path | None = None) -> None:
        nonlocal num_failed
        num_failed += 1
        tell_error(error, path)

    sources = expand_inputs(inputs, TAKES[name], fail)
    todo: list[InputOutput] = []
    made: list[Path] = []  # manifests
    for errand in pair_outputs(
        sources, output, lambda path: asked.suffix or suffix_for(name, path)
    ):
        try:
            _check_target(errand, WRITES[name], asked)
            _CHECKS[name](errand.source)
            todo.append(errand)
        except SeehearError as error:
            fail(error, errand.source)
    if asked.dry_run and (recipe := recipe_without_weights(asked)):
        for errand in todo:
            seconds = asked.duration_s if name == "i2a" else probe(errand.source).duration_s
            out.print(predicted_text(str(errand.source), errand.target, recipe, asked, seconds))
        return 2 if num_failed else 0
    gallery = todo[0].target.parent / GALLERY if asked.report and len(todo) > 1 else None
    if gallery is not None:
        check_page(gallery, overwrite=asked.overwrite or asked.dry_run)
    studio = loaded_studio(asked, name) if todo else None
    expected_s = 0.0
    for errand in todo:
        assert studio is not None
        try:
            if asked.dry_run:
                job = request_from(name, errand.source, asked).job(studio, preset)
                plan = time_dry_run(studio, job)
                expected_s += plan.seconds
                out.print(plan_text(str(errand.source), errand.target, plan))
            else:
                order = request_from(name, errand.source, asked)
                _make_one(studio, order, preset, errand.target, errand.source.name, asked)
        except Cancelled:
            raise
        except SeehearError as error:
            fail(error, errand.source)
        else:
            num_done += 1
            made += [] if asked.dry_run else [errand.manifest]
    if gallery is not None and made:
        _write_gallery(made, gallery, asked)
    if asked.dry_run and num_done > 1:
        out.print(f"all {num_done} inputs: about {expected_s:.1f} s")
    if num_failed and num_failed + num_done > 1:
        err.print(f"{num_done} of {num_failed + num_done} inputs done, {num_failed} failed")
    return 2 if num_failed else 0


def run_joint(prompt: str, output: str, asked: RunOptions) -> int:
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
    _check_target(OutputPaths(target), WRITES["joint"], asked)
    check_folder_of(target)
    order = replace(request_from("joint", None, asked), prompt=prompt)
    preset = order.preset_settings()
    _tell_if_unguided(preset, asked)
    if asked.report:
        _pages()
    if asked.dry_run and (recipe := recipe_without_weights(asked)):
        out.print(predicted_text(f'"{prompt}"', target, recipe, asked, asked.duration_s))
        return 0
    studio = loaded_studio(asked, "joint")
    if asked.dry_run:
        out.print(plan_text(f'"{prompt}"', target, time_dry_run(studio, order.job(studio, preset))))
    else:
        _make_one(studio, order, preset, target, target.name, asked)
    return 0


def _tell_if_unguided(preset: Preset, asked: RunOptions) -> None:
    """Say so where nothing will be pulled, though the preset would: there are too few steps."""
    aligner, num_steps = preset.settings.aligner, preset.settings.num_steps
    if asked.quiet or any(aligner.is_guided(i, num_steps) for i in range(num_steps)):
        return
    if any(aligner.is_guided(i, 1000) for i in range(1000)):
        err.print(
            f"with {num_steps} steps none is guided by this preset: what is made follows the "
            "words alone; more --steps change that"
        )


def _make_one(
    studio: Studio, order: Request, preset: Preset, target: Path, name: str, asked: RunOptions
) -> None:
    began = time.perf_counter()
    with step_progress(name, asked.quiet) as on_step:
        job = order.job(studio, preset)
        for clause in () if asked.quiet else ineffective_options(job, studio.captioner):
            err.print(f"{name}: {clause}")
        if asked.previews is not None:
            on_step = saving_previews(asked.previews, target.stem, on_step)
        result = studio.make(job, on_step)
    _, manifest = order.save(result, target)
    took_s = time.perf_counter() - began
    if asked.report:
        pages = _pages()
        pages.write_page(pages.read_run(manifest), target.with_suffix(".html"))
    if not asked.quiet:
        words = prompt_note(job.named, job.prompt, job.captioned_by)
        out.print(f"{target}: {output_summary(result)} in {took_s:.1f} s; {words}")


def _check_target(wanted: OutputPaths, allowed: Sequence[str], asked: RunOptions) -> None:
    """Refuse what could not be kept: media, manifest and report."""
    overwrite = asked.overwrite or asked.dry_run
    check_target(wanted, allowed, overwrite=overwrite, with_page=asked.report)
    if asked.report and wanted.page.name.lower() == GALLERY:
        raise MediaError(f"{wanted.page}: {GALLERY} is the gallery's; choose another name")
    kind = wanted.target.suffix.lower()
    if asked.suffix is not None and asked.suffix.lower() != kind:
        raise MediaError(
            f"{wanted.target}: --suffix {asked.suffix} is for outputs in a folder; name the "
            f"output so, or leave --suffix out"
        )
    if asked.mix and kind not in VIDEO_SUFFIXES:
        raise MediaError(
            f"{wanted.target}: --mix keeps a clip's own sound beneath the new one in a video, got "
            f"a file of sound alone; end the name in .mp4, or leave --mix out"
        )


def _write_gallery(manifests: Sequence[Path], page: Path, asked: RunOptions) -> None:
    pages = _pages()
    runs, _ = pages.read_runs(manifests)
    pages.write_gallery(runs, page)
    if not asked.quiet:
        out.print(f"{page}: {len(runs)} runs")


def _pages():
    """The part of the package that writes reports.

    Raises:
        SettingsError: What it needs is not installed.
    """
    with needing("--report", "report"):
        from seehear import report
    return report


def request_from(task: TaskName, source: Path | None, asked: RunOptions) -> Request:
    """What the options of a command ask for, of one input."""
    return Request(
        task=task,
        source=source,
        **{name: getattr(asked, name) for name in _SHARED},
    )
