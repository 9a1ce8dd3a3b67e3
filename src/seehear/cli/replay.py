"""`seehear replay`: generate an output again from its manifest."""

from pathlib import Path
from typing import Annotated

import typer

from seehear.cli.options import Overwrite, Quiet
from seehear.models.load_options import MAX_THREADS


def replay(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.JSON", show_default=False, help="The JSON manifest beside an output."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            show_default=False,
            help="Write the new media to this file.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=MAX_THREADS,
            metavar="NUMBER",
            show_default="as recorded",
            help="Number of CPU threads.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", show_default="as recorded", help="PyTorch device."),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Do not ask before loading the models that the manifest names."
        ),
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Generate an output again from its JSON manifest and compare it with the original.

    The exit code is 0 if both are bit-identical and 1 if not. If not, the versions, weights
    and threads that differ from the original run are listed.

    A manifest can name other models than those of this package. Before such a model is downloaded,
    or opened from a folder outside the cache, the command asks.

    For example:

        seehear replay out.json

        seehear replay out.json -o again.mp4
    """
    from seehear.cli.replay_run import replayed

    raise typer.Exit(
        replayed(
            manifest,
            output,
            threads=threads,
            device=device,
            is_trusted=yes,
            overwrite=overwrite,
            quiet=quiet,
        )
    )
