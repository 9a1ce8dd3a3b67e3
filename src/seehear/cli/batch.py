"""`seehear batch`: run many jobs with several workers, and resume after a crash."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seehear.cli.options import BatchNoPrompt, BatchPrompt, BatchSeed, BatchSuffix
from seehear.cli.run_options import Row, RunOptions, rows_named, with_options
from seehear.cli.stop_signals import Stopped, stops_not_hidden
from seehear.models.load_options import MAX_THREADS
from seehear.pipeline.task import TASKS, TaskName

if TYPE_CHECKING:
    from seehear.batch.atomic_output import MakesJob
    from seehear.batch.ledger import Counts

_WORK = "Workers"
_DURATION = Annotated[
    float | None,
    typer.Option(
        "--duration",
        "-d",
        metavar="SECONDS",
        show_default="4 s for i2a, the video model's length for joint",
        help="Duration of i2a and joint outputs.",
    ),
]
_PRESET = Annotated[str, typer.Option("--preset", help="Preset of jobs that do not set one.")]
_BATCH_ROWS = {
    "prompt": Row("prompt", "request", BatchPrompt),
    "no_prompt": Row("no_prompt", "request", BatchNoPrompt, False),
    "seed": Row("seed", "request", BatchSeed, 0),
    "suffix": Row("suffix", "output", BatchSuffix),
    "duration": Row("duration", "request", _DURATION, None, "duration_s"),
    "preset": Row("preset", "request", _PRESET, "default"),
}
_OPTIONS = tuple(
    _BATCH_ROWS.get(row.name, row)
    for row in rows_named(
        (
            "prompt", "no_prompt", "negative", "veto", "like", "seed", "steps", "preset", "lr",
            "lufs", "shots", "duration", "suffix", "upscale", "quiet", "models", "audio", "video",
            "motion", "binder", "backbone", "latent_encoders", "device", "dtype", "captioner",
            "commercial", "memory",
        ),
        TASKS["v2a"],
    )
)  # fmt: skip


@with_options(_OPTIONS)
def batch(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="JOBS | status | retry | merge FOLDER...",
            show_default=False,
            help="A .csv or .jsonl file with one job per line, or a folder of input files. Or: "
            "status (print the state of the jobs and the errors), retry (mark failed jobs, and "
            "done jobs whose output is missing, as pending), merge FOLDER... (combine output "
            "folders).",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            show_default=False,
            help="Folder for the outputs and the job database.",
        ),
    ] = None,
    task: Annotated[
        TaskName,
        typer.Option("--task", "-t", help="Task of jobs that do not set one."),
    ] = "v2a",
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            "-w",
            min=1,
            metavar="NUMBER",
            rich_help_panel=_WORK,
            help="Number of processes or Ray actors; each loads the models once.",
        ),
    ] = 1,
    threads: Annotated[
        int,
        typer.Option(
            "--threads",
            min=1,
            max=MAX_THREADS,
            metavar="NUMBER",
            rich_help_panel=_WORK,
            help="CPU threads of each worker.",
        ),
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            show_default=False,
            rich_help_panel=_WORK,
            help="Run on a Ray cluster: auto (a running cluster), ray://host:10001 (its address), "
            'or local (start a cluster on this machine). Needs pip install "seehear\\[ray]".',
        ),
    ] = None,
    gpus: Annotated[
        float,
        typer.Option(
            "--gpus-per-worker",
            min=0.0,
            metavar="NUMBER",
            rich_help_panel=_WORK,
            help="With --ray: 1 gives each worker a GPU, 0.5 lets two share one.",
        ),
    ] = 0.0,
    *,
    options: RunOptions,
) -> None:
    """Run all jobs of a job file or folder. Repeat the command to resume after a crash.

    The job database ledger.sqlite in the output folder records the state of every job (pending,
    running, done, failed) and the errors. Output files are written atomically. Outputs do not
    depend on the number of workers: if a job has no seed, its seed is derived from its id and
    --seed.

    Columns of a job file: input, output, id, task, prompt, audio_prompt, video_prompt, negative,
    veto, like, like_strength, seed, preset, steps, lr, sync, lufs, duration_s, mix, gain, duck,
    stereo, pcm, audio_rate, reencode, upscale, max_duration_s. Only input is required, or prompt
    for joint.

    For example:

        seehear batch clips/ -o outputs/ --workers 2

        seehear batch jobs.csv -o outputs/ --ray auto --workers 8 --gpus-per-worker 0.5

        seehear batch status outputs/

        seehear batch retry outputs/

        seehear batch merge outputs_1/ outputs_2/ -o all/
    """
    if arguments[0] in ("status", "retry"):
        {"status": _status, "retry": _retry}[arguments[0]](_one_folder(arguments))
        return
    if arguments[0] == "merge":
        _merge([Path(argument) for argument in arguments[1:]], output)
        return
    _run(arguments, output, options, workers, threads, ray, gpus)


def _run(
    arguments: list[str],
    output: Path | None,
    options: RunOptions,
    workers: int,
    threads: int,
    ray: str | None,
    gpus: float,
) -> None:
    from seehear.batch.local_workers import begin_importing

    if ray is None and workers > 1:
        begin_importing()
    from seehear.batch.job_list import entries_of
    from seehear.batch.ledger import Ledger
    from seehear.batch.local_workers import run_processes
    from seehear.batch.make_request import RequestMaker, recorded_options
    from seehear.cli.console import out
    from seehear.cli.load_models import load_options
    from seehear.errors import SettingsError

    if len(arguments) != 1 or output is None:
        raise SettingsError(
            "expected one job file or folder and -o FOLDER; see seehear batch --help"
        )
    entries = entries_of(Path(arguments[0]), options.request, options.output.suffix)
    load = load_options(options)
    ledger = Ledger.checked(output)
    # All outputs of a folder are generated with the same models.
    wanted = recorded_options(load, threads)
    if (ledger.fact("models") or wanted) != wanted:
        raise SettingsError(
            f"{output}: the batch in this folder has other models, model options or --threads; "
            "choose another folder"
        )
    ledger.fact("models", wanted)
    ledger.add(entry.listed() for entry in entries)
    ledger.close()
    make = RequestMaker(load, threads)
    on_counts = _ProgressPrinter(options.output.quiet)
    try:
        if ray is None:
            one_process = _not_hiding_stops(make) if workers == 1 else make
            counts = run_processes(output, one_process, workers, on_counts)
        else:
            from seehear.batch.ray_workers import run_ray

            counts = run_ray(output, make, workers, ray, gpus, on_counts)
    except Stopped as stopped:
        stopped.add_note(f"repeat the command to continue with the jobs of {output}")
        raise
    if not options.output.quiet or not counts.is_complete:
        out.print(_result_text(output, counts))
    raise typer.Exit(0 if counts.is_complete else 1)


def _not_hiding_stops(make: "MakesJob") -> "MakesJob":
    """For jobs in this process: a signal fails no job, whatever a library makes of it."""

    def make_or_stop(spec: str, folder: Path) -> None:
        with stops_not_hidden():
            make(spec, folder)

    return make_or_stop


def _result_text(output: Path, counts: "Counts") -> str:
    """What a batch has done, and how to continue."""
    done = counts.done - len(counts.missing)
    text = f"{output}: {done} of {counts.total} done, {counts.failed} failed"
    if counts.leased:
        text += f", {counts.leased} run by another process"
    if counts.missing:
        names = ", ".join([*counts.missing[:3], *(["..."] if counts.missing[3:] else [])])
        text += f"; outputs that were deleted or moved: {len(counts.missing)} ({names})"
    if not counts.is_in_place:
        return (
            f"{text}; the folder or its job database was deleted during the run; repeat this "
            "command"
        )
    if counts.failed or counts.missing:
        text += (
            f"\n`seehear batch status {output}` prints the errors; to try again, run "
            f"`seehear batch retry {output}` and repeat this command"
        )
    return text


class _ProgressPrinter:
    """Prints the progress of a batch every five seconds."""

    def __init__(self, is_quiet: bool):
        self.is_quiet, self.began, self.printed, self.done = is_quiet, time.monotonic(), 0.0, -1

    def __call__(self, counts: "Counts") -> None:
        """Print a line, unless the last one is less than five seconds old."""
        from seehear.cli.console import err

        now = time.monotonic()
        if self.done < 0:
            self.done = counts.done
        if self.is_quiet or (now - self.printed < 5 and counts.pending + counts.leased):
            return
        self.printed = now
        generated = counts.done - self.done
        left = ""
        if generated and counts.pending:
            left = f", about {(now - self.began) / generated * counts.pending:.0f} s left"
        err.print(
            f"{counts.done} of {counts.total} done, {counts.leased} running, "
            f"{counts.failed} failed{left}"
        )


def _one_folder(arguments: list[str]) -> Path:
    from seehear.errors import SettingsError

    if len(arguments) != 2:
        raise SettingsError(f"expected seehear batch {arguments[0]} FOLDER")
    return Path(arguments[1])


def _status(folder: Path) -> None:
    from seehear.batch.ledger import Ledger

    ledger = Ledger.checked(folder, is_new_allowed=False)
    counts = ledger.counts()
    typer.echo(
        f"{folder}: {counts.total} jobs; {counts.done} done, {counts.leased} running, "
        f"{counts.pending} pending, {counts.failed} failed"
    )
    if counts.done:
        typer.echo(
            f"  {counts.seconds / counts.done:.1f} s per job, {counts.seconds:.0f} s in total"
        )
    for name in ledger.missing_outputs():
        typer.echo(f"  deleted or moved: {name}")
    for row in ledger.rows("failed"):
        typer.echo(f"  failed {row.id}: {_one_line(row.reason or '')}")
    ledger.close()


def _retry(folder: Path) -> None:
    from seehear.batch.ledger import Ledger

    ledger = Ledger.checked(folder, is_new_allowed=False)
    typer.echo(f"{folder}: {ledger.retry()} jobs are pending again")
    ledger.close()


def _merge(folders: list[Path], output: Path | None) -> None:
    from seehear.batch.merge import merged
    from seehear.errors import SettingsError

    if len(folders) < 1 or output is None:
        raise SettingsError("expected seehear batch merge FOLDER... -o FOLDER")
    merge = merged(folders, output)
    typer.echo(f"{output}: {merge.copied} jobs merged, {merge.known} were already there")
    for path in merge.missing:
        typer.echo(
            f"seehear: error: {path}: expected an output of a finished job, found no file; "
            "run seehear batch retry on that folder",
            err=True,
        )
    if merge.missing:
        raise typer.Exit(1)


def _one_line(text: str) -> str:
    """Text of a job database for a terminal: one line, without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:1000]
