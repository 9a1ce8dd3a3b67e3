"""Make the clips that are to be scored: any preset on any list of real clips, resumable."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from jaxtyping import UInt8
from torch import Tensor

from seehear.batch.atomic_output import MakesJob
from seehear.batch.job_list import Entry, seed_of
from seehear.batch.ledger import Counts, Ledger
from seehear.batch.local_workers import run_processes
from seehear.dsp.key_frames import key_frames
from seehear.errors import MediaError, SettingsError
from seehear.evaluation.datasets import Clip
from seehear.media import ensure_folder, probe, read_image, read_video, write_image
from seehear.pipeline.request import Request
from seehear.pipeline.task import TASKS, ScoredTask, TaskName

VANILLA = "vanilla"  # instead of a preset: the default one, with nothing that pulls
FRAMES_PER_S = 8.0  # of a clip whose key frame is looked for


def ordered(task: TaskName, preset: str, *, seed: int = 0, steps: int | None = None) -> Request:
    """What all clips of a run have in common."""
    if preset == VANILLA:
        return Request(task=task, lr=0.0, sync=0.0, seed=seed, steps=steps)
    return Request(task=task, preset=preset, seed=seed, steps=steps)


def run(
    clips: Sequence[Clip],
    common: Request,
    folder: Path,
    make: MakesJob,
    num_workers: int = 1,
    on_change: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """Make a clip for every real one, `<id>.wav` or `<id>.mp4`; called again, go on.

    Args:
        clips: The real ones.
        common: Of `request_from`. A clip's own seed comes from its id.
        folder: Where made clips and the ledger go; key frames go into `frames` below it.
        make: MakesJob orders, see `seehear.batch.RequestMaker`.
        num_workers: How many processes.
        on_change: Called about once a second.

    Raises:
        MediaError: A real clip cannot be read.
        SettingsError: A clip that the task cannot start from, or other settings than before.
    """
    ledger = Ledger(folder)
    ledger.add(entry_of(clip, common, folder / "frames").listed() for clip in clips)
    ledger.close()
    return run_processes(folder, make, num_workers, on_change)


def entry_of(clip: Clip, common: Request, frames: Path) -> Entry:
    """The job of a clip; for i2a its key frame is written to `frames`.

    Raises:
        MediaError: The clip cannot be read.
        SettingsError: It is a part of a longer one, or lacks the sentence that joint starts from.
    """
    if clip.start_s is not None:
        raise SettingsError(
            f"{clip.id}: is a part of {clip.path}; write parts to files of their own to run on them"
        )
    order = replace(common, seed=seed_of(common.seed, clip.id))
    if order.task not in get_args(ScoredTask):
        raise SettingsError(f"expected v2a, i2a, a2v or joint to run, got {order.task!r}")
    task = TASKS[order.task]
    if task.given == "video":
        order = replace(order, source=clip.path)
    elif task.given == "image":
        order = replace(
            order, source=write_key_frame(clip, frames), duration_s=_duration_s(clip.heard)
        )
    elif task.given == "audio":
        order = replace(order, source=clip.heard)
    else:
        if not clip.caption:
            raise SettingsError(
                f"{clip.id}: joint starts from a sentence; write one to {clip.id}.txt beside it"
            )
        order = replace(order, prompt=clip.caption, duration_s=_duration_s(clip.path))
    suffix = ".mp4" if task.makes_video else ".wav"
    return Entry(id=clip.id, order=order, output=clip.id + suffix)


def _duration_s(path: Path) -> float:
    found = probe(path).duration_s
    if not found:
        raise MediaError(f"{path}: expected a sound or a video that says how long it is")
    return found


def write_key_frame(clip: Clip, folder: Path) -> Path:
    """Write the picture that shows a clip best as `<id>.png`, unless it is there; returns where.

    Raises:
        MediaError: The clip has no picture, or cannot be read.
    """
    target = folder / f"{clip.id}.png"
    if not target.exists():
        picture = key_frame_of(clip)
        ensure_folder(folder)
        write_image(target, picture)
    return target


def key_frame_of(clip: Clip) -> UInt8[Tensor, "3 height width"]:
    """The picture that shows a clip best; a picture shows itself.

    Raises:
        MediaError: The clip has no picture, or cannot be read.
    """
    kind = probe(clip.path).kind
    if kind == "audio":
        raise MediaError(f"{clip.path}: expected a video or a picture, got a sound")
    if kind == "image":
        return read_image(clip.path).pixels
    frames = read_video(clip.path, frames_per_s=FRAMES_PER_S).frames
    return frames[key_frames(frames)[0]]
