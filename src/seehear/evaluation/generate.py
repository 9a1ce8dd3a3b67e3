"""Generate the clips to score: a preset on a list of real clips, resumable."""

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

UNGUIDED = "unguided"  # in place of a preset name: the default preset without guidance
FRAMES_PER_S = 8.0  # frame rate at which key frames are selected


def ordered(task: TaskName, preset: str, *, seed: int = 0, steps: int | None = None) -> Request:
    """The request that all clips of a run share."""
    if preset == UNGUIDED:
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
    """Generate `<id>.wav` or `<id>.mp4` for every real clip; a second call resumes the run.

    Args:
        clips: The real clips.
        common: The shared request, from `ordered`. The clip id determines the seed of a clip.
        folder: Folder with the outputs and the ledger; its subfolder `frames` has the key frames.
        make: Runs one request, see `seehear.batch.RequestMaker`.
        num_workers: Number of processes.
        on_change: Called about once a second.

    Raises:
        MediaError: A real clip cannot be read.
        SettingsError: A clip does not have the input of the task, or the folder has a run with
            other settings.
    """
    ledger = Ledger.checked(folder)
    ledger.add(entry_of(clip, common, folder / "frames").listed() for clip in clips)
    ledger.close()
    return run_processes(folder, make, num_workers, on_change)


def entry_of(clip: Clip, common: Request, frames: Path) -> Entry:
    """The job of a clip; for i2a its key frame is written to `frames`.

    Raises:
        MediaError: The clip cannot be read.
        SettingsError: The clip is a segment of a longer file, or has no caption for joint.
    """
    if clip.start_s is not None:
        raise SettingsError(
            f"{clip.id}: expected a whole file, got a segment of {clip.path}; write the segment to "
            "a file of its own"
        )
    request = replace(common, seed=seed_of(common.seed, clip.id))
    if request.task not in get_args(ScoredTask):
        raise SettingsError(f"expected the task v2a, i2a, a2v or joint, got {request.task!r}")
    task = TASKS[request.task]
    if task.input_kind == "video":
        request = replace(request, source=clip.path)
    elif task.input_kind == "image":
        request = replace(
            request, source=write_key_frame(clip, frames), duration_s=_duration_s(clip.audio_file)
        )
    elif task.input_kind == "audio":
        request = replace(request, source=clip.audio_file)
    else:
        if not clip.caption:
            raise SettingsError(
                f"{clip.id}: expected a caption for joint, got none; write one to {clip.id}.txt"
            )
        request = replace(request, prompt=clip.caption, duration_s=_duration_s(clip.path))
    suffix = ".mp4" if task.makes_video else ".wav"
    return Entry(id=clip.id, request=request, output=clip.id + suffix)


def _duration_s(path: Path) -> float:
    duration_s = probe(path).duration_s
    if not duration_s:
        raise MediaError(f"{path}: expected audio or video with a duration in its header, got none")
    return duration_s


def write_key_frame(clip: Clip, folder: Path) -> Path:
    """Write the key frame of a clip as `<id>.png` unless the file exists, and return its path.

    Raises:
        MediaError: The clip has no frames or cannot be read.
    """
    target = folder / f"{clip.id}.png"
    if not target.exists():
        pixels = key_frame_of(clip)
        ensure_folder(folder)
        write_image(target, pixels)
    return target


def key_frame_of(clip: Clip) -> UInt8[Tensor, "3 height width"]:
    """The key frame of a video, or the image itself.

    Raises:
        MediaError: The clip has no frames or cannot be read.
    """
    kind = probe(clip.path).kind
    if kind == "audio":
        raise MediaError(f"{clip.path}: expected a video or an image, got audio")
    if kind == "image":
        return read_image(clip.path).pixels
    frames = read_video(clip.path, frames_per_s=FRAMES_PER_S).frames
    return frames[key_frames(frames)[0]]
