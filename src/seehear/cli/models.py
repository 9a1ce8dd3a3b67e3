"""`seehear models`: list, download, check and convert weights."""

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
    help="List, download, check and convert the published weights that seehear can use.",
)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="A name from `seehear models list`."),
]


@models_app.command("list")
def list_models() -> None:
    """List the known checkpoints: size, licence, and whether each is on this machine.

    Other folders and model IDs of the Hugging Face Hub also work, if they have the format of a
    model in this list.
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
            help="Download to this folder instead of the hub's cache, for example to copy it to a "
            "machine without internet.",
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            show_default="the newest",
            help="A commit, branch or tag. Needs --folder.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Print size and licence terms of a checkpoint, then download it.

    To resume an interrupted download, run the command again.

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
            f"--revision: {name} is a single file with one version; drop --revision"
            if entry.is_file
            else "--revision: give --folder too, and pass that folder as --audio, --video or "
            "--motion, because the name loads the newest version"
        )
    err.print(checkpoints.download_notice(entry))
    if not yes and not typer.confirm("Download it?", default=True, err=True):
        raise typer.Exit(1)
    out.print(str(checkpoints.pull(entry, folder=folder, revision=revision)))


@models_app.command("path")
def path(name: Name) -> None:
    """Print the path of a checkpoint; the exit code is 1 if it is not downloaded."""
    from seehear.cli.console import err, out

    entry = require_model(name)
    found = path_of(entry)
    if found is None:
        err.print(_not_downloaded(name))
        raise typer.Exit(1)
    out.print(str(found))


@models_app.command("verify")
def verify(
    what: Annotated[
        str, typer.Argument(metavar="NAME|PATH", show_default=False, help="A name, file or folder.")
    ],
) -> None:
    """Check that weight files are complete and identical to the published ones.

    The exit code is 1 if a file is incomplete or differs.
    """
    from seehear.errors import WeightsError
    from seehear.models import checkpoints
    from seehear.models.shipped import POCKET

    place = POCKET if what == "pocket" else Path(what)
    entry = find_model(what)
    if not place.exists():
        found = path_of(entry or require_model(what))
        if found is None:
            raise WeightsError(_not_downloaded(what))
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
        typer.Option("--dtype", show_default="unchanged", help="Data type of the stored weights."),
    ] = None,
) -> None:
    """Convert a published weight file to safetensors without executing pickled code in it.

    Unused tensors are dropped.

    For example:

        seehear models convert imagebind_huge.pth -o imagebind/model.safetensors

        seehear models convert mm_sd_v15.ckpt -o motion-v1-5
    """  # fmt: skip
    import torch

    from seehear.models import convert as conversion

    wanted = None if dtype is None else getattr(torch, dtype)
    out.print(str(conversion.convert(source, output, dtype=wanted)))


def _not_downloaded(name: str) -> str:
    """The message for a checkpoint that is not in the model cache."""
    return f"{name} is not downloaded; run `seehear models pull {name}`"


def _model_lines() -> Iterator[str]:
    """The lines of `seehear models list`."""
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
