"""The paper's own runs: checkpoints, size, duration and preset.

`seehear.diagnostics.estimate` estimates the cost of a run without its weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seehear.models.families import PAPER_AUDIO, PAPER_IMAGE, PAPER_MOTION
from seehear.pipeline.presets import (
    PAPER_A2V,
    PAPER_A2V_FAST,
    PAPER_I2A,
    PAPER_I2A_FAST,
    PAPER_JOINT,
    PAPER_JOINT_FAST,
    PAPER_V2A,
    PAPER_V2A_FAST,
    Preset,
)
from seehear.pipeline.task import TASKS


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """All settings of a run of the paper, except input, prompt and seed."""

    preset: Preset
    audio: str | None = None  # hub names of checkpoints
    video: str | None = None
    motion: str | None = None
    clip: Mapping[str, Any] = field(default_factory=dict)  # of `animatediff.load`
    binder: Mapping[str, Any] = field(default_factory=dict)  # of `imagebind.load`
    duration_s: float | None = None  # of the output; None: that of the input

    @property
    def name(self) -> str:
        """The preset's name."""
        return self.preset.name

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.name.removeprefix("paper-").removesuffix("-fast")


# Inputs of ImageBind as in the released script: a clip of 1 s for every second of a 10 s window,
# and its first and last frame, squeezed to a square.
_AS_RELEASED: Mapping[str, Any] = {
    "clip_duration_s": 1.0, "num_clips": 10, "num_video_clips": 10, "crop": "squash"
}  # fmt: skip
# One pair of generated frames per step; 2 s of audio.
_FOR_VIDEOS: Mapping[str, Any] = {
    "clip_duration_s": 1.0, "num_clips": 2, "num_video_clips": 1, "crop": "squash"
}  # fmt: skip

_V2A = PaperRun(preset=PAPER_V2A, audio=PAPER_AUDIO, binder=_AS_RELEASED)
_I2A = replace(
    _V2A,
    preset=PAPER_I2A,
    duration_s=10.0,  # of VGGSound's clips, whose key frames are the paper's inputs
)
_A2V = PaperRun(
    preset=PAPER_A2V,
    video=PAPER_IMAGE,
    motion=PAPER_MOTION,
    # 224 pixels as ImageBind; 16 frames as AnimateDiff; 8 fps as AnimateDiff's scripts.
    clip={"num_frames": 16, "fps": 8.0, "height": 224, "width": 224},
    binder=_FOR_VIDEOS,
    duration_s=2.0,  # 16 frames at 8 fps; AudioLDM generates any duration
)
_JOINT = replace(_A2V, preset=PAPER_JOINT, audio=PAPER_AUDIO)

PAPER_RUNS: Mapping[str, PaperRun] = {
    run.name: run
    for run in (
        _V2A,
        replace(_V2A, preset=PAPER_V2A_FAST),
        _I2A,
        replace(_I2A, preset=PAPER_I2A_FAST),
        _A2V,
        replace(_A2V, preset=PAPER_A2V_FAST),
        _JOINT,
        replace(_JOINT, preset=PAPER_JOINT_FAST),
    )
}


def paper_run_for(task: str) -> PaperRun:
    """The models and sizes of a task with the paper's models, for any preset.

    The paper has no a2i. It is run as a video of one frame.
    """
    if not TASKS[task].makes_still:
        return PAPER_RUNS[f"paper-{task}"]
    video = PAPER_RUNS["paper-a2v"]
    return replace(video, motion=None, clip={**video.clip, "num_frames": 1})
