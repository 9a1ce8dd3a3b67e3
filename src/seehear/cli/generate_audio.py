"""The commands as the shell sees them: options, explanations and examples."""

from pathlib import Path
from typing import Annotated

import typer

from seehear import __version__
from seehear.cli.options import (
    AudioOption,
    BinderOption,
    CaptionerOption,
    Commercial,
    Device,
    DryRun,
    Dtype,
    Duration,
    I2aPresetOption,
    Lr,
    MaxDuration,
    Memory,
    Mix,
    Models,
    NoPrompt,
    Output,
    Overwrite,
    Prompt,
    Quiet,
    Report,
    RunOptions,
    Seed,
    Steps,
    Suffix,
    Sync,
    Threads,
    V2aPresetOption,
    asked_prompt,
)

app = typer.Typer(
    name="seehear",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug shows Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> bool:
    if is_asked:
        typer.echo(f"seehear {__version__}")
        raise typer.Exit
    return is_asked


@app.callback()
def seehear(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Say the version and stop."
        ),
    ] = False,
) -> None:
    """Make sound and picture that belong together.

    No model is trained for it: frozen models are led by what is seen and heard.

    For example:

        seehear v2a clip.mp4 -o clip_with_sound.mp4

        seehear a2v rooster.wav -o rooster.mp4

        seehear joint "a rooster crowing" -o both.mp4

        seehear v2a --help
    """


@app.command("v2a")
def v2a(
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP",
            show_default=False,
            help="Videos, folders of videos, or patterns such as 'clips/*.mp4'.",
        ),
    ],
    output: Output,
    prompt: Prompt = None,
    no_prompt: NoPrompt = False,
    seed: Seed = 0,
    steps: Steps = None,
    preset: V2aPresetOption = "default",
    lr: Lr = None,
    sync: Sync = None,
    suffix: Suffix = None,
    mix: Mix = False,
    report: Report = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    models: Models = "pocket",
    audio: AudioOption = None,
    binder: BinderOption = None,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    threads: Threads = None,
    captioner: CaptionerOption = None,
    commercial: Commercial = False,
    memory: Memory = None,
    max_duration: MaxDuration = 600.0,
) -> None:
    """Video to audio: give videos a sound, exactly as long as they are.

    The picture is copied untouched. The output's name decides what is written:
    a video (.mp4, .mov, .m4v, .mkv, .webm) or the sound alone (.wav, .flac, .ogg).

    For example:

        seehear v2a clip.mp4 -o out.mp4

        seehear v2a clip.mp4 -o out.mp4 --prompt "a dog barks" --seed 3

        seehear v2a drummer.mp4 -o out.mp4 --sync 0.5

        seehear v2a clips/ more/*.mov -o sounds/ --suffix .wav

        seehear v2a long.mp4 -o out.mp4 --dry-run
    """
    from seehear.cli.run import run_inputs

    asked = RunOptions(
        prompt=asked_prompt(prompt, no_prompt),
        seed=seed,
        steps=steps,
        preset=preset,
        lr=lr,
        sync=sync,
        suffix=suffix,
        mix=mix,
        report=report,
        overwrite=overwrite,
        dry_run=dry_run,
        quiet=quiet,
        models=models,
        audio=audio,
        binder=binder,
        device=device,
        dtype=dtype,
        threads=threads,
        captioner=captioner,
        commercial=commercial,
        memory=memory,
        max_duration_s=max_duration,
    )
    raise typer.Exit(run_inputs("v2a", clips, output, asked))


@app.command("i2a")
def i2a(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE",
            show_default=False,
            help="Photos or drawings, folders of them, or patterns such as 'photos/*.jpg'.",
        ),
    ],
    output: Output,
    duration: Duration = 4.0,
    prompt: Prompt = None,
    no_prompt: NoPrompt = False,
    seed: Seed = 0,
    steps: Steps = None,
    preset: I2aPresetOption = "default",
    lr: Lr = None,
    suffix: Suffix = None,
    report: Report = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    models: Models = "pocket",
    audio: AudioOption = None,
    binder: BinderOption = None,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    threads: Threads = None,
    captioner: CaptionerOption = None,
    commercial: Commercial = False,
    memory: Memory = None,
) -> None:
    """Image to audio: give pictures a sound of any length.

    The output's name decides the format: .wav, .flac or .ogg.

    For example:

        seehear i2a photo.jpg -o out.wav --duration 4

        seehear i2a photos/ -o sounds/ --seed 1
    """
    from seehear.cli.run import run_inputs

    asked = RunOptions(
        duration_s=duration,
        prompt=asked_prompt(prompt, no_prompt),
        seed=seed,
        steps=steps,
        preset=preset,
        lr=lr,
        suffix=suffix,
        report=report,
        overwrite=overwrite,
        dry_run=dry_run,
        quiet=quiet,
        models=models,
        audio=audio,
        binder=binder,
        device=device,
        dtype=dtype,
        threads=threads,
        captioner=captioner,
        commercial=commercial,
        memory=memory,
    )
    raise typer.Exit(run_inputs("i2a", pictures, output, asked))


@app.command("replay")
def replay(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.JSON", show_default=False, help="The JSON file beside an output."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            show_default=False,
            help="Write the media again, under this name.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            metavar="NUMBER",
            show_default="as recorded",
            help="CPU threads to do it with.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", show_default="as recorded", help="Where the networks run."),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make an output again from its JSON, and say whether the samples are the same.

    The exit code is 0 if they are, bit for bit, and 1 if not; then it is said
    which versions, weights and threads differ from those of the original.

    For example:

        seehear replay out.json

        seehear replay out.json -o again.mp4
    """
    from seehear.cli.replay import replayed

    raise typer.Exit(
        replayed(manifest, output, threads=threads, device=device, overwrite=overwrite, quiet=quiet)
    )


@app.command("presets")
def presets() -> None:
    """List the presets and their main values.

    A preset says how the picture pulls the sound; --steps and --lr change its values.

    For example:

        seehear presets

        seehear v2a clip.mp4 -o out.mp4 --preset authors
    """
    from seehear.cli.console import print_presets

    print_presets()
