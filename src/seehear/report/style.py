"""Plot style: full page width, aligned frames, legends below."""

import math

from bokeh.plotting import figure

# Borders fit the longest labels, so that all frames are aligned.
LEFT_PX, RIGHT_PX, HEIGHT_PX, LEGEND_ROW_PX = 64, 12, 220, 22
BLUE, RED, PALE, INK = "#0072b2", "#d55e00", "#b9c7d6", "#333333"


def blank_plot(x_label: str, y_label: str, y_axis_type: str = "linear") -> figure:
    """An empty full-width plot. Touch drags scroll the page, not the plot."""
    plot = figure(
        height=HEIGHT_PX, sizing_mode="stretch_width", tools="xpan,xbox_zoom,reset,save",
        active_drag=None, x_axis_label=x_label, y_axis_label=y_label, y_axis_type=y_axis_type,
        min_border_left=LEFT_PX, min_border_right=RIGHT_PX, outline_line_color=None,
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar_inner = True  # outside, it would shift the right edge of the frame
    plot.grid.grid_line_color = "#e8e8e8"
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_line_color = plot.axis.major_tick_line_color = "#888888"
    plot.axis.minor_tick_line_color = None
    return plot


def put_legend_below(plot: figure) -> None:
    """Move the legend below the frame. A click on an entry hides its curve."""
    legend = plot.legend[0]
    plot.add_layout(legend, "below")
    plot.height += LEGEND_ROW_PX * math.ceil(len(legend.items) / 2)
    legend.update(
        location="top_left", ncols=2, orientation="horizontal", click_policy="hide",
        border_line_color=None, label_text_font_size="12px", padding=2, spacing=2, margin=0,
        glyph_width=26,
    )  # fmt: skip
