"""`seehear report`: an HTML report of runs, which works offline."""

from pathlib import Path
from typing import Annotated

import typer

from seehear.cli.options import Overwrite, Quiet


def report(
    manifests: Annotated[
        list[Path],
        typer.Argument(
            metavar="OUT.JSON",
            show_default=False,
            help="JSON manifests beside outputs, or folders of them.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="REPORT.HTML", show_default=False, help="The file to write."
        ),
    ],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    r"""Write an HTML report of runs. Needs `pip install "seehear\[report]"`.

    The report of one manifest shows media, losses, gradients, spectrogram, settings and licences.
    Several manifests or a folder give a sortable gallery, highest final loss first. A report and a
    gallery are one file each and load nothing from the internet.

    For example:

        seehear report out.json -o report.html

        seehear report outputs/ -o gallery.html
    """
    from seehear.cli.console import out
    from seehear.cli.load_models import needing
    from seehear.cli.paths import check_page

    check_page(output, overwrite=overwrite)
    with needing("seehear report", "report"):
        from seehear import report as pages
    runs, skipped = pages.read_runs(manifests)
    if len(runs) == 1 and not any(path.is_dir() for path in manifests):
        pages.write_page(runs[0], output)
    else:
        pages.write_gallery(runs, output, skipped)
    if not quiet:
        subject = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
        out.print(f"{output}: {subject}, {output.stat().st_size / 1e6:.1f} MB")
