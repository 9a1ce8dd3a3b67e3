"""Load the models of a command, with the settings of a paper run and of the memory limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from seehear.cli.console import err
from seehear.cli.run_options import RunOptions
from seehear.diagnostics.doctor.machine import device_problem
from seehear.diagnostics.estimate import estimate_lines, estimate_run
from seehear.diagnostics.memory_mode import HEADROOM, MemoryPlan, fitting, free_bytes
from seehear.errors import SettingsError
from seehear.models.cache import path_of
from seehear.models.catalogue import ModelEntry, find_model
from seehear.models.checkpoints import download_notice
from seehear.models.families import chosen_sources
from seehear.models.load_options import LoadOptions
from seehear.pipeline.paper_runs import PAPER_RUNS, PaperRun, paper_run_for
from seehear.pipeline.presets import PAPER_BACKBONES
from seehear.pipeline.studio import Studio, load_studio
from seehear.pipeline.task import TASKS, TaskName


def loaded_studio(options: RunOptions, task: TaskName | None = None) -> Studio:
    """Set the number of threads and load the models. A paper preset selects the paper's models.

    Size and licence of every download are printed first.

    Args:
        options: The options.
        task: The task to load models for; None: any task.

    Raises:
        SettingsError: PyTorch does not have the device, or nothing fits the memory limit.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    studio = load_studio(load_options(options, task))
    if task is not None:
        # Load now, so that a wrong folder is reported once, not for every input.
        for part in TASKS[task].makes.values():
            studio.family.backbone(part)
    return studio


def load_options(options: RunOptions, task: TaskName | None = None) -> LoadOptions:
    """The load options, with the changes by a paper run and by the memory limit.

    Arguments and errors as `loaded_studio`.
    """
    load = options.load
    check_device(load.device)
    paper_run = PAPER_RUNS.get(options.request.preset)
    if paper_run is not None:
        load = replace(
            load, models="paper", clip=dict(paper_run.clip), binder_options=dict(paper_run.binder)
        )
    if options.request.preset in PAPER_BACKBONES:
        backbone = load.backbone or PAPER_BACKBONES[options.request.preset]
        load = replace(load, models="paper", backbone=backbone)
    if options.memory is not None:
        plan = memory_plan(options, task)
        if not options.output.quiet:
            err.print(f"memory: {plan}")
        dtype = str(plan.dtype).removeprefix("torch.")
        load = replace(load, dtype=dtype, checkpointing=plan.checkpointing, lean=plan.lean)
    for entry in _missing(options, task):
        # The binder is never downloaded here: the error of `load_studio` names the command for it.
        if not options.output.quiet and entry.role != "binder":
            err.print(f"download: {download_notice(entry)}")
    return load


def memory_plan(options: RunOptions, task: TaskName | None = None) -> MemoryPlan:
    """The fastest way to load the paper's models within the memory limit.

    Args:
        options: The options.
        task: The task to plan for; None: the task that needs the most memory.

    Raises:
        SettingsError: --memory is not a number, nothing fits, or the models are not the paper's.
    """
    paper_runs = _paper_runs(options, task)
    if not paper_runs:
        raise SettingsError(
            "--memory works with --models paper and its presets only, and the pocket family needs "
            "about 1 GB; drop --memory"
        )
    if options.memory == "auto":
        budget = HEADROOM * free_bytes(options.load.device)
    else:
        try:
            budget = float(options.memory or "") * 1e9
        except ValueError:
            raise SettingsError(
                f"--memory: expected auto or a number of gigabytes, got {options.memory!r}"
            ) from None
    return fitting(
        options.load.device,
        int(budget),
        lambda plan: max(estimate_run(run, plan).peak_bytes for run in paper_runs),
    )


def paper_run_without_weights(options: RunOptions) -> PaperRun | None:
    """The paper run of the preset, if its weights are not on this machine; else None."""
    paper_run = PAPER_RUNS.get(options.request.preset)
    return paper_run if paper_run is not None and _missing(options) else None


def _paper_runs(options: RunOptions, task: TaskName | None) -> list[PaperRun]:
    """The paper runs that the models are loaded for; none for another family."""
    if options.request.preset in PAPER_RUNS:
        return [PAPER_RUNS[options.request.preset]]
    if options.load.models != "paper":
        return []
    return [paper_run_for(task)] if task else [PAPER_RUNS["paper-joint"], PAPER_RUNS["paper-v2a"]]


def _missing(options: RunOptions, task: TaskName | None = None) -> list[ModelEntry]:
    """Known checkpoints that the options need and that are not on this machine."""
    named = [options.load.audio, options.load.video, options.load.motion, options.load.captioner]
    for paper_run in _paper_runs(options, task):
        sources = chosen_sources(
            {
                "audio": options.load.audio,
                "video": options.load.video,
                "motion": options.load.motion,
            },
            {"audio": paper_run.audio, "video": paper_run.video, "motion": paper_run.motion},
        )
        named += [*map(str, sources.values()), None if options.load.binder else "imagebind"]
    by_name = [source for source in dict.fromkeys(named) if source and not Path(source).exists()]
    needed = (find_model(source) for source in by_name)
    return [entry for entry in needed if entry is not None and path_of(entry) is None]


def estimate_text(
    source: str, target: Path, paper_run: PaperRun, options: RunOptions, duration_s: float | None
) -> str:
    """Estimated cost of a paper run whose weights are not on this machine.

    `duration_s` is that of the output; None: that of the paper run.
    """
    plan = (
        memory_plan(options) if options.memory else MemoryPlan(getattr(torch, options.load.dtype))
    )
    lines = [
        f"{source} -> {target}",
        *estimate_lines(estimate_run(paper_run, plan, duration_s, options.request.steps)),
    ]
    lines += [f"  not on this machine: {download_notice(entry)}" for entry in _missing(options)]
    return "\n".join(lines)


def check_device(device: str) -> None:
    """Raise SettingsError unless PyTorch can use the device."""
    problem = device_problem(device)
    if problem is not None:
        raise SettingsError(problem)


@contextmanager
def needing(feature: str, extra: str) -> Iterator[None]:
    """Import a part of the package that needs the libraries of an extra.

    Raises:
        SettingsError: A library is not installed; the message names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'{feature} needs {error.name}, which is not installed: pip install "seehear[{extra}]"'
        ) from error
