"""Handlers of the page's buttons."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import gradio as gr

from seehear.errors import SeehearError, SettingsError
from seehear.media.isolated import Limits
from seehear.pipeline.manifest import read_manifest
from seehear.pipeline.presets import preset_for
from seehear.pipeline.task import TASKS, TaskName
from seehear.web.html import end_of, outputs_of, player, preview_of, status_of, status_text
from seehear.web.make import AnyRequest, RunJob
from seehear.web.model_pool import JOINT, ModelPool
from seehear.web.requests import ReplayRequest, WebRequest, presets_offered
from seehear.web.run_thread import DoneEvent, ErrorEvent, Runs, StepEvent
from seehear.web.sessions import Sessions

MAX_MANIFEST = 5_000_000  # bytes
STOP_S = 60.0  # how long Stop waits for the current step
_INPUT = {
    "video": "a video", "image": "an image", "audio": "audio", "reference": "a reference, or none"
}  # fmt: skip
PageUpdate = tuple[Any, Any, Any]  # status, preview, outputs


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """State that all visitors share, and one method per button."""

    visitors: Sessions
    studios: ModelPool
    runs: Runs
    examples: dict[str, Path]  # by task
    max_duration_s: float = 60.0
    decoding: Limits = field(default_factory=Limits)  # of the processes that read visitors' files

    def made(self, request: gr.Request, *fields: Any) -> Iterator[PageUpdate]:
        """Generate with the values of the fields."""
        yield from self._run(request, lambda: [("made", self._request(*fields))])

    def made_both(self, request: gr.Request, *fields: Any) -> Iterator[PageUpdate]:
        """Generate without and with guidance, side by side."""

        def pair() -> list[tuple[str, AnyRequest]]:
            guided = self._request(*fields)
            return [("unguided", replace(guided, strength=0.0)), ("guided", guided)]

        yield from self._run(request, pair)

    def made_again(
        self, request: gr.Request, manifest: str | None, input_file: str | None
    ) -> Iterator[PageUpdate]:
        """Replay a manifest with its input file."""

        def again() -> list[tuple[str, AnyRequest]]:
            if manifest is None:
                raise SettingsError("expected the JSON of an output; drop one")
            if Path(manifest).stat().st_size > MAX_MANIFEST:
                raise SettingsError("expected the JSON of an output, got a file of more than 5 MB")
            replay = ReplayRequest(
                record=read_manifest(manifest),
                input_file=None if input_file is None else Path(input_file),
                max_duration_s=self.max_duration_s,
            )
            return [("replay", replay)]

        yield from self._run(request, again)

    def stopped(self, request: gr.Request) -> str:
        """Stop the visitor's run, and wait until it has ended."""
        run = self.runs.stop(_session(request))
        if run is None:
            return status_text("Stopped.")
        run.ended.wait(STOP_S)
        return status_text(f"Stopped at step {run.step}." if run.step else "Stopped.")

    def left(self, request: gr.Request) -> None:
        """End the run of a closed page, and delete its files."""
        self.runs.forget(_session(request))
        self.visitors.leave(_session(request))

    def example_of(self, task: str) -> str | None:
        """The packaged example of a task."""
        return str(self.examples[task]) if task in self.examples else None

    def fields_of(self, task: str) -> tuple[Any, ...]:
        """Updates of the fields for a task, in the order of `page`: file, example, player ..."""
        row = TASKS[task]
        is_joint = row.input_kind == "text"
        hint = "empty: written for you" if row.reads_file else "describe video and audio"
        return (
            gr.File(
                label=f"Drop {_INPUT.get(row.input_kind)} here", visible=not is_joint, value=None
            ),
            gr.Button(visible=task in self.examples),
            "",
            gr.Textbox(placeholder=hint),
            gr.Checkbox(visible=row.reads_file),
            gr.Textbox(visible=not row.needs_joint_model),
            gr.Dropdown(choices=list(presets_offered(task)), value="default"),
            gr.Number(visible=row.has_duration and not row.needs_joint_model),
        )

    def steps_of(self, task: str, preset: str) -> int:
        """How many steps a preset has."""
        name = preset if preset in presets_offered(task) else "default"
        return preset_for(task, name).settings.steps_each

    def player_for(self, input_file: str | None) -> str:
        """A player for the input file."""
        if input_file is None:
            return ""
        return f'<div class="input-player">{player(Path(input_file))}</div>'

    def _request(
        self,
        task: str,
        input_file: str | None,
        prompt: str,
        is_wordless: bool,
        negative: str,
        seed: float | None,
        strength: float,
        steps: int,
        preset: str,
        models: str,
        duration_s: float | None,
    ) -> WebRequest:
        if TASKS[task].input_kind == "text":
            input_file = None  # a file that was dropped for another task
        return WebRequest(
            task=cast(TaskName, task),
            input_file=None if input_file is None else Path(input_file),
            prompt="" if is_wordless and TASKS[task].reads_file else prompt.strip() or None,
            # A joint model reads no prompt, so its field is hidden.
            negative="" if TASKS[task].needs_joint_model else negative.strip(),
            seed=0 if seed is None else int(seed),
            strength=strength,
            steps=steps,
            preset=preset,
            models=JOINT if TASKS[task].needs_joint_model else models,
            duration_s=4.0 if duration_s is None else duration_s,
            max_duration_s=self.max_duration_s,
        )

    def _run(
        self, request: gr.Request, requests_of: Callable[[], list[tuple[str, AnyRequest]]]
    ) -> Iterator[PageUpdate]:
        """Run a job and turn its events into updates of the page."""
        session = _session(request)
        try:
            requests = tuple(requests_of())
            folder = self.visitors.new_folder(session)
        except SeehearError as error:
            yield self._failed(str(error)), "", ""
            return
        run = self.runs.begin(session)
        job = RunJob(
            asked=requests, folder=folder, studios=self.studios, run=run, decoding=self.decoding
        )
        for event in run.events(job):
            if isinstance(event, StepEvent):
                if not event.step:  # clear the previous outputs
                    yield status_of(event), "", ""
                    continue
                preview = gr.skip() if event.preview is None else preview_of(event.preview)
                yield status_of(event), preview, gr.skip()
            elif isinstance(event, DoneEvent):
                yield end_of(event), "", outputs_of(event)
            elif isinstance(event, ErrorEvent):
                yield self._failed(event.sentence), gr.skip(), gr.skip()
            else:
                yield end_of(event), gr.skip(), gr.skip()

    def _failed(self, message: str) -> str:
        return end_of(ErrorEvent(self.visitors.without_places(message)))


def _session(request: gr.Request) -> str:
    """The session of a request; "" if it has none."""
    return request.session_hash or ""
