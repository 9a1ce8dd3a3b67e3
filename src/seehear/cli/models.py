"""`seehear models`: what weights there are, and getting, checking and converting them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from seehear.cli.console import out
from seehear.models.cache import path_of
from seehear.models.catalogue import ENTRIES, find_model, require_model

models_app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The published weights that seehear can use: list, fetch, check and convert them.",
)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="A name from `seehear models list`."),
]


@models_app.command("list")
def list_models() -> None:
    """List the checkpoints that are known: size, licence, and whether each is on this machine.

    Folders and hub names that are not listed work too, if their format is one of these.
    """
    for line in _model_lines():
        out.print(line)


@models_app.command("pull")
def pull(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            show_default="the hub's cache",
            help="Write plain files to this folder instead, for a machine without a connection.",
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            show_default="the newest",
            help="A commit, branch or tag; with --folder, which --audio and so on take.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Fetch a checkpoint, after saying how big it is and what its licence permits.

    A download that was cut off goes on where it stopped.

    For example:

        seehear models pull imagebind

        seehear models pull audioldm-m-full --folder weights/audioldm-m-full
    """  # fmt: skip
    from seehear.cli.console import err, out
    from seehear.errors import SettingsError
    from seehear.models import checkpoints

    entry = require_model(name)
    if revision is not None and (folder is None or entry.is_file):
        raise SettingsError(
            f"--revision: {name} is a single file, of which there is one version"
            if entry.is_file
            else "--revision: give --folder too, and that folder as --audio, --video or --motion; "
            "by its name the newest version would be loaded"
        )
    err.print(checkpoints.download_notice(entry))
    if not yes and not typer.confirm("Fetch it?", default=True, err=True):
        raise typer.Exit(1)
    out.print(str(checkpoints.pull(entry, folder=folder, revision=revision)))


@models_app.command("path")
def path(name: Name) -> None:
    """Print the path of a checkpoint; the exit code is 1 if it is not downloaded."""
    from seehear.cli.console import err, out

    entry = require_model(name)
    found = path_of(entry)
    if found is None:
        err.print(f"{name} is not on this machine; `seehear models pull {name}` fetches it")
        raise typer.Exit(1)
    out.print(str(found))


@models_app.command("verify")
def verify(
    what: Annotated[
        str, typer.Argument(metavar="NAME|PATH", show_default=False, help="A name, file or folder.")
    ],
) -> None:
    """Check that weight files are whole, and that they are those that were published.

    The exit code is 1 if one is not.
    """
    from seehear.errors import WeightsError
    from seehear.models import checkpoints
    from seehear.models.shipped import POCKET

    place = POCKET if what == "pocket" else Path(what)
    entry = find_model(what)
    if not place.exists():
        found = path_of(entry or require_model(what))
        if found is None:
            raise WeightsError(
                f"{what} is not on this machine; `seehear models pull {what}` fetches it"
            )
        place = found
    is_fine = True
    for verdict in checkpoints.verify(place, entry):
        is_fine &= verdict.is_fine
        out.print(f"{'ok  ' if verdict.is_fine else 'BAD '} {verdict.path}: {verdict.detail}")
    raise typer.Exit(0 if is_fine else 1)


@models_app.command("convert")
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="A published weight file.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            show_default=False,
            help="A .safetensors file, or a folder for motion modules.",
        ),
    ],
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option("--dtype", show_default="as it is", help="Data type of the stored weights."),
    ] = None,
) -> None:
    """Turn a published file into safetensors, without running code and without what is unused.

    For example:

        seehear models convert imagebind_huge.pth -o imagebind/model.safetensors

        seehear models convert mm_sd_v15.ckpt -o motion-v1-5
    """  # fmt: skip
    import torch

    from seehear.models import convert as conversion

    wanted = None if dtype is None else getattr(torch, dtype)
    out.print(str(conversion.convert(source, output, dtype=wanted)))


def _model_lines() -> Iterator[str]:
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
