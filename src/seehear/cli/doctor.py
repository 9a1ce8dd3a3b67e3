"""`seehear doctor`: check the installation before a long run."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seehear.cli.run_options import RunOptions, rows_named, with_options
from seehear.pipeline.task import TASKS

_OPTIONS = ("models", "audio", "video", "motion", "binder", "device", "dtype", "threads")
PartOption = Annotated[
    Literal["audio", "video", "image"] | None,
    typer.Option("--part", show_default="audio and video", help="Check only this model."),
]


@with_options(rows_named(_OPTIONS, TASKS["joint"]), "joint")
def doctor(
    part: PartOption = None,
    as_json: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="PATH", show_default=False, help="Write the report as JSON."
        ),
    ] = None,
    *,
    options: RunOptions,
) -> None:
    """Check the installation, and check that gradients flow from the binder to the latents.

    Without a gradient, guidance has no effect and no error appears. One gradient is computed
    through denoiser, decoder, vocoder and binder, stage by stage. Every stage that detaches the
    gradient, or makes it zero, non-finite or too small for the data type, is listed. The exit code
    is 0 if all checks pass and 1 if not.

    With --models paper it also estimates memory and time of the presets paper-* on this machine,
    and prints a suitable value for --memory. The estimate needs no weights.

    For example:

        seehear doctor

        seehear doctor --models paper --binder imagebind_huge.pth --device cuda --dtype bfloat16
    """
    import torch

    from seehear.cli.console import out
    from seehear.cli.load_models import check_device, loaded_studio
    from seehear.cli.progress import doctor_text
    from seehear.diagnostics.doctor import examine, fits
    from seehear.pipeline.manifest import to_json, write_json

    load = options.load
    device, dtype = load.device, getattr(torch, load.dtype)
    check_device(device)
    predictions = fits(device, dtype) if load.models == "paper" else []
    for fit in predictions:
        out.print(str(fit))
    family = loaded_studio(options).family
    report = examine(family, (part,) if part else ("audio", "video"), device, dtype)
    for line in doctor_text(report):
        out.print(line)
    if as_json is not None:
        write_json(
            as_json,
            to_json(report) | {"is_healthy": report.is_healthy, "fits": to_json(predictions)},
        )
    raise typer.Exit(0 if report.is_healthy else 1)
