"""`seehear data`: prepare clip lists of local data sets, key frames and baselines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from seehear.pipeline.task import ScoredTask

if TYPE_CHECKING:
    from seehear.evaluation.datasets import Clip

data = typer.Typer(
    no_args_is_help=True,
    help="Prepare evaluation data: clip lists, key frames, stylised key frames, baselines.",
)

Clips = Annotated[
    Path,
    typer.Argument(
        metavar="CLIPS",
        show_default=False,
        help="A folder of clips, or a list written by `seehear data list`.",
    ),
]
Folder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FOLDER", show_default=False, help="Output folder."),
]
Seed = Annotated[
    int, typer.Option("--seed", "-s", min=0, metavar="NUMBER", help="Seed of the random numbers.")
]


@data.command("list")
def list_clips(
    kind: Annotated[
        Literal["folder", "vggsound", "landscape", "aist"],
        typer.Argument(help="Layout of the data set.", show_default=False),
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            show_default=False,
            help="The folder; for vggsound the official vggsound.csv, then the folder of videos.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="LIST.CSV", show_default=False, help="The list to write."
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="all for vggsound, train for landscape and aist",
            help="Split of the data set; not used for folder.",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="NUMBER",
            show_default="all",
            help="Number of clips in a random subset.",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Write a list of all clips of a local data set, or of a random subset of its clips.

    The paper uses 3,000 clips of VGGSound but does not list them. The random subset depends only
    on the seed and the clip ids, so it can be selected again, and its list can be published.
    Nothing is downloaded.

    For example:

        seehear data list vggsound vggsound.csv videos/ --split test --sample 3000 -o list.csv

        seehear eval --real list.csv --generated outputs/
    """  # fmt: skip
    from seehear.errors import SettingsError
    from seehear.evaluation.datasets import aist, folder, landscape, vggsound, write_list
    from seehear.evaluation.datasets import sample as sampled

    if len(paths) != (2 if kind == "vggsound" else 1):
        raise SettingsError(
            f"{kind}: expected "
            + ("vggsound.csv and a folder" if kind == "vggsound" else "one folder")
            + f", got {len(paths)} paths"
        )
    missing: list[object] = []
    if kind == "vggsound":
        found = vggsound.clips(paths[0], paths[1], split, missing.append)
    elif kind == "landscape":
        found = landscape.clips(paths[0], split or "train")
    elif kind == "aist":
        found = aist.clips(paths[0], split or "train")
    else:
        found = folder.clips(paths[0])
    count = write_list(found if sample is None else sampled(found, sample, seed), output)
    typer.echo(f"{output}: {count} clips")
    if missing:
        typer.echo(f"{len(missing)} clips of the table have no file in {paths[1]}")


@data.command("key-frames")
def write_key_frames(clips: Clips, output: Folder) -> None:
    """Write one frame of each clip, its key frame, as `<id>.png`, as input for i2a.

    The key frame is the frame with the highest product of a sharpness score and an exposure score.
    The exposure score is low for very dark and very bright frames.

    For example:

        seehear data key-frames clips/ -o frames/
    """
    with _needing_eval():
        from seehear.evaluation.generate import write_key_frame

    _write_images(clips, output, lambda clip: write_key_frame(clip, output))


@data.command("stylise")
def write_stylised(
    clips: Clips,
    weights: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="An AnimeGANv2 generator for PyTorch, such as paprika.pt.",
        ),
    ],
    output: Folder,
) -> None:
    """Write the key frame of each clip in the style of an AnimeGANv2 generator as `<id>.png`.

    The images are input for i2a. In the paper, the input images of the image-to-audio
    task have the style "Paprika".
    The weights are not part of seehear. Their licence allows non-commercial use only.

    For example:

        seehear data stylise clips/ --weights paprika.pt -o paprika/
    """
    from seehear.media import ensure_folder, write_image

    with _needing_eval():
        from seehear.evaluation import animegan
        from seehear.evaluation.generate import key_frame_of

    ensure_folder(output)
    generator = animegan.load(weights)

    def write(clip: Clip) -> None:
        image = animegan.stylised(generator, key_frame_of(clip))
        write_image(output / f"{clip.id}.png", image)

    _write_images(clips, output, write)


def _needing_eval() -> AbstractContextManager[None]:
    from seehear.cli.load_models import needing

    return needing("this command of seehear data", "eval")


def _write_images(clips: Path, output: Path, write: Callable[[Clip], object]) -> NoReturn:
    """Write an image for every clip, print an error for each unreadable one, and exit."""
    from seehear.cli.console import print_error
    from seehear.errors import MediaError
    from seehear.evaluation.match_clips import real_clips

    failed = 0
    found = real_clips(clips)
    for clip in found:
        try:
            write(clip)
        except MediaError as error:
            failed += 1
            print_error(error, clip.path)
    typer.echo(f"{output}: {len(found) - failed} images")
    raise typer.Exit(2 if failed else 0)


@data.command("baseline")
def write_baseline(
    kind: Annotated[
        Literal["noise", "retrieval"], typer.Argument(show_default=False, help="Which baseline.")
    ],
    clips: Clips,
    output: Folder,
    task: Annotated[ScoredTask, typer.Option("--task", "-t", help="Task of the baseline.")] = "v2a",
    seed: Seed = 0,
) -> None:
    """Write a baseline for `seehear eval`: noise or retrieval.

    For each clip, retrieval writes the audio (v2a, i2a) or the frames (a2v, joint) of the
    other clip that is nearest in the pocket binder's embedding space.

    For example:

        seehear data baseline retrieval clips/ --task v2a -o retrieved/
    """
    from seehear.models.binders import pocket

    with _needing_eval():
        from seehear.evaluation.baselines import write_noise, write_retrieved
        from seehear.evaluation.match_clips import real_clips

    found = real_clips(clips)
    if kind == "noise":
        write_noise(task, found, output, seed)
    else:
        write_retrieved(task, found, output, pocket.load())
    typer.echo(f"{output}: {len(found)} clips")
