"""`seehear eval`: score a folder of clips, and test differences between systems."""

from pathlib import Path
from typing import Annotated

import typer

from seehear.pipeline.task import ScoredTask

Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[compare REPORT...]", show_default=False,
        help="Compare existing reports instead of scoring: test whether their scores differ "
        "significantly.",
    ),
]  # fmt: skip


def evaluate(
    arguments: Arguments = None,
    task: Annotated[
        ScoredTask,
        typer.Option(
            "--task",
            help="Task of the generated clips. For v2a and i2a the audio is scored, for a2v the "
            "video. For joint, networks with video input score the video, and audio-only "
            "networks score the audio.",
        ),
    ] = "v2a",
    real: Annotated[
        Path | None,
        typer.Option(
            "--real",
            metavar="FOLDER|LIST.CSV",
            show_default=False,
            help="Folder of real clips, or a list written by `seehear data list`.",
        ),
    ] = None,
    generated: Annotated[
        Path | None,
        typer.Option(
            "--generated",
            metavar="FOLDER",
            show_default=False,
            help="Folder of generated clips, named as the real clips or as <id>_gen, <id>_sample_0 "
            "and similar.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            show_default=False,
            help="Folder for report.json, .csv, .md and .tex.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            metavar="NAME[=PATH]",
            show_default="judge",
            help="Feature network for the scores: judge, judge-patches, bind (the pocket "
            "binder), panns-16k, panns-32k, vggish, yamnet (needs PATH), imagenet, i3d, "
            "i3d-squash, clap, imagebind. Can be repeated. Scores of bind and imagebind are not "
            "independent if guidance used the same model.",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            show_default=False,
            help="File with a line per clip: name, tab, prompt. The feature networks bind, clap "
            "and imagebind then also compute how similar each clip is to its prompt.",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="detected from the file names",
            help="System that generated the clips, if file names do not identify it: specvqgan, "
            "im2wav, tempotokens, mm-diffusion, diff-foley, foleycrafter, mmaudio.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET",
            show_default=False,
            help="First generate the clips with the pocket family and this preset, in the "
            "subfolder `made` of --output. --run unguided uses no preset and generates from "
            "captions without guidance. An interrupted run resumes.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", show_default="the preset's", help="Steps for --run."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Seed for --run.")] = 0,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, metavar="NUMBER", help="Number of processes.")
    ] = 1,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default="the user's cache folder",
            help="Folder of the feature cache. A key is the hash of the file, the weights and the "
            "settings.",
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not use the feature cache.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    r"""Score generated clips against real ones, with confidence intervals.

    Needs `pip install "seehear\[eval]"`.

    Files are matched by name. Files that are missing, silent or damaged are listed in the report
    and not scored. The exit code is 1 if there are such files, or if there is only one clip.

    For example:

        seehear eval --task v2a --real clips/ --generated outputs/ -o scores/

        seehear eval --real clips/ --generated outputs/ --features panns-16k --features vggish

        seehear eval --real clips/ --run default --workers 2 -o scores/

        seehear eval compare scores/ other_scores/
    """  # fmt: skip
    from seehear.cli.console import err, out
    from seehear.errors import SettingsError
    from seehear.media import ensure_folder

    if arguments:
        if arguments[0] != "compare":
            raise SettingsError(f"expected compare and reports, got {' '.join(arguments)}")
        _compare([Path(argument) for argument in arguments[1:]])
        return
    if real is None or (generated is None) == (run is None):
        raise SettingsError(
            "expected --real FOLDER and either --generated FOLDER or --run PRESET; see seehear "
            "eval --help"
        )
    evaluation = _evaluation()
    if run is not None:
        if output is None:
            raise SettingsError("--run: expected -o FOLDER for the generated clips, got none")
        generated = _generate(task, real, output / "made", run, steps, seed, workers, quiet)
    assert generated is not None
    if output is not None:
        ensure_folder(output)  # fails before anything is computed
    measures = [evaluation.load_measure(name) for name in dict.fromkeys(features or ["judge"])]
    prompt_of = evaluation.read_prompts(prompts) if prompts else None

    def on_clip(done: int, total: int) -> None:
        if not quiet and (done % 50 == 0 or done == total):
            err.print(f"{done} of {total} clips")

    report = evaluation.evaluated(
        task, real, generated, features=measures, prompts=prompt_of, system=system,
        memory=None if no_cache else evaluation.FeatureCache(cache or evaluation.default_folder()),
        workers=workers, on_clip=on_clip,
    )  # fmt: skip
    if output is not None:
        evaluation.write_report(report, output)
    out.print(report.markdown())
    # Metrics that compare sets of clips need at least two.
    raise typer.Exit(1 if report.failures or report.count < 2 else 0)


def _generate(
    task: ScoredTask,
    real: Path,
    folder: Path,
    preset: str,
    steps: int | None,
    seed: int,
    workers: int,
    quiet: bool,
) -> Path:
    """Generate a clip for every real one. The report lists failed clips as missing."""
    from seehear.batch.make_request import RequestMaker
    from seehear.cli.console import err
    from seehear.evaluation import generate
    from seehear.evaluation.match_clips import real_clips

    common = generate.ordered(task, preset, seed=seed, steps=steps)
    common.preset_settings()  # refuses an unknown preset
    counts = generate.run(real_clips(real), common, folder, RequestMaker(), workers)
    if not quiet:
        err.print(f"{folder}: {counts.done} of {counts.total} generated, {counts.failed} failed")
    return folder


def _compare(reports: list[Path]) -> None:
    """Print the differences between reports with their paired bootstrap intervals."""
    from seehear.cli.console import out

    evaluation = _evaluation()
    differences = evaluation.compared([evaluation.read_report(path) for path in reports])
    for d in differences:
        verdict = "real" if d.is_real else "may be chance"
        out.print(
            f"{d.metric}: {d.second} - {d.first} = {d.value:+.3f} "
            f"[{d.interval[0]:+.3f}, {d.interval[1]:+.3f}], n = {d.count}: {verdict}"
        )
    for warning in evaluation.over_optimisation_warnings(differences):
        out.print(warning)


def _evaluation():
    """The evaluation package, which needs libraries of an extra.

    Raises:
        SettingsError: One of them is not installed.
    """
    from seehear.cli.load_models import needing

    with needing("seehear eval", "eval"):
        from seehear import evaluation
    return evaluation
