"""The commands that generate frames: `seehear a2v`, `seehear a2i` and `seehear joint`."""

from typing import Annotated

import typer

from seehear.cli.options import JointOutput, Output
from seehear.cli.run_options import RunOptions, rows_for, with_options
from seehear.pipeline.task import TASKS

AudioFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="AUDIO",
        show_default=False,
        help="Audio files (or videos with audio), folders, or patterns such as 'takes/*.wav'.",
    ),
]


@with_options(rows_for(TASKS["a2v"]), "a2v")
def a2v(audio_files: AudioFiles, output: Output, options: RunOptions) -> None:
    """Audio to video: generate a video of the same length for each audio file.

    The input audio is muxed unchanged, except that audio with a peak above -1 dBFS is scaled to
    that level.

    For example:

        seehear a2v rooster.wav -o out.mp4

        seehear a2v takes/ -o videos/ --no-prompt --preset latents

        seehear a2v door.wav -o out.mp4 --prompt "a door being knocked on" --sync 0.5
    """
    from seehear.cli.run import run_inputs

    raise typer.Exit(run_inputs(audio_files, output, options))


@with_options(rows_for(TASKS["a2i"]), "a2i")
def a2i(audio_files: AudioFiles, output: Output, options: RunOptions) -> None:
    """Audio to image: generate an image for each audio file.

    The output's suffix selects the format: .png, .jpg or .webp.

    For example:

        seehear a2i rooster.wav -o out.png

        seehear a2i takes/ -o images/ --seed 1
    """
    from seehear.cli.run import run_inputs

    raise typer.Exit(run_inputs(audio_files, output, options))


@with_options(rows_for(TASKS["joint"]), "joint")
def joint(
    output: JointOutput,
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            show_default=False,
            help="Prompt for audio and video. A joint model (--backbone) needs none.",
        ),
    ] = None,
    prompt_option: Annotated[
        str | None,
        typer.Option("--prompt", "-p", show_default=False, help="Same as PROMPT."),
    ] = None,
    *,
    options: RunOptions,
) -> None:
    """Text to video and audio: generate both from one prompt, so that they match.

    With --backbone, one joint model generates both. The model itself takes no prompt. Guidance
    aligns audio and video with each other, with the prompt and with the reference of --like, if
    there are any.

    For example:

        seehear joint "a rooster crowing on a farm" -o out.mp4

        seehear joint "an animal" -o out.mp4 --seed 5 --preset wordless

        seehear joint --backbone mm-diffusion --like waves.wav -n 8 -o out/
    """
    from seehear.cli.run import run_joint

    if prompt is not None and prompt_option is not None:
        raise typer.BadParameter("PROMPT and --prompt exclude each other; give one of them")
    raise typer.Exit(run_joint(prompt if prompt_option is None else prompt_option, output, options))
