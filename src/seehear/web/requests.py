"""Requests of visitors, checked where they enter, and their jobs."""

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

# What one visitor may cost the others.
MAX_STEPS, MAX_STRENGTH, MAX_UPDATES, MAX_OVERLAP, MAX_COPIES = 100, 4.0, 4, 0.75, 16
MAX_PROMPT = 500  # characters
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class WebRequest:
    """One output to generate, with the values of the page's fields."""

    task: TaskName
    given: Path | None = None  # the dropped file; None for a sentence
    prompt: str | None = None  # None: the binder names what is given; "": no words
    seed: int = 0
    strength: float = 1.0  # times the preset's rates; 0 is unguided
    steps: int | None = None  # None: the preset's
    preset: str = "default"
    models: str = "pocket"
    duration_s: float = 4.0  # of the sound for a picture, or of what a sentence becomes
    max_duration_s: float = 60.0

    def __post_init__(self):
        if self.task not in TASKS:
            raise SettingsError(f"expected one of the tasks {', '.join(TASKS)}, got {self.task!r}")
        if TASKS[self.task].reads_file and self.given is None:
            raise MediaError("expected an input file; drop one, or use the example")
        _within("seed", self.seed, 0, MAX_SEED)
        _within("strength", self.strength, 0, MAX_STRENGTH)
        _within("steps", 1 if self.steps is None else self.steps, 1, MAX_STEPS)
        _within("the duration in seconds", self.duration_s, 0.1, self.max_duration_s)
        if len(self.prompt or "") > MAX_PROMPT:
            raise SettingsError(f"expected a prompt of at most {MAX_PROMPT} characters")

    @property
    def chosen(self) -> Preset:
        """The preset with the requested number of steps and strength."""
        if self.preset not in presets_offered(self.task):
            raise SettingsError(f"{self.task} has no preset {self.preset!r} on this page")
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
        """Read the input and decide everything else.

        Raises:
            MediaError: It cannot be read, is of another kind, or too long.
            SettingsError: Settings that do not go together.
        """
        if self.given is not None:
            check_kind(self.task, self.given, self.given.name)
        request = Request(
            task=self.task, source=self.given, prompt=self.prompt, seed=self.seed,
            duration_s=self.duration_s, max_duration_s=self.max_duration_s,
        )  # fmt: skip
        return job_for(studio, request, self.chosen)


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """A manifest's output once more. Of the manifest only settings are used, never a path."""

    record: Mapping[str, Any]  # as `manifest.read_manifest` returns it
    given: Path | None  # the same input, given again
    max_duration_s: float = 60.0

    def __post_init__(self):
        task, settings = self.record["task"], self.record["settings"]
        if task not in TASKS:
            raise SettingsError(f"the JSON is of {task!r}; expected one of {', '.join(TASKS)}")
        hashes_of(self.record, "the JSON")
        loaded = LoadOptions.from_json(str(settings.get("models")), settings.get("loaded") or {})
        if replace(loaded, device="cpu", dtype="float32") != LoadOptions(models=loaded.models):
            raise SettingsError(
                "the JSON was made with models or options of its own, which this page does not "
                "load; use seehear replay on the command line"
            )
        self._check_words()
        self._check_cost()
        if TASKS[task].reads_file:
            self._check_given()

    def _check_words(self) -> None:
        prompts = self.record["settings"].get("prompts") or {}
        texts = [self.record.get("caption") or "", *(prompts.values() if prompts else ())]
        if not all(isinstance(text, str) and len(text) <= MAX_PROMPT for text in texts):
            raise SettingsError(f"the JSON's prompts are not words of at most {MAX_PROMPT} letters")
        _within("the JSON's seed", self.record["seed"], 0, MAX_SEED)

    def _check_cost(self) -> None:
        """A manifest can ask for anything; a page with other visitors cannot give it."""
        preset, duration_s = recorded_preset(self.record, "the JSON")
        settings = preset.settings
        for steps in (settings.num_steps, *settings.own_steps.values()):
            _within("the JSON's steps", steps, 1, MAX_STEPS)
        _within("the JSON's num_updates", settings.aligner.num_updates, 1, MAX_UPDATES)
        for copies in (preset.looks, preset.hearings):
            _within("the JSON's copies per step", copies.per_step, 0, MAX_COPIES)
        _within("the JSON's overlap", preset.overlap, 0, MAX_OVERLAP)
        _within("the JSON's duration in seconds", duration_s, 0.1, self.max_duration_s)

    def _check_given(self) -> None:
        if not self.record["inputs"]:
            raise SettingsError("the JSON is of a run on arrays in Python; there is no file to it")
        entry = self.record["inputs"][0]
        name = str(entry["file"])[:100]
        if self.given is None:
            raise MediaError(f"expected the input file as well; drop {name}")
        if file_sha256(self.given) != entry["sha256"]:
            raise MediaError(
                f"{self.given.name} is not the file that the JSON was made from ({name}): its "
                "content differs; drop that one"
            )

    @property
    def task(self) -> str:
        """What is made."""
        return self.record["task"]

    @property
    def models(self) -> str:
        """The family."""
        return str(self.record["settings"].get("models"))

    def job(self, studio: Studio) -> Job:
        """The job of the manifest; errors as `WebRequest.job`."""
        if self.given is not None and TASKS[self.task].reads_file:
            check_kind(self.task, self.given, self.given.name)
        return recorded_job(studio, self.record, self.given, "the JSON")


def motion_given(job: Job, max_duration_s: float) -> Curve | None:
    """Motion of the input video over time; None without an input that moves."""
    if TASKS[job.task].given != "video" or job.path is None:
        return None
    try:
        return motion_curve(
            read_video(job.path, frames_per_s=FRAMES_PER_S, max_duration_s=max_duration_s)
        )
    except MediaError:  # a single frame
        return None


def presets_offered(task: str) -> tuple[str, ...]:
    """Names of a task's presets. The paper's runs want models of their own sizes, so not those."""
    return tuple(name for name in presets_of(task) if not name.startswith("paper-"))


def _scaled(rate: Rate, strength: float) -> Rate:
    if isinstance(rate, Mapping):
        return {stream: strength * value for stream, value in rate.items()}
    return strength * rate


def _within(what: str, number: Any, low: int | float, high: int | float) -> None:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(number) or not low <= number <= high:
        raise SettingsError(f"{what}: expected {low:g} to {high:g}, got {number!r:.40}")
