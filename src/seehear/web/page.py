"""The page: its fields, and the handlers of its buttons."""

from pathlib import Path
from typing import Any

import gradio as gr

from seehear.pipeline.task import TASKS
from seehear.web.handlers import Handlers
from seehear.web.html import status_text
from seehear.web.requests import MAX_SEED, MAX_STEPS, MAX_STRENGTH, presets_offered
from seehear.web.sessions import MAX_IDLE_S

_FIRST = next(iter(TASKS))  # the task that the page opens with
CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def page_of(handlers: Handlers, max_waiting: int) -> gr.Blocks:
    """Build the page; `seehear.web.server` serves it.

    Args:
        handlers: Handlers of the buttons.
        max_waiting: Maximum number of queued jobs; one runs.
    """
    with gr.Blocks(
        title="seehear",
        analytics_enabled=False,
        delete_cache=(600, int(MAX_IDLE_S)),  # uploads of pages that were not closed properly
    ) as page:
        gr.HTML(
            "<h1>seehear</h1><p>Audio and video that match each other, by guiding frozen "
            "diffusion models.</p>"
        )
        task = gr.Radio(
            [(TASKS[name].title, name) for name in handlers.studios.tasks], value=_FIRST,
            label="Task", elem_id="task",
        )  # fmt: skip
        with gr.Row():
            with gr.Column(min_width=320):
                fields = _fields(handlers)
            with gr.Column(min_width=320):
                _buttons(handlers, task, fields)
        page.unload(handlers.left)
    # Two jobs at a time would take twice as long each, and twice the memory.
    page.queue(default_concurrency_limit=1, max_size=max_waiting, api_open=False)
    return page


def _fields(handlers: Handlers) -> dict[str, Any]:
    """The input fields, by name."""
    names = handlers.studios.names
    fields: dict[str, Any] = {}
    fields["input_file"] = gr.File(label="Drop a video here", elem_id="input-file", height=130)
    fields["example"] = gr.Button("Use the example", size="sm", elem_id="example")
    fields["seen"] = gr.HTML(elem_id="seen")
    fields["prompt"] = gr.Textbox(
        label="Prompt", placeholder="empty: written for you", elem_id="prompt",
        max_length=500,
    )  # fmt: skip
    fields["wordless"] = gr.Checkbox(label="No prompt", elem_id="wordless")
    fields["negative"] = gr.Textbox(
        label="Negative prompt", placeholder="not in the output, such as: music, speech",
        elem_id="negative", max_length=500,
    )  # fmt: skip
    with gr.Row():
        fields["preset"] = gr.Dropdown(
            list(presets_offered(_FIRST)), value="default", label="Preset", elem_id="preset",
            min_width=120,
        )  # fmt: skip
        fields["models"] = gr.Dropdown(
            list(names), value=names[0], label="Models", elem_id="models", min_width=120
        )
    with gr.Row():
        fields["seed"] = gr.Number(
            value=0, precision=0, minimum=0, maximum=MAX_SEED, label="Seed", elem_id="seed",
            min_width=120,
        )  # fmt: skip
        fields["duration"] = gr.Number(
            value=4.0, minimum=0.1, maximum=handlers.max_duration_s, label="Seconds",
            elem_id="duration", min_width=120, visible=False,
        )  # fmt: skip
    fields["steps"] = gr.Slider(1, MAX_STEPS, value=30, step=1, label="Steps", elem_id="steps")
    fields["strength"] = gr.Slider(
        0, MAX_STRENGTH, value=1.0, step=0.1, elem_id="strength", label="Strength",
        info="times the preset's rate; 0 is unguided",
    )  # fmt: skip
    return fields


def _buttons(handlers: Handlers, task: gr.Radio, fields: dict[str, Any]) -> None:
    """The buttons and outputs, and the handlers of buttons and fields."""
    with gr.Row():
        make = gr.Button("Generate", variant="primary", elem_id="make", scale=2, min_width=90)
        stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=90)
    both = gr.Button("Unguided beside guided", elem_id="both", size="md")
    status = gr.HTML(status_text("Nothing is running."), elem_id="status")
    page_outputs = [status, gr.HTML(elem_id="preview"), gr.HTML(elem_id="outputs")]
    with gr.Accordion("Replay from the JSON of an output", open=False, elem_id="replay"):
        gr.Markdown(
            "Drop the JSON of an output here, and its input file into the field for files. Nothing "
            "is read from a path that the JSON names."
        )
        manifest = gr.File(label="Drop the JSON here", elem_id="manifest", height=130)
        again = gr.Button("Replay", elem_id="again", size="sm")

    input_file, preset, seen = fields["input_file"], fields["preset"], fields["seen"]
    unqueued: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
    updated = (
        "input_file", "example", "seen", "prompt", "wordless", "negative", "preset", "duration",
    )  # fmt: skip
    task.change(handlers.fields_of, task, [fields[name] for name in updated], **unqueued)
    gr.on(
        [task.change, preset.change], handlers.steps_of, [task, preset], fields["steps"], **unqueued
    )
    input_file.change(handlers.player_for, input_file, seen, **unqueued)
    fields["example"].click(handlers.example_of, task, input_file, **unqueued)

    names = (
        "input_file", "prompt", "wordless", "negative", "seed", "strength", "steps", "preset",
        "models", "duration",
    )  # fmt: skip
    inputs = [task, *(fields[name] for name in names)]
    # Gradio shows the place in the queue, and then the run time, beside the status.
    queued: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": [status]}
    queued["trigger_mode"] = "once"
    queued["concurrency_id"] = "job"  # one queue for all three
    jobs: list[Any] = [
        make.click(handlers.made, inputs, page_outputs, **queued),
        both.click(handlers.made_both, inputs, page_outputs, **queued),
        again.click(handlers.made_again, [manifest, input_file], page_outputs, **queued),
    ]
    # `cancels` removes a queued job; `stopped` ends a running one.
    stop.click(handlers.stopped, None, status, cancels=jobs, **unqueued)
