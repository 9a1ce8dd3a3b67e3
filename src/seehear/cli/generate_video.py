"""The commands that generate frames: `seehear a2v`, `seehear a2i` and `seehear joint`."""

from typing import Annotated

import typer

from seehear.cli.options import Output
from seehear.cli.run_options import RunOptions, rows_for, with_options
from seehear.pipeline.task import TASKS

Sounds = Annotated[
    list[str],
    typer.Argument(
        metavar="SOUND",
        show_default=False,
        help="Sounds (or videos with one), folders of sounds, or patterns such as 'takes/*.wav'.",
    ),
]


@with_options(rows_for(TASKS["a2v"]), "a2v")
def a2v(sounds: Sounds, output: Output, options: RunOptions) -> None:
    """Audio to video: give sounds a moving picture, as long as they are.

    The sound goes into the video as it is, but for its peak: at most -1 dBFS.

    For example:

        seehear a2v rooster.wav -o out.mp4

        seehear a2v takes/ -o films/ --no-prompt --preset latents

        seehear a2v door.wav -o out.mp4 --prompt "a door being knocked on" --sync 0.5
    """
    from seehear.cli.run import run_inputs

    raise typer.Exit(run_inputs(sounds, output, options))


@with_options(rows_for(TASKS["a2i"]), "a2i")
def a2i(sounds: Sounds, output: Output, options: RunOptions) -> None:
    """Audio to image: give sounds a picture.

    The output's name decides the format: .png, .jpg or .webp.

    For example:

        seehear a2i rooster.wav -o out.png

        seehear a2i takes/ -o pictures/ --seed 1
    """
    from seehear.cli.run import run_inputs

    raise typer.Exit(run_inputs(sounds, output, options))


@with_options(rows_for(TASKS["joint"]), "joint")
def joint(
    sentence: Annotated[
        str,
        typer.Argument(
            metavar="SENTENCE", show_default=False, help="What is to be seen and heard."
        ),
    ],
    output: Output,
    options: RunOptions,
) -> None:
    """Text to video and audio: make both from a sentence, so that they belong together.

    For example:

        seehear joint "a rooster crowing on a farm" -o out.mp4

        seehear joint "an animal" -o out.mp4 --seed 5 --preset wordless
    """
    from seehear.cli.run import run_joint

    raise typer.Exit(run_joint(sentence, output, options))
