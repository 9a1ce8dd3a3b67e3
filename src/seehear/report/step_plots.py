"""Plots per step: loss, gradient norm, step size, time.

Every curve has its own data source with a name such as "loss: audio-video local", so that scripts
can read the numbers of a page.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool, Range1d
from bokeh.palettes import Colorblind8
from bokeh.plotting import figure

from seehear.guidance.aligner import StepTrace
from seehear.report.style import BLUE, INK, PALE, RED, blank_plot, put_legend_below

DASHES = ("solid", "dashed", "dotted", "dotdash")
SUM = "sum of the terms"
MARGIN = 0.06  # of a range beyond its values


def step_plots(steps: Sequence[StepTrace]) -> dict[str, figure]:
    """Loss, gradient norm, step size and time of every step. Guided steps are shaded."""
    if not steps:
        return {}
    losses = curves_of(steps, lambda step: step.losses)
    if len(losses) > 1:
        sums = [sum(step.losses.values()) if step.losses else math.nan for step in steps]
        losses = {**losses, SUM: sums}
    norms = curves_of(steps, lambda step: step.gradient_norm)
    sizes = curves_of(steps, lambda step: step.relative_step)
    # Manifests of a batch have no step times.
    plots = {"seconds": _seconds(steps)} if any(step.seconds for step in steps) else {}
    for kind, y_label, curves, is_log in (
        ("loss", "loss", losses, False),
        ("gradient norm", "norm", norms, True),
        ("step size", "change / size", sizes, False),
    ):
        if curves:
            plots[kind] = _curves(kind, y_label, steps, curves, is_log=is_log)
    shared = Range1d(steps[0].i - 0.6, steps[-1].i + 0.6)
    for plot in plots.values():
        plot.x_range = shared
        _shade(plot, steps, lambda step: step.is_guided, BLUE)
        _shade(plot, steps, lambda step: step.dead_gradient, RED)
    return plots


def curves_of(
    steps: Sequence[StepTrace], field: Callable[[StepTrace], Mapping[str, float]]
) -> dict[str, list[float]]:
    """One curve per name over all steps; NaN where a step has no value."""
    names = dict.fromkeys(name for step in steps for name in field(step))
    return {name: [field(step).get(name, math.nan) for step in steps] for name in names}


def _curves(
    kind: str,
    y_label: str,
    steps: Sequence[StepTrace],
    curves: Mapping[str, Sequence[float]],
    *,
    is_log: bool = False,
) -> figure:
    """Lines with a dot per step, because a step between unguided steps has no line."""
    values = [v for curve in curves.values() for v in curve if math.isfinite(v)]
    is_log = is_log and any(v > 0 for v in values)
    plot = blank_plot("step", y_label, "log" if is_log else "linear")
    plot.y_range = _log_range(values) if is_log else _range(values)
    drawn = []
    for k, (name, curve) in enumerate(curves.items()):
        source = ColumnDataSource(
            {"i": [step.i for step in steps], "value": list(curve)}, name=f"{kind}: {name}"
        )
        colour, dash = Colorblind8[k % 8], DASHES[k % len(DASHES)]
        if name == SUM:
            colour, dash = INK, "solid"
        label = _untypeset(name)
        line = {"x": "i", "y": "value", "source": source, "legend_label": label, "name": label}
        drawn.append(plot.line(**line, color=colour, line_width=2, line_dash=dash))
        drawn.append(plot.scatter(**line, color=colour, size=4))
    plot.add_tools(
        HoverTool(
            tooltips=[("step", "@i"), (kind, "@value{%.4g}"), ("of", "$name")],
            formatters={"@value": "printf"},
            renderers=drawn[1::2],
        )
    )
    put_legend_below(plot)
    return plot


def _untypeset(text: str) -> str:
    """Escape TeX, for which Bokeh would download MathJax."""
    return text.replace("$", "$\u200b").replace("\\", "\\\u200b")


def _range(values: Iterable[float]) -> Range1d:
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = min(low, 0.0) if low > 0 and low < 0.5 * high else low  # include zero if it is near
    margin = MARGIN * (high - low) or 0.5
    return Range1d(low - margin, high + margin)


def _log_range(values: Iterable[float]) -> Range1d:
    positive = [v for v in values if v > 0]
    return Range1d(min(positive) / 1.5, max(positive) * 1.5)


def _shade(
    plot: figure, steps: Sequence[StepTrace], condition: Callable[[StepTrace], bool], colour: str
) -> None:
    for is_shaded, group in groupby(steps, condition):
        if is_shaded:
            run = list(group)
            plot.add_layout(
                BoxAnnotation(
                    left=run[0].i - 0.5,
                    right=run[-1].i + 0.5,
                    fill_color=colour,
                    fill_alpha=0.08,
                    line_color=None,
                    level="underlay",
                )
            )


def _seconds(steps: Sequence[StepTrace]) -> figure:
    source = ColumnDataSource(
        {
            "i": [step.i for step in steps],
            "seconds": [step.seconds for step in steps],
            "align_seconds": [step.align_seconds for step in steps],
        },
        name="seconds",
    )
    plot = blank_plot("step", "seconds")
    bars = {"x": "i", "width": 0.8, "source": source, "line_color": None}
    guidance = plot.vbar(top="align_seconds", color=BLUE, legend_label="guidance", **bars)
    rest = plot.vbar(
        bottom="align_seconds", top="seconds", color=PALE, legend_label="other", **bars
    )
    plot.y_range.start = 0
    plot.add_tools(
        HoverTool(
            tooltips=[("step", "@i"), ("seconds", "@seconds{0.000}"),
                      ("guidance", "@align_seconds{0.000}")],
            renderers=[guidance, rest],
        )
    )  # fmt: skip
    put_legend_below(plot)
    return plot
