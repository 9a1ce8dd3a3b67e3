"""From options to loaded models: families, recipes of the paper, and ways to need less memory."""

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
from seehear.pipeline.studio import Studio, load_studio
from seehear.pipeline.task import TASKS, TaskName


def loaded_studio(options: RunOptions, task: TaskName | None = None) -> Studio:
    """Set the number of threads and load the models, those of a paper run if its preset is chosen.

    Downloads are announced with their size and licence.

    Args:
        options: The options.
        task: The only one that the models are for; None: any.

    Raises:
        SettingsError: This PyTorch has no such device, or nothing fits the memory limit.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    studio = load_studio(load_options(options, task))
    if task is not None:
        # A folder that holds no such model is reported once, not for every input.
        for part in TASKS[task].makes.values():
            studio.family.backbone(part)
    return studio


def load_options(options: RunOptions, task: TaskName | None = None) -> LoadOptions:
    """What to load: the options, with those of a paper run and of the memory limit.

    Arguments and errors as `loaded_studio`.
    """
    load = options.load
    check_device(load.device)
    recipe = PAPER_RUNS.get(options.request.preset)
    if recipe is not None:
        load = replace(
            load, models="paper", clip=dict(recipe.clip), binder_options=dict(recipe.binder)
        )
    if options.memory is not None:
        plan = memory_plan(options, task)
        if not options.output.quiet:
            err.print(f"memory: {plan}")
        dtype = str(plan.dtype).removeprefix("torch.")
        load = replace(load, dtype=dtype, checkpointing=plan.checkpointing, lean=plan.lean)
    for entry in _missing(options, task):
        # The binder is never fetched unasked: loading the family says how to get it.
        if not options.output.quiet and entry.role != "binder":
            err.print(f"to be fetched: {download_notice(entry)}")
    return load


def memory_plan(options: RunOptions, task: TaskName | None = None) -> MemoryPlan:
    """The fastest way to load the paper's models that stays below the memory asked for.

    Args:
        options: The options.
        task: The only one that the models are for; None: the dearest of those they allow.

    Raises:
        SettingsError: Not a number, nothing fits, or models that are small anyway.
    """
    recipes = _recipes(options, task)
    if not recipes:
        raise SettingsError(
            "--memory is for --models paper and its presets; the pocket family takes about 1 GB "
            "whatever it makes"
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
        lambda plan: max(estimate_run(r, plan).peak_bytes for r in recipes),
    )


def recipe_without_weights(options: RunOptions) -> PaperRun | None:
    """The recipe that was asked for, if its weights are not on this machine; else None."""
    recipe = PAPER_RUNS.get(options.request.preset)
    return recipe if recipe is not None and _missing(options) else None


def _recipes(options: RunOptions, task: TaskName | None) -> list[PaperRun]:
    """What the paper's models would be loaded for: none if others were asked for."""
    if options.request.preset in PAPER_RUNS:
        return [PAPER_RUNS[options.request.preset]]
    if options.load.models != "paper":
        return []
    return [paper_run_for(task)] if task else [PAPER_RUNS["paper-joint"], PAPER_RUNS["paper-v2a"]]


def _missing(options: RunOptions, task: TaskName | None = None) -> list[ModelEntry]:
    """Known checkpoints that the options need and this machine lacks."""
    named = [options.load.audio, options.load.video, options.load.motion, options.load.captioner]
    for recipe in _recipes(options, task):
        sources = chosen_sources(
            {
                "audio": options.load.audio,
                "video": options.load.video,
                "motion": options.load.motion,
            },
            {"audio": recipe.audio, "video": recipe.video, "motion": recipe.motion},
        )
        named += [*map(str, sources.values()), None if options.load.binder else "imagebind"]
    by_name = [source for source in dict.fromkeys(named) if source and not Path(source).exists()]
    needed = (find_model(source) for source in by_name)
    return [entry for entry in needed if entry is not None and path_of(entry) is None]


def predicted_text(
    source: str, target: Path, recipe: PaperRun, options: RunOptions, duration_s: float | None
) -> str:
    """What a recipe would take, for a machine that lacks its weights.

    `duration_s` is of what is made, None: the recipe's.
    """
    plan = (
        memory_plan(options) if options.memory else MemoryPlan(getattr(torch, options.load.dtype))
    )
    lines = [
        f"{source} -> {target}",
        *estimate_lines(estimate_run(recipe, plan, duration_s, options.request.steps)),
    ]
    lines += [f"  not on this machine: {download_notice(entry)}" for entry in _missing(options)]
    return "\n".join(lines)


def check_device(device: str) -> None:
    """Raise SettingsError unless a tensor can be put there."""
    problem = device_problem(device)
    if problem is not None:
        raise SettingsError(problem)


@contextmanager
def needing(asked_by: str, extra: str) -> Iterator[None]:
    """Import a part of the package that needs more than the core.

    Raises:
        SettingsError: What it needs is not installed; says which extra brings it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'{asked_by} needs {error.name}, which is not installed: pip install "seehear[{extra}]"'
        ) from error
