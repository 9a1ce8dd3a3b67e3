"""Progress, previews and results of runs, dry runs and checks as text."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seehear.cli.console import err
from seehear.diagnostics.doctor import Report
from seehear.diagnostics.dry_run import DryRun
from seehear.guidance.sampling import StepProgress as StepProgress
from seehear.media import ensure_folder, write_image
from seehear.pipeline.messages import prompt_note, total_loss

PREVIEW_EVERY, PREVIEW_FRAMES = 5, 4  # steps, and frames of a strip


@contextmanager
def step_progress(name: str, is_quiet: bool) -> Iterator[Callable[[StepProgress], None]]:
    """A callback for every denoising step: a progress bar on a terminal, four lines elsewhere."""
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
        task = bar.add_task(name, total=None, state="encoding the input")
        losses: list[float] = []

        def on_step(step: StepProgress) -> None:
            loss = total_loss(step)
            if loss is not None:
                losses.append(loss)
            state = f"step {step.i + 1}/{step.num_steps}" + _loss_text(losses)
            bar.update(task, total=step.num_steps, completed=step.i + 1, state=state)

        yield on_step


def _loss_text(losses: Sequence[float]) -> str:
    return f", loss {losses[0]:.3f} -> {losses[-1]:.3f}" if losses else ""


def _print_quarters(name: str, step: StepProgress) -> None:
    """Print a line after every quarter of the steps, to keep logs short."""
    done, quarter = step.i + 1, max(1, math.ceil(step.num_steps / 4))
    if done % quarter == 0 or done == step.num_steps:
        loss = total_loss(step)
        so_far = "" if loss is None else f", loss {loss:.3f}"
        err.print(f"{name}: step {done}/{step.num_steps}{so_far}")


def saving_previews(
    folder: Path, stem: str, then: Callable[[StepProgress], None]
) -> Callable[[StepProgress], None]:
    """A callback that saves a strip of frames every fifth step, and then calls `then`."""
    ensure_folder(folder)

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
    """A dry run as lines of names and values."""
    windows = f"{plan.num_windows} of {plan.window_s:g} s"
    memory = "unknown on this system"
    if plan.peak_bytes is not None:
        memory = f"{plan.peak_bytes / 1e9:.2f} GB at the peak"
    if plan.peak_device_bytes is not None:
        memory += f", {plan.peak_device_bytes / 1e9:.2f} GB on the accelerator"
    rows = {
        "length": f"{plan.duration_s:.3f} s",
        "text": prompt_note(plan.naming, plan.prompt),
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
    """The steps of each stream, if a stream has fewer steps than the loop."""
    if set(plan.steps.values()) == {plan.num_steps}:
        return ""
    return "; " + ", ".join(f"{count} of {stream}" for stream, count in plan.steps.items())


def doctor_text(report: Report) -> Iterator[str]:
    """The lines of the doctor's report."""
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
    verdict = "all checks passed" if report.is_healthy else "checks failed, see BAD above"
    yield f"{report.models}: {verdict} ({report.seconds:.1f} s)"
