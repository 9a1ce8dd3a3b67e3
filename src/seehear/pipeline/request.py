"""An order: one output that somebody wants, before anything is read or decided."""

from dataclasses import dataclass, replace
from pathlib import Path

from seehear.media import made_folder, read_image, read_video
from seehear.pipeline.inputs import FRAMES_PER_S, as_audio
from seehear.pipeline.job import Job, OnStep
from seehear.pipeline.presets import Preset, with_overrides
from seehear.pipeline.result import Result
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TaskName


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is wanted, in values that a line of a table can hold."""

    task: TaskName
    source: Path | None = None  # the file to start from; None for joint
    prompt: str | None = None  # None: the binder names the thing; "": no prompt
    sound_prompt: str | None = None  # None: the prompt
    picture_prompt: str | None = None  # None: the prompt
    seed: int = 0
    preset: str = "default"
    steps: int | None = None  # None: the preset's, like the two below
    lr: float | None = None
    sync: float | None = None
    duration_s: float | None = None  # of the sound for a picture, or of what a sentence becomes
    mix: bool = False  # keep a clip's old sound under the new one
    upscale: int | None = 1  # how many times larger pictures are saved; None: small ones alone
    max_duration_s: float = 600.0  # longer clips are refused

    def preset_settings(self) -> Preset:
        """The task's preset with the changes that are wanted.

        Raises:
            SettingsError: No preset of that name.
        """
        changes = {} if self.lr is None else {"lr_latents": self.lr}
        if self.lr == 0:  # whoever turns guidance off means all of it
            changes["lr_prompt"] = 0.0
        preset = with_overrides(self.preset, num_steps=self.steps, task=self.task, **changes)
        return preset if self.sync is None else replace(preset, sync_weight=self.sync)

    def job(self, studio: Studio, preset: Preset | None = None) -> Job:
        """Read what is given and decide on windows and words.

        Args:
            studio: Loaded models.
            preset: Made of `settings` beforehand; None: now.

        Raises:
            MediaError: What is given cannot be read, or is too short or too long.
            SettingsError: A duration out of range, or no preset of that name.
        """
        preset = preset or self.preset_settings()
        if self.task == "joint":
            return studio.text_job(
                self.prompt or "",
                self.seed,
                preset,
                self.duration_s,
                self.sound_prompt,
                self.picture_prompt,
            )
        assert self.source is not None
        if self.task == "i2a":
            seconds = 4.0 if self.duration_s is None else self.duration_s
            image = read_image(self.source)
            return studio.image_job(image, seconds, self.prompt, self.seed, preset)
        if self.task == "v2a":
            video = read_video(
                self.source, frames_per_s=FRAMES_PER_S, max_duration_s=self.max_duration_s
            )
            return studio.video_job(video, self.prompt, self.seed, preset)
        sound = as_audio(self.source, max_duration_s=self.max_duration_s)
        return studio.audio_job(self.task, sound, self.prompt, self.seed, preset)

    def make(self, studio: Studio, on_step: OnStep | None = None) -> Result:
        """Make it; errors as `job`."""
        return studio.make(self.job(studio), on_step)

    def save(self, result: Result, target: Path) -> tuple[Path, Path]:
        """Write media and manifest, whose folder is made; errors as `Result.save`."""
        made_folder(target.parent)
        return save(result, target, is_mix=self.mix, upscale=self.upscale)


def save(result: Result, target: Path, *, is_mix: bool, upscale: int | None) -> tuple[Path, Path]:
    """Write media and manifest; the manifest remembers whether the old sound was kept."""
    result = replace(result, settings={**result.settings, "mix": is_mix})
    return result.save(target, keep="mix" if is_mix else "replace", upscale=upscale)
