"""One run as a page that needs nothing but itself."""

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
    GIVEN_BYTES,
    MADE_BYTES,
    Embedded,
    embedded,
    jpeg_address,
    relative_link,
)
from seehear.report.runs import Run
from seehear.report.signals import Film, Signals, signals_of
from seehear.report.step_plots import step_plots
from seehear.report.style import LEFT_PX, RIGHT_PX
from seehear.report.time_plots import time_plots

_TOLD_ELSEWHERE = frozenset({"prompt", "prompts", "named", "captioned_by"})
# Bokeh draws; its widgets, tables and typesetting are not needed.
_BOKEH = Resources(mode="inline", components=["bokeh"])
_TEMPLATES = Environment(
    loader=PackageLoader("seehear.report"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def write_page(run: Run, path: str | Path) -> None:
    """Write the report of one run as an HTML file that loads nothing from the network.

    Raises:
        MediaError: The page cannot be written.
    """
    path = Path(path)
    write_html(path, page_of(run, path.parent))


def write_html(path: Path, text: str) -> None:
    """Write a page; it appears only when complete."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page_of(run: Run, folder: Path) -> str:
    """The report of one run as HTML, for a page in `folder`."""
    signals = signals_of(run)
    made, given, notes = _media(run, folder)
    plots = step_plots(run.steps) | time_plots(signals, plotted_s(run, signals))
    script, divisions = components(plots) if plots else ("", {})
    return rendered(
        "run.html",
        title=run.name,
        run=run,
        what=TASKS[task].summary if (task := run.record["task"]) in TASKS else task,
        facts=list(_facts(run)),
        notes=[*run.notes, *signals.notes, *notes],
        made=made,
        given=given,
        strip=_strip(signals.film),
        signals=signals,
        left_px=LEFT_PX,
        right_px=RIGHT_PX,
        plots={name: Markup(division) for name, division in divisions.items()},
        # Written by Bokeh, which escapes what comes from the manifest.
        bokeh=Markup(_BOKEH.render_js() + script) if plots else "",
        falling=_falling(run),
        settings=list(flat(_told_here(run.record["settings"]))),
        versions=list(flat(run.record["versions"])),
        weights=weight_rows(run.record["weights"]),
        manifest=relative_link(run.path, folder),
    )


def rendered(template: str, **values: Any) -> str:
    """A page from one of the templates; everything in it is escaped."""
    return _TEMPLATES.get_template(template).render(**values)


def _media(run: Run, folder: Path) -> tuple[Embedded | None, Embedded | None, list[str]]:
    found: list[Embedded | None] = []
    notes = []
    for path, limit_bytes in ((run.made, MADE_BYTES), (run.given, GIVEN_BYTES)):
        try:
            found.append(None if path is None else embedded(path, folder, limit_bytes))
        except MediaError as error:
            found.append(None)
            notes.append(f"{error}.")
    made, given = found
    return made, given, list(dict.fromkeys(notes))


def plotted_s(run: Run, signals: Signals) -> float:
    """How many seconds the time axes show."""
    lengths = [part.duration_s for part in (signals.sound, signals.film) if part is not None]
    return run.duration_s or max(lengths, default=1.0) or 1.0


def _strip(film: Film | None) -> list[tuple[str, str, float]]:
    """Address, caption and time of every frame; nothing for a still, which is shown whole."""
    if film is None or len(film.frames) < 2:
        return []
    return [
        (jpeg_address(frame), f"{time_s:.2f} s", time_s)
        for frame, time_s in zip(film.frames, film.times_s, strict=True)
    ]


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """What to know of a run before all else: names and values."""
    preset = run.record["settings"].get("preset")
    if run.duration_s:
        yield "length", f"{run.duration_s:.2f} s"
    if isinstance(preset, Mapping):
        yield "preset", str(preset.get("name"))
    yield "seed", str(run.record["seed"])
    if run.steps:
        guided = sum(step.is_guided for step in run.steps)
        yield "steps", f"{len(run.steps)}, {guided} of them guided"
    if run.seconds is not None:
        yield "time of all steps", f"{run.seconds:.1f} s"
    if run.final_loss is not None:
        yield "final loss", f"{run.final_loss:.4f}"


def _falling(run: Run) -> str:
    """What the loss did, and whether a gradient was dead, in words."""
    words = []
    if run.losses:
        words.append(
            f"The sum of the terms went from {run.losses[0]:.4f} to {run.losses[-1]:.4f} over "
            f"{len(run.losses)} guided steps (before each step's update)."
        )
    elif run.steps:
        words.append("No step was guided: there is no loss to show.")
    dead = [str(step.i) for step in run.steps if step.dead_gradient]
    if dead:
        words.append(
            "The gradient was zero or not finite, and the latents left as they were, at step "
            f"{', '.join(dead)}."
        )
    return " ".join(words)


def _told_here(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _TOLD_ELSEWHERE}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows: "preset.settings.aligner.rule" and its value."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, _worded(value)


def _worded(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == {}:
        return "–"
    if isinstance(value, list):
        return ", ".join(
            "–".join(map(_worded, item)) if isinstance(item, list) else _worded(item)
            for item in value
        )
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def weight_rows(weights: Any) -> list[tuple[str, str, str, str]]:
    """Name, licence, whether it permits commercial use and hash of every network."""
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
