"""From options to loaded models: families, recipes of the paper, and ways to need less memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from seehear.cli.console import err
from seehear.cli.options import RunOptions
from seehear.diagnostics.doctor.machine import device_problem
from seehear.diagnostics.estimate import estimate_lines, estimate_run
from seehear.diagnostics.memory_mode import HEADROOM, MemoryPlan, fitting, free_bytes
from seehear.errors import SettingsError
from seehear.models.catalogue import ModelEntry, find_model
from seehear.models.checkpoints import download_notice, path_of
from seehear.models.families import chosen_sources
from seehear.pipeline.paper_runs import PAPER_RUNS, PaperRun, paper_run_for
from seehear.pipeline.studio import Studio, load
from seehear.pipeline.task import MAKES, TaskName


def loaded_studio(asked: RunOptions, task: TaskName | None = None) -> Studio:
    """Set the number of threads and load the models, those of a recipe if one was asked for.

    What must be fetched is told before: how big it is, and under which licence.

    Args:
        asked: The options.
        task: The only one that the models are for; None: any.

    Raises:
        SettingsError: This PyTorch has no such device, or nothing fits the memory asked for.
    """
    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    models, options = load_options(asked, task)
    studio = load(models, **options)
    if task is not None:
        # A folder that holds no such model shall be told of once, not for every input.
        for part in MAKES[task].values():
            studio.family.backbone(part)
    return studio


def load_options(asked: RunOptions, task: TaskName | None = None) -> tuple[str, dict[str, Any]]:
    """The family that was asked for and the options of `seehear.pipeline.studio.load`.

    Arguments and errors as `loaded_studio`.
    """
    check_device(asked.device)
    options: dict[str, Any] = {
        "audio": asked.audio,
        "video": asked.video,
        "motion": asked.motion,
        "binder": asked.binder,
        "device": asked.device,
        "dtype": getattr(torch, asked.dtype),
        "commercial": asked.commercial,
        "captioner": asked.captioner,
    }
    recipe = PAPER_RUNS.get(asked.preset)
    if recipe is not None:
        options |= {"clip": dict(recipe.clip), "binder_options": dict(recipe.binder)}
    if asked.memory is not None:
        plan = memory_plan(asked, task)
        if not asked.quiet:
            err.print(f"memory: {plan}")
        options |= plan.options
    for entry in _missing(asked, task):
        # The binder is never fetched unasked: loading the family says how to get it.
        if not asked.quiet and entry.role != "binder":
            err.print(f"to be fetched: {download_notice(entry)}")
    return "paper" if recipe else asked.models, options


def memory_plan(asked: RunOptions, task: TaskName | None = None) -> MemoryPlan:
    """The fastest way to load the paper's models that stays below the memory asked for.

    Args:
        asked: The options.
        task: The only one that the models are for; None: the dearest of those they allow.

    Raises:
        SettingsError: Not a number, nothing fits, or models that are small anyway.
    """
    recipes = _recipes(asked, task)
    if not recipes:
        raise SettingsError(
            "--memory is for --models paper and its presets; the pocket family takes about 1 GB "
            "whatever it makes"
        )
    if asked.memory == "auto":
        budget = HEADROOM * free_bytes(asked.device)
    else:
        try:
            budget = float(asked.memory or "") * 1e9
        except ValueError:
            raise SettingsError(
                f"--memory: expected auto or a number of gigabytes, got {asked.memory!r}"
            ) from None
    return fitting(
        asked.device,
        int(budget),
        lambda plan: max(estimate_run(r, plan).peak_bytes for r in recipes),
    )


def recipe_without_weights(asked: RunOptions) -> PaperRun | None:
    """The recipe that was asked for, if its weights are not on this machine; else None."""
    recipe = PAPER_RUNS.get(asked.preset)
    return recipe if recipe is not None and _missing(asked) else None


def _recipes(asked: RunOptions, task: TaskName | None) -> list[PaperRun]:
    """What the paper's models would be loaded for: none if others were asked for."""
    if asked.preset in PAPER_RUNS:
        return [PAPER_RUNS[asked.preset]]
    if asked.models != "paper":
        return []
    return [paper_run_for(task)] if task else [PAPER_RUNS["paper-joint"], PAPER_RUNS["paper-v2a"]]


def _missing(asked: RunOptions, task: TaskName | None = None) -> list[ModelEntry]:
    """Known checkpoints that the options need and this machine lacks."""
    named = [asked.audio, asked.video, asked.motion, asked.captioner]
    for recipe in _recipes(asked, task):
        sources = chosen_sources(
            {"audio": asked.audio, "video": asked.video, "motion": asked.motion},
            {"audio": recipe.audio, "video": recipe.video, "motion": recipe.motion},
        )
        named += [*map(str, sources.values()), None if asked.binder else "imagebind"]
    by_name = [source for source in dict.fromkeys(named) if source and not Path(source).exists()]
    needed = (find_model(source) for source in by_name)
    return [entry for entry in needed if entry is not None and path_of(entry) is None]


def predicted_text(
    source: str, target: Path, recipe: PaperRun, asked: RunOptions, duration_s: float | None
) -> str:
    """What a recipe would take, for a machine that lacks its weights.

    `duration_s` is of what is made, None: the recipe's.
    """
    plan = memory_plan(asked) if asked.memory else MemoryPlan(getattr(torch, asked.dtype))
    lines = [
        f"{source} -> {target}",
        *estimate_lines(estimate_run(recipe, plan, duration_s, asked.steps)),
    ]
    lines += [f"  not on this machine: {download_notice(entry)}" for entry in _missing(asked)]
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
