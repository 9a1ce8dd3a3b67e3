"""Read, generate and save the outputs of a command in turn. A failure does not stop the others."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from seehear.cli.console import err, out
from seehear.cli.load_models import estimate_text, loaded_studio, needing, paper_run_without_weights
from seehear.cli.paths import InputOutput, OutputPaths
from seehear.cli.progress import plan_text, saving_previews, step_progress
from seehear.cli.run import Failures
from seehear.cli.run_options import RunOptions
from seehear.diagnostics.dry_run import time_dry_run
from seehear.errors import Cancelled, SeehearError
from seehear.media import probe
from seehear.pipeline.inputs import check_kind
from seehear.pipeline.markers import labels_text, markers_of
from seehear.pipeline.messages import (
    guidance_failures,
    ineffective_options,
    output_summary,
    prompt_note,
    ranking,
    shot_notes,
)
from seehear.pipeline.presets import Preset
from seehear.pipeline.request import Request
from seehear.pipeline.result import Result
from seehear.pipeline.run_request import check_output, job_for, save_output
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TASKS


def generate_all(
    pairs: Sequence[InputOutput], gallery: Path | None, options: RunOptions, fail: Failures
) -> int:
    """Generate every output; returns the exit code, 2 if any input failed."""
    name, output = options.request.task, options.output
    if output.report:
        _pages()
    todo: list[InputOutput] = []
    for pair in pairs:
        try:
            check_kind(name, pair.source)
            todo.append(pair)
        except SeehearError as error:
            fail(error, pair.source, *pair.written)
    if output.dry_run and (paper_run := paper_run_without_weights(options)):
        for pair in todo:
            has_duration = TASKS[name].has_duration
            seconds = options.request.duration_s if has_duration else probe(pair.source).duration_s
            out.print(estimate_text(str(pair.source), pair.target, paper_run, options, seconds))
        return 2 if fail.count else 0
    studio = loaded_studio(options, name) if todo else None
    preset = options.request.preset_settings()
    expected_s, num_done = 0.0, 0
    written: list[Path] = []  # manifests
    agreements: dict[Path, dict[Path, float]] = {}  # of the takes of every source
    for pair in todo:
        assert studio is not None
        request = replace(options.request, source=pair.source)
        if pair.seed is not None:
            request = replace(request, seed=pair.seed)
        try:
            if output.dry_run:
                plan = time_dry_run(studio, job_for(studio, request, preset))
                expected_s += plan.seconds
                out.print(plan_text(str(pair.source), pair.target, plan))
            else:
                result = _generate(studio, request, preset, pair.target, pair.source.name, options)
                if result.agreement is not None:
                    agreements.setdefault(pair.source, {})[pair.target] = result.agreement
        except Cancelled:
            raise
        except SeehearError as error:
            fail(error, pair.source, *pair.written)
        else:
            num_done += 1
            written += [] if output.dry_run else [pair.manifest]
    for source, takes in agreements.items():
        _print_ranking(source.name, takes, options)
    if gallery is not None and written:
        _write_gallery(written, gallery, options)
    if output.dry_run and num_done > 1:
        out.print(f"all {num_done} inputs: about {expected_s:.1f} s")
    if fail.count and fail.count + num_done > 1:
        err.print(f"{num_done} of {fail.count + num_done} inputs done, {fail.count} failed")
    return 2 if fail.count else 0


def generate_from_prompt(targets: Sequence[Path], options: RunOptions, fail: Failures) -> int:
    """Generate outputs without an input file, with consecutive seeds; returns the exit code.

    Errors of a single output are raised. Of several outputs, one that fails does not stop the
    others.
    """
    first, preset = options.request, options.request.preset_settings()
    if options.output.report:
        _pages()
    name = f'"{first.prompt}"' if first.prompt is not None else first.task
    if options.output.dry_run and (paper_run := paper_run_without_weights(options)):
        for target in targets:
            out.print(estimate_text(name, target, paper_run, options, first.duration_s))
        return 0
    studio = loaded_studio(options, first.task)
    agreements: dict[Path, float] = {}
    for k, target in enumerate(targets):
        request = replace(first, seed=first.seed + k)
        try:
            if options.output.dry_run:
                plan = time_dry_run(studio, job_for(studio, request, preset))
                out.print(plan_text(name, target, plan))
            else:
                result = _generate(studio, request, preset, target, target.name, options)
                if result.agreement is not None:
                    agreements[target] = result.agreement
        except Cancelled:
            raise
        except SeehearError as error:
            if len(targets) == 1:
                raise
            fail(error, target)
    _print_ranking(name, agreements, options)
    return 2 if fail.count else 0


def _generate(
    studio: Studio, request: Request, preset: Preset, target: Path, name: str, options: RunOptions
) -> Result:
    """Generate and save one output, and print a line about it."""
    output, began = options.output, time.perf_counter()
    check_output(request, target)
    with step_progress(name, output.quiet) as on_step:
        job = job_for(studio, request, preset)
        for message in () if output.quiet else ineffective_options(job, studio.captioner):
            err.print(f"{name}: {message}")
        if output.previews is not None:
            on_step = saving_previews(output.previews, target.stem, on_step)
        result = studio.make(job, on_step, with_agreement=output.count > 1)
    _, manifest = save_output(
        result,
        target,
        track=request.track,
        is_reencoded=request.reencode,
        upscale=request.upscale,
    )
    took_s = time.perf_counter() - began
    if output.report:
        pages = _pages()
        pages.write_page(pages.read_run(manifest), target.with_suffix(".html"))
    if output.markers:
        labels = OutputPaths(target).markers
        labels.write_text(labels_text(markers_of(result)), encoding="utf-8")
    for message in guidance_failures(result):
        err.print(f"{name}: {message}")
    if not output.quiet:
        note = f"{len(job.shots)} shots"
        if not job.shots:
            note = prompt_note(job.naming, job.prompt, job.captioned_by)
        out.print(f"{target}: {output_summary(result)} in {took_s:.1f} s; {note}")
        for line in shot_notes(job):
            out.print(f"  {line}")
    return result


def _print_ranking(name: str, takes: Mapping[Path, float], options: RunOptions) -> None:
    """List the takes of an input by agreement, if there are several."""
    if len(takes) > 1 and not options.output.quiet:
        out.print(f"{name}: takes by agreement: {ranking(takes)}")


def _write_gallery(manifests: Sequence[Path], page: Path, options: RunOptions) -> None:
    pages = _pages()
    runs, _ = pages.read_runs(manifests)
    pages.write_gallery(runs, page)
    if not options.output.quiet:
        out.print(f"{page}: {len(runs)} runs")


def _pages() -> ModuleType:
    """The package that writes reports.

    Raises:
        SettingsError: A library that it needs is not installed.
    """
    with needing("--report", "report"):
        from seehear import report
    return report
