"""The paper's own runs as recipes: which checkpoints, what size and length, and which preset.

A recipe can be looked at, planned and costed without its weights, see
`seehear.diagnostics.estimate`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seehear.models.families import PAPER_AUDIO, PAPER_IMAGE, PAPER_MOTION
from seehear.pipeline.presets import PAPER_A2V, PAPER_I2A, PAPER_JOINT, PAPER_V2A, Preset
from seehear.pipeline.task import TASKS


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """Everything that a run of the paper was made with, but for what it was given and the seed."""

    preset: Preset
    audio: str | None = None  # hub names of checkpoints
    video: str | None = None
    motion: str | None = None
    clip: Mapping[str, Any] = field(default_factory=dict)  # of `animatediff.load`
    binder: Mapping[str, Any] = field(default_factory=dict)  # of `imagebind.load`
    duration_s: float | None = None  # of what is made; None: as long as what is given

    @property
    def name(self) -> str:
        """The preset's name."""
        return self.preset.name

    @property
    def task(self) -> str:
        """The task that it is for."""
        return self.name.removeprefix("paper-")


# ImageBind as the released script feeds it: clips of 1 s, one a second (a window lasts 10 s), and
# for each the first and the last frame, squeezed to a square.
_AS_RELEASED: Mapping[str, Any] = {
    "clip_duration_s": 1.0, "num_clips": 10, "num_video_clips": 10, "crop": "squash"
}  # fmt: skip
# One pair of the made frames a step; 2 s of sound.
_FOR_VIDEOS: Mapping[str, Any] = {
    "clip_duration_s": 1.0, "num_clips": 2, "num_video_clips": 1, "crop": "squash"
}  # fmt: skip

PAPER_RUNS: Mapping[str, PaperRun] = {
    recipe.name: recipe
    for recipe in (
        PaperRun(preset=PAPER_V2A, audio=PAPER_AUDIO, binder=_AS_RELEASED),
        PaperRun(
            preset=PAPER_I2A,
            audio=PAPER_AUDIO,
            binder=_AS_RELEASED,
            duration_s=10.0,  # VGGSound's clips, whose key frames the paper gives a sound
        ),
        PaperRun(
            preset=PAPER_A2V,
            video=PAPER_IMAGE,
            motion=PAPER_MOTION,
            # 224 pixels are ImageBind's; 16 frames AnimateDiff's; 8 a second as its scripts save.
            clip={"num_frames": 16, "fps": 8.0, "height": 224, "width": 224},
            binder=_FOR_VIDEOS,
            duration_s=2.0,  # 16 frames at 8 a second
        ),
        PaperRun(
            preset=PAPER_JOINT,
            audio=PAPER_AUDIO,
            video=PAPER_IMAGE,
            motion=PAPER_MOTION,
            clip={"num_frames": 16, "fps": 8.0, "height": 224, "width": 224},
            binder=_FOR_VIDEOS,
            duration_s=2.0,  # as above; AudioLDM makes what is asked for
        ),
    )
}


def paper_run_for(task: str) -> PaperRun:
    """What a task takes with the paper's models, whatever the preset.

    A picture for a sound, which the paper does not make, is a video of a single frame.
    """
    if not TASKS[task].makes_still:
        return PAPER_RUNS[f"paper-{task}"]
    video = PAPER_RUNS["paper-a2v"]
    return replace(video, motion=None, clip={**video.clip, "num_frames": 1})
