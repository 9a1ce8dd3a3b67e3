"""The application that all commands are registered with."""

from typing import Annotated

import typer

from seehear import __version__

app = typer.Typer(
    name="seehear",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug shows Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_set: bool) -> bool:
    if is_set:
        typer.echo(f"seehear {__version__}")
        raise typer.Exit
    return is_set


@app.callback()
def seehear(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Generate audio and video that match each other.

    Nothing is trained. A frozen encoder of audio, images and text (the binder) computes embeddings,
    and the gradient of a loss between them guides frozen diffusion models.

    For example:

        seehear v2a clip.mp4 -o clip_with_audio.mp4

        seehear a2v rooster.wav -o rooster.mp4

        seehear joint "a rooster crowing" -o both.mp4

        seehear v2a --help
    """
