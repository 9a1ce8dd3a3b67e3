"""`seehear distill`: train encoders of noisy latents."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seehear.cli.run_options import RunOptions, rows_named, with_options
from seehear.pipeline.task import TASKS

_OPTIONS = (
    "models", "audio", "video", "motion", "binder", "device", "dtype", "threads", "commercial",
)  # fmt: skip


@with_options(rows_named(_OPTIONS, TASKS["joint"]), "joint")
def distill(
    stream: Annotated[
        Literal["audio", "video"],
        typer.Argument(
            metavar="audio|video", show_default=False, help="Model whose latents the encoder reads."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            show_default=False,
            help="Folder for --latent-encoders. An interrupted run resumes from the clips in it.",
        ),
    ],
    clips: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="Number of clips to generate.")
    ] = 512,
    steps: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="Training steps.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Seed.")] = 0,
    *,
    options: RunOptions,
) -> None:
    """Train a small network that embeds noisy latents directly, so that guidance is much faster.

    The audio or video model generates clips for random phrases, without guidance. The encoder
    learns to predict the binder's embeddings of these clips from their latents at every noise
    level. No data are needed. The preset fast uses the encoder instead of decoder and binder. For
    the pocket audio model, such an encoder is part of the package.

    For example:

        seehear distill audio -o encoders/ --audio AUDIOLDM_FOLDER --binder imagebind_huge.pth
    """  # fmt: skip
    from seehear.cli.console import out
    from seehear.cli.load_models import check_device, loaded_studio
    from seehear.pipeline.distill import DistillSettings
    from seehear.pipeline.distill import distill as train

    check_device(options.load.device)
    settings = DistillSettings(clips=clips, training_steps=steps, seed=seed)
    family = loaded_studio(options).family
    train(family, stream, output, settings, out.print)
    out.print(f"{output / stream}: pass --latent-encoders {output}")
