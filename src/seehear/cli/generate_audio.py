"""The commands that generate audio: `seehear v2a` and `seehear i2a`."""

from typing import Annotated

import typer

from seehear.cli.options import Output
from seehear.cli.run_options import RunOptions, rows_for, with_options
from seehear.pipeline.task import TASKS


@with_options(rows_for(TASKS["v2a"]), "v2a")
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
    options: RunOptions,
) -> None:
    """Video to audio: generate audio of the same length for each video.

    The video stream is copied without re-encoding. The output's suffix selects the format:
    video (.mp4, .mov, .m4v, .mkv, .webm) or audio alone (.wav, .flac, .aif,
    .ogg, .mp3, .m4a, .aac, .opus).

    For example:

        seehear v2a clip.mp4 -o out.mp4

        seehear v2a clip.mp4 -o out.mp4 --prompt "a dog barks" --seed 3

        seehear v2a drummer.mp4 -o out.mp4 --sync 0.5

        seehear v2a clips/ more/*.mov -o audio/ --suffix .wav

        seehear v2a long.mp4 -o out.mp4 --dry-run
    """
    from seehear.cli.run import run_inputs

    raise typer.Exit(run_inputs(clips, output, options))


@with_options(rows_for(TASKS["i2a"]), "i2a")
def i2a(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            show_default=False,
            help="Image files, folders of images, or patterns such as 'photos/*.jpg'.",
        ),
    ],
    output: Output,
    options: RunOptions,
) -> None:
    """Image to audio: generate audio of 0.1 to 600 s for each image.

    The output's suffix selects the format: .wav, .flac, .aif, .ogg, .mp3, .m4a, .aac or
    .opus.

    For example:

        seehear i2a photo.jpg -o out.wav --duration 4

        seehear i2a photos/ -o audio/ --seed 1
    """
    from seehear.cli.run import run_inputs

    raise typer.Exit(run_inputs(images, output, options))
