"""Plots over time: waveform with motion and onsets, spectrogram."""

import torch
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, Range1d, Span
from bokeh.plotting import figure

from seehear.media.drawing import TICKS_HZ, coloured, height_of_hz
from seehear.report.signals import AudioSignal, Signals, Timing
from seehear.report.style import BLUE, PALE, RED, blank_plot, put_legend_below


def time_plots(signals: Signals, duration_s: float) -> dict[str, figure]:
    """Waveform with motion and onsets, and spectrogram, on one time axis."""
    plots: dict[str, figure] = {}
    if signals.audio is not None:
        plots["waveform"] = _waveform(signals.audio, signals.timing)
        plots["spectrogram"] = _spectrogram(signals.audio)
    shared = Range1d(0, duration_s)
    for name, plot in plots.items():
        plot.x_range = shared
        plot.add_layout(
            Span(location=0, dimension="height", name=f"playhead: {name}", line_color=RED)
        )
    return plots


def _waveform(audio: AudioSignal, timing: Timing | None) -> figure:
    plot = blank_plot("seconds", "amplitude")
    plot.y_range = Range1d(-1.05, 1.05)
    columns = len(audio.highest)
    times_s = [(k + 0.5) / columns * audio.duration_s for k in range(columns)]
    plot.varea(
        x="time_s", y1="lowest", y2="highest", color=PALE, legend_label="waveform",
        source=ColumnDataSource(
            {"time_s": times_s, "lowest": audio.lowest.tolist(), "highest": audio.highest.tolist()},
            name="waveform",
        ),
    )  # fmt: skip
    if timing is not None:
        for name, curve, colour in (
            ("motion, maximum 1", timing.motion, RED),
            ("onsets, maximum 1", timing.onsets, BLUE),
        ):
            source = ColumnDataSource(
                {"time_s": timing.times_s.tolist(), "value": curve.tolist()},
                name=name.split(",")[0],
            )
            plot.line("time_s", "value", source=source, color=colour, line_width=2,
                      legend_label=name)  # fmt: skip
    put_legend_below(plot)
    return plot


def _spectrogram(audio: AudioSignal) -> figure:
    plot = blank_plot("seconds", "")
    plot.height = 270
    plot.y_range = Range1d(0, 1)
    palette = [
        f"#{r:02x}{g:02x}{b:02x}" for r, g, b in coloured(torch.linspace(0, 1, 256)[None])[0]
    ]
    plot.image(
        image=[(audio.loudness * 255).round().to(torch.uint8).numpy()],
        x=0, y=0, dw=audio.duration_s, dh=1,
        color_mapper=LinearColorMapper(palette=palette, low=0, high=255),
    )  # fmt: skip
    heights = {height_of_hz(hz): f"{hz:g} Hz" for hz in TICKS_HZ}
    plot.yaxis.ticker = FixedTicker(ticks=list(heights))
    plot.yaxis.major_label_overrides = heights
    plot.grid.visible = False
    return plot
