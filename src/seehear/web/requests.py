"""Requests of visitors: validation, and conversion to jobs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seehear.dsp.events import Curve
from seehear.errors import MediaError, SettingsError
from seehear.guidance.settings import Rate
from seehear.media import read_video
from seehear.models.load_options import LoadOptions
from seehear.pipeline.inputs import FRAMES_PER_S, check_kind, motion_curve
from seehear.pipeline.job import Job
from seehear.pipeline.presets import Preset, preset_for, presets_of
from seehear.pipeline.replay import hashes_of, recorded_job, recorded_preset
from seehear.pipeline.request import Request
from seehear.pipeline.result import file_sha256
from seehear.pipeline.run_request import job_for
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TASKS, TaskName

# Limits on the cost of one request, because visitors share the server.
MAX_STEPS, MAX_STRENGTH, MAX_UPDATES, MAX_OVERLAP, MAX_VIEWS = 100, 4.0, 4, 0.75, 16
MAX_PROMPT = 500  # characters
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class WebRequest:
    """One output to generate, with the values of the page's fields."""

    task: TaskName
    input_file: Path | None = None  # the dropped file; None for joint
    prompt: str | None = None  # None: the binder captions the input; "": no prompt
    negative: str = ""  # negative prompt
    seed: int = 0
    strength: float = 1.0  # times the preset's rates; 0 is unguided
    steps: int | None = None  # None: the preset's
    preset: str = "default"
    models: str = "pocket"
    duration_s: float = 4.0  # of i2a and joint outputs
    max_duration_s: float = 60.0

    def __post_init__(self):
        if self.task not in TASKS:
            raise SettingsError(f"expected one of the tasks {', '.join(TASKS)}, got {self.task!r}")
        if TASKS[self.task].reads_file and self.input_file is None:
            raise MediaError("expected an input file; drop one, or use the example")
        _within("seed", self.seed, 0, MAX_SEED)
        _within("strength", self.strength, 0, MAX_STRENGTH)
        _within("steps", 1 if self.steps is None else self.steps, 1, MAX_STEPS)
        _within("the duration in seconds", self.duration_s, 0.1, self.max_duration_s)
        if max(len(self.prompt or ""), len(self.negative)) > MAX_PROMPT:
            raise SettingsError(f"expected a prompt of at most {MAX_PROMPT} characters")

    @property
    def chosen(self) -> Preset:
        """The preset with the requested number of steps and strength."""
        if self.preset not in presets_offered(self.task):
            raise SettingsError(f"{self.task} has no preset {self.preset!r} in the web interface")
        preset = preset_for(self.task, self.preset)
        settings, aligner = preset.settings, preset.settings.aligner
        aligner = replace(
            aligner,
            lr_latents=_scaled(aligner.lr_latents, self.strength),
            lr_prompt=_scaled(aligner.lr_prompt, self.strength),
        )
        steps = settings.steps_each if self.steps is None else self.steps
        return replace(preset, settings=replace(settings, aligner=aligner).with_steps(steps))

    def job(self, studio: Studio) -> Job:
        """Read the input and prepare the job.

        Raises:
            MediaError: The input cannot be read, has the wrong kind, or is too long.
            SettingsError: The settings contradict each other.
        """
        if self.input_file is not None:
            check_kind(self.task, self.input_file, self.input_file.name)
        request = Request(
            task=self.task, source=self.input_file, prompt=self.prompt, seed=self.seed,
            negative=self.negative,
            # A joint model's clips have one length.
            duration_s=None if TASKS[self.task].needs_joint_model else self.duration_s,
            max_duration_s=self.max_duration_s,
        )  # fmt: skip
        return job_for(studio, request, self.chosen)


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """Replays a manifest. Uses only its settings, never its paths."""

    record: Mapping[str, Any]  # from `read_manifest`
    input_file: Path | None  # the original input file, dropped again
    max_duration_s: float = 60.0

    def __post_init__(self):
        task, settings = self.record["task"], self.record["settings"]
        if task not in TASKS:
            raise SettingsError(
                f"the JSON's task: expected one of {', '.join(TASKS)}, got {task!r:.60}"
            )
        hashes_of(self.record, "the JSON")
        loaded = LoadOptions.from_json(str(settings.get("models")), settings.get("loaded") or {})
        if replace(loaded, device="cpu", dtype="float32") != LoadOptions(models=loaded.models):
            raise SettingsError(
                "the JSON has custom models or load options, which the web interface does not "
                "load; use seehear replay on the command line"
            )
        self._check_prompts()
        self._check_cost()
        if TASKS[task].reads_file:
            self._check_input()

    def _check_prompts(self) -> None:
        prompts = self.record["settings"].get("prompts") or {}
        references = (self.record["settings"].get("references") or {}).values()
        if any(reference.get("input") for reference in references):
            # Their paths may name any file of this machine.
            raise SettingsError(
                "the JSON has reference files, which the web interface does not read; use seehear "
                "replay on the command line"
            )
        texts = [self.record.get("caption") or "", *(prompts.values() if prompts else ())]
        texts.append(self.record["settings"].get("negative") or "")
        texts += [reference.get("text") or "" for reference in references]
        if not all(isinstance(text, str) and len(text) <= MAX_PROMPT for text in texts):
            raise SettingsError(
                f"the JSON's prompts: expected text of up to {MAX_PROMPT} characters"
            )
        _within("the JSON's seed", self.record["seed"], 0, MAX_SEED)

    def _check_cost(self) -> None:
        """Check the limits, because a manifest can contain any value."""
        preset, duration_s = recorded_preset(self.record, "the JSON")
        settings = preset.settings
        for steps in (settings.num_steps, *settings.own_steps.values()):
            _within("the JSON's steps", steps, 1, MAX_STEPS)
        _within("the JSON's num_updates", settings.aligner.num_updates, 1, MAX_UPDATES)
        for augmentation in (preset.image_augmentation, preset.mel_augmentation):
            _within("the JSON's views per step", augmentation.per_step, 0, MAX_VIEWS)
        _within("the JSON's overlap", preset.overlap, 0, MAX_OVERLAP)
        _within("the JSON's duration in seconds", duration_s, 0.1, self.max_duration_s)

    def _check_input(self) -> None:
        if not self.record["inputs"]:
            raise SettingsError("the JSON is of a run on arrays in Python, which has no input file")
        entry = self.record["inputs"][0]
        name = str(entry["file"])[:100]
        if self.input_file is None:
            raise MediaError(f"expected the input file as well; drop {name}")
        if file_sha256(self.input_file) != entry["sha256"]:
            raise MediaError(
                f"{self.input_file.name}: expected the input file of the JSON ({name}), but its "
                "content differs; drop the original"
            )

    @property
    def task(self) -> str:
        """The recorded task."""
        return self.record["task"]

    @property
    def models(self) -> str:
        """The recorded family of models."""
        return str(self.record["settings"].get("models"))

    def job(self, studio: Studio) -> Job:
        """The recorded job; errors as `WebRequest.job`."""
        if self.input_file is not None and TASKS[self.task].reads_file:
            check_kind(self.task, self.input_file, self.input_file.name)
        return recorded_job(studio, self.record, self.input_file, "the JSON")


def input_motion(job: Job, max_duration_s: float) -> Curve | None:
    """Motion of the input video over time; None without a video of at least two frames."""
    if TASKS[job.task].input_kind != "video" or job.path is None:
        return None
    try:
        return motion_curve(
            read_video(job.path, frames_per_s=FRAMES_PER_S, max_duration_s=max_duration_s)
        )
    except MediaError:  # one frame has no motion
        return None


def presets_offered(task: str) -> tuple[str, ...]:
    """Names of a task's presets, without `paper-*`, which need models of other sizes."""
    return tuple(name for name in presets_of(task) if not name.startswith("paper-"))


def _scaled(rate: Rate, strength: float) -> Rate:
    if isinstance(rate, Mapping):
        return {stream: strength * value for stream, value in rate.items()}
    return strength * rate


def _within(what: str, number: Any, low: int | float, high: int | float) -> None:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(number) or not low <= number <= high:
        raise SettingsError(f"{what}: expected {low:g} to {high:g}, got {number!r:.40}")
