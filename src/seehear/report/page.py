"""The self-contained HTML report of one run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seehear.errors import MediaError
from seehear.media import replacing
from seehear.models.catalogue import licence_terms
from seehear.pipeline.task import TASKS
from seehear.report.embed_media import (
    INPUT_BYTES,
    OUTPUT_BYTES,
    Embedded,
    embedded,
    jpeg_address,
    relative_link,
)
from seehear.report.runs import Run
from seehear.report.signals import FrameStrip, Signals, signals_of
from seehear.report.step_plots import step_plots
from seehear.report.style import LEFT_PX, RIGHT_PX
from seehear.report.time_plots import time_plots

_SHOWN_ELSEWHERE = frozenset({"prompt", "prompts", "named", "is_sure", "captioned_by"})
# Bokeh's widgets, tables and MathJax are not needed.
_BOKEH = Resources(mode="inline", components=["bokeh"])
_TEMPLATES = Environment(
    loader=PackageLoader("seehear.report"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def write_page(run: Run, path: str | Path) -> None:
    """Write the report of one run as a self-contained HTML file.

    Raises:
        MediaError: The page cannot be written.
    """
    path = Path(path)
    write_html(path, page_of(run, path.parent))


def write_html(path: Path, text: str) -> None:
    """Write a page. The file appears only when complete."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def page_of(run: Run, folder: Path) -> str:
    """HTML report of one run, with links relative to `folder`."""
    signals = signals_of(run)
    output_media, input_media, notes = _media(run, folder)
    plots = step_plots(run.steps) | time_plots(signals, plotted_s(run, signals))
    script, divisions = components(plots) if plots else ("", {})
    return rendered(
        "run.html",
        title=run.name,
        run=run,
        task_words=TASKS[task].summary if (task := run.record["task"]) in TASKS else task,
        facts=list(_facts(run)),
        notes=[*run.notes, *signals.notes, *notes],
        output_media=output_media,
        input_media=input_media,
        strip=_strip(signals.strip),
        signals=signals,
        left_px=LEFT_PX,
        right_px=RIGHT_PX,
        plots={name: Markup(division) for name, division in divisions.items()},
        # Bokeh escapes values from the manifest.
        bokeh=Markup(_BOKEH.render_js() + script) if plots else "",
        loss_summary=_loss_summary(run),
        settings=list(flat(_other_settings(run.record["settings"]))),
        versions=list(flat(run.record["versions"])),
        weights=weight_rows(run.record["weights"]),
        manifest=relative_link(run.path, folder),
    )


def rendered(template: str, **values: Any) -> str:
    """Render a template with HTML escaping."""
    return _TEMPLATES.get_template(template).render(**values)


def _media(run: Run, folder: Path) -> tuple[Embedded | None, Embedded | None, list[str]]:
    media: list[Embedded | None] = []
    notes = []
    for path, limit_bytes in ((run.output, OUTPUT_BYTES), (run.input, INPUT_BYTES)):
        try:
            media.append(None if path is None else embedded(path, folder, limit_bytes))
        except MediaError as error:
            media.append(None)
            notes.append(f"{error}.")
    output_media, input_media = media
    return output_media, input_media, list(dict.fromkeys(notes))


def plotted_s(run: Run, signals: Signals) -> float:
    """Length of the time axes in seconds."""
    lengths = [part.duration_s for part in (signals.audio, signals.strip) if part is not None]
    return run.duration_s or max(lengths, default=1.0) or 1.0


def _strip(strip: FrameStrip | None) -> list[tuple[str, str, float]]:
    """URL, label and time of every frame. Empty for an image, which is shown in full size."""
    if strip is None or len(strip.frames) < 2:
        return []
    return [
        (jpeg_address(frame), f"{time_s:.2f} s", time_s)
        for frame, time_s in zip(strip.frames, strip.times_s, strict=True)
    ]


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """Names and values for the summary at the top of the page."""
    preset = run.record["settings"].get("preset")
    if run.duration_s:
        yield "length", f"{run.duration_s:.2f} s"
    if isinstance(preset, Mapping):
        yield "preset", str(preset.get("name"))
    yield "seed", str(run.record["seed"])
    if run.steps:
        guided = sum(step.is_guided for step in run.steps)
        yield "steps", f"{len(run.steps)} ({guided} guided)"
    if run.seconds is not None:
        yield "time of all steps", f"{run.seconds:.1f} s"
    if run.final_loss is not None:
        yield "final loss", f"{run.final_loss:.4f}"


def _loss_summary(run: Run) -> str:
    """Sentences about the loss and dead gradients."""
    words = []
    if run.losses:
        words.append(
            f"The total loss went from {run.losses[0]:.4f} to {run.losses[-1]:.4f} over "
            f"{len(run.losses)} guided steps (before the update of each step)."
        )
    elif run.steps:
        words.append("No step was guided, so there is no loss.")
    dead = [str(step.i) for step in run.steps if step.dead_gradient]
    if dead:
        words.append(
            "The gradient was zero or not finite and the latents were not updated at step "
            f"{', '.join(dead)}."
        )
    return " ".join(words)


def _other_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _SHOWN_ELSEWHERE}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested settings to rows such as ("preset.settings.aligner.rule", value)."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, _text_of(value)


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == {}:
        return "–"
    if isinstance(value, list):
        return ", ".join(
            "–".join(map(_text_of, item)) if isinstance(item, list) else _text_of(item)
            for item in value
        )
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def weight_rows(weights: Any) -> list[tuple[str, str, str, str]]:
    """Name, licence, commercial use ("yes", "no", "not known") and hash of every network."""
    rows = []
    for part in weights:
        terms = licence_terms(part.get("licence"))
        rows.append(
            (
                str(part.get("name")),
                terms.name if terms else str(part.get("licence") or "not named"),
                ("yes" if terms.allows_commercial else "no") if terms else "not known",
                str(part.get("sha256") or "")[:12],
            )
        )
    return rows
