"""`seehear shots`: find the shots of a video and write a list of them to edit."""

from pathlib import Path
from typing import Annotated

import typer

from seehear.cli.options import Overwrite, Quiet
from seehear.cli.run_options import RunOptions, rows_named, with_options
from seehear.pipeline.task import TASKS

_OPTIONS = ("models", "binder", "captioner", "device", "dtype", "threads", "commercial")


@with_options(rows_named(_OPTIONS, TASKS["v2a"]), "v2a")
def shots(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", show_default=False, help="The video.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="LIST.CSV", show_default=False, help="The list to write."
        ),
    ],
    *,
    has_captions: Annotated[
        bool,
        typer.Option(
            "--captions/--no-captions",
            help="Write a caption of every shot as its prompt, or leave the prompts empty.",
        ),
    ] = True,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    options: RunOptions,
) -> None:
    """Find the shots of a video, and write a list of them to edit: from, to, prompt, veto.

    Cuts are found; dissolves and fades are not. Edit times and prompts as needed, and remove a row
    for silence. An empty prompt is written by the captioner again when audio is generated.

    For example:

        seehear shots film.mp4 -o shots.csv

        seehear v2a film.mp4 -o out.mp4 --shots shots.csv
    """
    from dataclasses import replace

    from seehear.cli.console import out
    from seehear.cli.load_models import loaded_studio
    from seehear.cli.paths import check_new_file
    from seehear.errors import MediaError
    from seehear.media import check_folder_of, replacing
    from seehear.pipeline.inputs import as_video, check_kind, condition_of
    from seehear.pipeline.messages import prompt_note
    from seehear.pipeline.shot_list import AUTO, shots_text
    from seehear.pipeline.shots import frames_of, shots_of

    if output.suffix.lower() != ".csv":
        raise MediaError(f"{output}: expected the name of a list to write, such as shots.csv")
    check_folder_of(output)
    check_new_file(output, overwrite=overwrite)
    check_kind("v2a", clip)
    video = as_video(clip)
    found = shots_of(video, AUTO)
    studio = loaded_studio(options) if has_captions else None
    listed, notes = [], []
    for shot in found:
        note = ""
        if studio is not None:
            part = frames_of(video, shot, (shot.start_s, shot.end_s))
            text, naming, captioner = studio.captioned(condition_of(part))
            shot, note = replace(shot, prompt=text), f": {prompt_note(naming, text, captioner)}"
        listed.append(shot)
        notes.append(f"  {shot.start_s:.2f} to {shot.end_s:.2f} s{note}")
    with replacing(output) as path:
        path.write_text(shots_text(listed), encoding="utf-8")
    if not quiet:
        out.print(f"{output}: {len(listed)} shots")
        for line in notes:
            out.print(line)
