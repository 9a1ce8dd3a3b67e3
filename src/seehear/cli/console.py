"""What the user sees: the falling loss, one line per output, plans and presets."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from seehear.diagnostics.doctor import Report
from seehear.diagnostics.dry_run import DryRun
from seehear.errors import SeehearError
from seehear.guidance.sampling import StepProgress as StepProgress
from seehear.media import made_folder, write_image
from seehear.models.catalogue import ENTRIES
from seehear.models.checkpoints import path_of
from seehear.pipeline.messages import prompt_note, total_loss
from seehear.pipeline.presets import JOINT_PRESETS, PAPER_PRESETS, PICTURE_PRESETS, PRESETS, Preset

# What was made goes to stdout, how it is going and what went wrong to stderr. File names may
# hold brackets, so nothing is read as markup; off a terminal neither uses colours.
out = Console(markup=False, highlight=False, soft_wrap=True)
err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

PREVIEW_EVERY, PREVIEW_FRAMES = 5, 4  # steps, and frames of a strip


def tell_error(error: SeehearError, path: Path | None = None) -> None:
    """Say in one sentence what the caller can put right, and of which file."""
    sentence = str(error)
    if path is not None and str(path) not in sentence:
        sentence = f"{path}: {sentence}"
    err.print(f"seehear: error: {sentence}", style="red")


@contextmanager
def step_progress(name: str, is_quiet: bool) -> Iterator[Callable[[StepProgress], None]]:
    """A callback for every denoising step: a bar on a terminal, a line now and then elsewhere."""
    if is_quiet:
        yield lambda step: None
        return
    if not err.is_terminal:
        yield lambda step: _print_quarters(name, step)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    ) as bar:
        task = bar.add_task(name, total=None, state="looking and listening")
        first: list[float] = []

        def on_step(step: StepProgress) -> None:
            loss = total_loss(step)
            if loss is not None:
                first.append(loss)
            state = f"step {step.i + 1}/{step.num_steps}" + _falling(first)
            bar.update(task, total=step.num_steps, completed=step.i + 1, state=state)

        yield on_step


def _falling(losses: Sequence[float]) -> str:
    return f", loss {losses[0]:.3f} -> {losses[-1]:.3f}" if losses else ""


def _print_quarters(name: str, step: StepProgress) -> None:
    """Four lines per clip are enough for a log."""
    done, quarter = step.i + 1, max(1, math.ceil(step.num_steps / 4))
    if done % quarter == 0 or done == step.num_steps:
        loss = total_loss(step)
        so_far = "" if loss is None else f", loss {loss:.3f}"
        err.print(f"{name}: step {done}/{step.num_steps}{so_far}")


def saving_previews(
    folder: Path, stem: str, then: Callable[[StepProgress], None]
) -> Callable[[StepProgress], None]:
    """A callback that saves a strip of frames every fifth step, and goes on to another one."""
    made_folder(folder)

    def on_step(step: StepProgress) -> None:
        if (step.i + 1) % PREVIEW_EVERY == 0:
            frames = step.preview().get("video")
            if frames is not None:
                chosen = frames[0][:: max(1, frames.shape[1] // PREVIEW_FRAMES)][:PREVIEW_FRAMES]
                strip = (chosen * 255).round().byte().permute(1, 2, 0, 3).flatten(2)
                write_image(folder / f"{stem}_step_{step.i + 1:03d}.png", strip)
        then(step)

    return on_step


def plan_text(source: str, target: Path, plan: DryRun) -> str:
    """A plan as lines of names and values."""
    windows = f"{plan.num_windows} of {plan.window_s:g} s"
    memory = "not known on this system"
    if plan.peak_bytes is not None:
        memory = f"{plan.peak_bytes / 1e9:.2f} GB at the peak"
    if plan.peak_device_bytes is not None:
        memory += f", {plan.peak_device_bytes / 1e9:.2f} GB on the accelerator"
    rows = {
        "length": f"{plan.duration_s:.3f} s",
        "words": prompt_note(plan.named, plan.prompt),
        "windows": windows,
        "steps": f"{plan.num_steps}, {plan.num_guided} of them guided" + _each(plan),
        "latents": ", ".join(
            f"{stream} {' x '.join(str(size) for size in shape)}"
            for stream, shape in plan.latents_shape.items()
        ),
        "memory": memory,
        "time": f"about {plan.seconds:.1f} s (a step takes {plan.plain_s:.2f} s, guided "
        f"{plan.guided_s:.2f} s; decoding a window {plan.decode_s:.2f} s)",
    }
    lines = [f"{source} -> {target}"]
    return "\n".join(lines + [f"  {name:8} {value}" for name, value in rows.items()])


def _each(plan: DryRun) -> str:
    """How many steps each stream makes, where that is not one in every turn of the loop."""
    if set(plan.steps.values()) == {plan.num_steps}:
        return ""
    return "; " + ", ".join(f"{count} of {stream}" for stream, count in plan.steps.items())


def doctor_text(report: Report) -> Iterator[str]:
    """What the doctor found, line by line."""
    for check in report.checks:
        yield f"{'ok  ' if check.is_fine else 'BAD '} {check.name}: {check.detail}"
    for chain in report.chains:
        sizes = [
            f"{flow.link} {'none' if flow.gradient_rms is None else f'{flow.gradient_rms:.1e}'}"
            for flow in chain.flows
        ]
        yield f"{'BAD ' if chain.findings else 'ok  '} {chain.name}: gradient {' <- '.join(sizes)}"
    for finding in report.findings:
        yield f"     {finding}"
    verdict = "all is well" if report.is_healthy else "not in order, see BAD above"
    yield f"{report.models}: {verdict} ({report.seconds:.1f} s)"


def models_text() -> Iterator[str]:
    """The known checkpoints line by line: size, licence, and whether each is on this machine."""
    rows = [("name", "for", "GB", "commercial", "here", "licence")]
    for entry in ENTRIES:
        allowed = "yes" if entry.terms.allows_commercial else "no"
        here = "yes" if path_of(entry) else "no"
        size = f"{entry.bytes_ / 1e9:.2f}"
        rows.append((entry.name, entry.role, size, allowed, here, entry.terms.name))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def print_presets() -> None:
    """Print the presets side by side: for sounds, for pictures, for both, and the paper's."""
    for title, presets in (
        ("v2a and i2a", PRESETS),
        ("a2v and a2i", PICTURE_PRESETS),
        ("joint", JOINT_PRESETS),
        ("the paper's own models", {preset.name: preset for preset in PAPER_PRESETS.values()}),
    ):
        table = Table(title, *presets, box=None, pad_edge=False)
        columns = [_preset_rows(preset) for preset in presets.values()]
        for name in columns[0]:
            table.add_row(name, *(column[name] for column in columns))
        out.print(table)
        out.print("")


def _preset_rows(preset: Preset) -> dict[str, str]:
    settings, aligner = preset.settings, preset.settings.aligner
    steps = range(settings.num_steps)
    guided = sum(aligner.is_guided(i, settings.num_steps) for i in steps)
    return {
        "steps (--steps)": str(settings.steps_each),
        "guided": f"{guided} of {settings.num_steps}",
        "compared by": preset.distance,
        "step rule": aligner.rule,
        "rate of latents (--lr)": str(aligner.lr_latents),
        "rate of the prompt": str(aligner.lr_prompt),
        "updates per step": str(aligner.num_updates),
        "gradient through the denoiser": "yes" if aligner.through_denoiser else "no",
        "noise level of the estimate": aligner.level,
        "classifier-free guidance": str(settings.guidance_scale),
    }
