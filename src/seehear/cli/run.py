"""Inputs and outputs of a command, checked before models are loaded or PyTorch is imported."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seehear.cli.console import err, print_error
from seehear.cli.paths import (
    InputOutput,
    OutputPaths,
    check_page,
    check_target,
    expand_inputs,
    pair_outputs,
)
from seehear.cli.run_options import RunOptions
from seehear.cli.stop_signals import raise_if_stopped
from seehear.errors import MediaError, SeehearError, SettingsError
from seehear.media.folders import check_folder_of, existing_file
from seehear.media.suffixes import is_media_name
from seehear.media.track import stem_paths
from seehear.pipeline.presets import PAPER_BACKBONES
from seehear.pipeline.request import Request
from seehear.pipeline.task import TASKS

GALLERY = "reports.html"  # written for several outputs with --report, in their folder


class Failures:
    """Counts the inputs that failed, and prints an error for each."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, error: SeehearError, *paths: Path) -> None:
        """Print one error as `print_error`; raises `Stopped` if it comes from a signal."""
        raise_if_stopped()
        self.count += 1
        print_error(error, *paths)


def run_inputs(inputs: Sequence[str], output: str, options: RunOptions) -> int:
    """Check inputs and outputs, load the models once, then generate one output per input.

    Args:
        inputs: Files, folders and patterns.
        output: A file or, for several inputs, a folder.
        options: Everything else.

    Returns:
        The exit code: 0, or 2 if any input failed; the others are generated all the same.
    """
    task, fail = TASKS[options.request.task], Failures()
    _check_files(options.request)
    _warn_if_unguided(options)
    sources = expand_inputs(inputs, task.reads, fail)
    todo: list[InputOutput] = []
    pairs = pair_outputs(sources, output, lambda s: options.output.suffix or task.suffix_for(s))
    for pair in takes_of(pairs, options):
        try:
            _check_target(pair, task.writes, options)
            existing_file(pair.source)
            todo.append(pair)
        except SeehearError as error:
            fail(error, pair.source, *pair.written)
    if not todo:
        return 2 if fail.count else 0
    gallery = None
    if options.output.report and len(todo) > 1:
        gallery = todo[0].target.parent / GALLERY
        check_page(gallery, overwrite=options.output.overwrite or options.output.dry_run)

    from seehear.cli.generate import generate_all

    return generate_all(todo, gallery, options, fail)


def takes_of(pairs: Sequence[InputOutput], options: RunOptions) -> list[InputOutput]:
    """The pairs, or with --takes one for every seed of each pair."""
    count, seed = options.output.count, options.request.seed
    if count == 1:
        return list(pairs)
    return [pair.take(seed + k) for pair in pairs for k in range(count)]


def run_joint(prompt: str | None, output: str, options: RunOptions) -> int:
    """Generate a video and its audio, from a prompt or by a joint model; or several of them.

    Returns:
        The exit code: 0, or 2 if an output failed; the others are generated all the same.

    Raises:
        MediaError: The output cannot be written, or the reference cannot be read.
        SettingsError: A duration out of range, no such device, or no prompt for two models.
        WeightsError: The models cannot be loaded.
    """
    request = options.request
    if options.load.backbone is not None or request.preset in PAPER_BACKBONES:
        reference = None if request.like is None else Path(request.like)
        request = replace(request, task="joint-model", source=reference, like=None)
        _refuse_own_prompts(request)
    elif prompt is None:
        raise SettingsError(
            "expected a PROMPT without --backbone; give one, or name a joint model, such as "
            "--backbone mm-diffusion"
        )
    request = replace(request, prompt=prompt)
    if request.source is not None:
        existing_file(request.source)
    _check_files(request)
    count, seed = options.output.count, request.seed
    targets = [_joint_target(output, None if count == 1 else seed + k) for k in range(count)]
    for target in targets:
        _check_target(OutputPaths(target), TASKS[request.task].writes, options)
        if count == 1:
            check_folder_of(target)
    options = replace(options, request=request)
    _warn_if_unguided(options)

    from seehear.cli.generate import generate_from_prompt

    return generate_from_prompt(targets, options, Failures())


def _joint_target(output: str, seed: int | None) -> Path:
    """The file to write; in a folder it is named after its seed."""
    target = Path(output)
    is_folder = target.is_dir() or not target.suffix
    if seed is None and is_folder:
        raise MediaError(f"{output}: expected the name of a file to write, such as out.mp4")
    if seed is not None and not is_folder:
        raise MediaError(f"{output}: expected a folder for several outputs; end the name with /")
    return target if seed is None else target / f"seed_{seed}{TASKS['joint'].suffix}"


def _refuse_own_prompts(request: Request) -> None:
    if request.audio_prompt is not None or request.video_prompt is not None:
        raise SettingsError(
            "expected one prompt for both streams of a joint model, got --audio-prompt or "
            "--video-prompt; use --prompt"
        )


def _check_files(request: Request) -> None:
    """Refuse references that are no readable files, before models are loaded."""
    for path in _reference_files(request):
        existing_file(path)


def _reference_files(request: Request) -> list[Path]:
    """The files that the request names besides its input. A veto may be text."""
    veto = request.veto if request.veto and is_media_name(request.veto) else None
    return [Path(name) for name in (request.like, veto) if name is not None]


def _warn_if_unguided(options: RunOptions) -> None:
    """Warn if the preset guides, but this number of steps is too small for a guided step."""
    settings = options.request.preset_settings().settings
    aligner, num_steps = settings.aligner, settings.num_steps
    if options.output.quiet or aligner.num_guided(num_steps):
        return
    if aligner.num_guided(1000):
        err.print(
            f"the preset guides no step when --steps is {num_steps}; the output depends on the "
            "prompt only. Increase --steps."
        )


def _check_target(paths: OutputPaths, allowed: Sequence[str], options: RunOptions) -> None:
    """Refuse media, a manifest or a report that could not be written."""
    output = options.output
    beside = stem_paths(paths.target, options.request.track)
    beside += [paths.page] if output.report else []
    beside += [paths.markers] if output.markers else []
    check_target(paths, allowed, overwrite=output.overwrite or output.dry_run, beside=beside)
    if output.report and paths.page.name.lower() == GALLERY:
        raise MediaError(f"{paths.page}: {GALLERY} is the name of the gallery; choose another name")
    suffix = paths.target.suffix.lower()
    if output.suffix is not None and output.suffix.lower() != suffix:
        raise MediaError(
            f"{paths.target}: --suffix {output.suffix} is for outputs in a folder; use that suffix "
            "in the output's name, or drop --suffix"
        )
    options.request.check(suffix)
    references = [path for path in _reference_files(options.request) if path.exists()]
    for path in paths.written:
        if path.exists() and any(path.samefile(reference) for reference in references):
            raise MediaError(f"{path}: is the reference itself; choose another name")
