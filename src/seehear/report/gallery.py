"""A gallery of runs: a table with thumbnails, highest final loss first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import MediaError
from seehear.media.drawing import coloured, shrink
from seehear.report.embed_media import (
    Embedded,
    embedded_unchanged,
    jpeg_address,
    linked,
    png_address,
    relative_link,
)
from seehear.report.page import rendered, write_html
from seehear.report.runs import Run
from seehear.report.signals import Signals, quick_signals

MEDIA_BYTES = 2_000_000  # embedding limit of all media, before base64
EACH_BYTES = 300_000  # embedding limit per file
THUMB_SIDE, THUMB_COLUMNS = 72, 128  # pixels
SPARK_WIDTH, SPARK_HEIGHT = 120, 32


@dataclass(frozen=True, kw_only=True)
class Row:
    """One table row."""

    run: Run
    frame: str  # URL of a frame thumbnail, or ""
    spectrum: str  # URL of a spectrogram thumbnail, or ""
    media: Embedded | None
    page: str  # URL of the report of the run, or ""
    spark: str  # loss curve as points of an SVG polyline
    notes: tuple[str, ...]


def write_gallery(runs: Sequence[Run], path: str | Path, notes: Sequence[str] = ()) -> None:
    """Write a page with all runs, highest final loss first.

    A name links to the report of the run if it is in the folder of the manifest.

    Raises:
        MediaError: The page cannot be written.
    """
    path = Path(path)
    remaining_bytes = MEDIA_BYTES
    rows = []
    for run in worst_first(runs):
        row, used = _row(run, path.parent, min(remaining_bytes, EACH_BYTES))
        remaining_bytes -= used
        rows.append(row)
    title = f"{len(rows)} runs"
    write_html(
        path, rendered("gallery.html", title=title, rows=rows, notes=notes, width=SPARK_WIDTH,
                       height=SPARK_HEIGHT)
    )  # fmt: skip


def worst_first(runs: Sequence[Run]) -> list[Run]:
    """Sort by falling final loss. NaN comes first, runs without loss come last."""

    def badness(run: Run) -> float:
        loss = run.final_loss
        return -math.inf if loss is None else math.inf if math.isnan(loss) else loss

    return sorted(runs, key=badness, reverse=True)


def _row(run: Run, folder: Path, limit_bytes: int) -> tuple[Row, int]:
    """A row, and the number of embedded media bytes."""
    signals, media, used, notes = quick_signals(run), None, 0, []
    if run.output is not None:
        try:
            media = embedded_unchanged(run.output, folder, limit_bytes)
            used = 0 if media is None else run.output.stat().st_size
            media = media or linked(run.output, folder)
        except MediaError as error:
            notes.append(f"{error}.")
    page = run.path.with_suffix(".html")
    row = Row(
        run=run,
        frame=_frame(signals),
        spectrum=_spectrum(signals),
        media=media,
        page=relative_link(page, folder) if page.is_file() else "",
        spark=spark_of(run.losses),
        notes=tuple(dict.fromkeys([*run.notes, *signals.notes, *notes])),
    )
    return row, used


def _frame(signals: Signals) -> str:
    if signals.strip is None:
        return ""
    frames = signals.strip.frames
    return jpeg_address(shrink(frames[len(frames) // 2], THUMB_SIDE), quality=70)


def _spectrum(signals: Signals) -> str:
    if signals.audio is None:
        return ""
    loudness = signals.audio.loudness.flip(0)[::2]
    step = max(1, loudness.shape[1] // THUMB_COLUMNS)
    return png_address(coloured(loudness[:, ::step]).permute(2, 0, 1))


def spark_of(losses: Sequence[float]) -> str:
    """Points "x,y x,y ..." of a curve in a 120 x 32 box. Non-finite values are skipped."""
    finite = [(k, loss) for k, loss in enumerate(losses) if math.isfinite(loss)]
    if len(finite) < 2:
        return ""
    low, high = min(v for _, v in finite), max(v for _, v in finite)
    span = (high - low) or 1.0
    return " ".join(
        f"{2 + k / (len(losses) - 1) * (SPARK_WIDTH - 4):.1f},"
        f"{2 + (high - v) / span * (SPARK_HEIGHT - 4):.1f}"
        for k, v in finite
    )
