"""Many runs as a table with thumbnails, the worst first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import MediaError
from seehear.media.drawing import coloured, shrink
from seehear.report.embed_media import (
    Embedded,
    embedded_as_it_is,
    jpeg_address,
    linked,
    png_address,
    relative_link,
)
from seehear.report.page import rendered, write_html
from seehear.report.runs import Run
from seehear.report.signals import Signals, glance_of

MEDIA_BYTES = 2_000_000  # what the page holds of all media, before base64
EACH_BYTES = 300_000
THUMB_SIDE, THUMB_COLUMNS = 72, 128  # pixels
SPARK_WIDTH, SPARK_HEIGHT = 120, 32


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run as the table shows it."""

    run: Run
    frame: str  # address of a thumbnail, or ""
    spectrum: str  # the same, of its sound
    media: Embedded | None
    page: str  # address of its own report, where there is one
    spark: str  # points of its loss, for an SVG polyline
    notes: tuple[str, ...]


def write_gallery(runs: Sequence[Run], path: str | Path, notes: Sequence[str] = ()) -> None:
    """Write a page with all runs, those with the highest final loss first.

    Names lead to a run's own report where one lies beside its manifest.

    Raises:
        MediaError: The page cannot be written.
    """
    path = Path(path)
    left = MEDIA_BYTES
    rows = []
    for run in worst_first(runs):
        row, used = _row(run, path.parent, min(left, EACH_BYTES))
        left -= used
        rows.append(row)
    title = f"{len(rows)} runs"
    write_html(
        path, rendered("gallery.html", title=title, rows=rows, notes=notes, width=SPARK_WIDTH,
                       height=SPARK_HEIGHT)
    )  # fmt: skip


def worst_first(runs: Sequence[Run]) -> list[Run]:
    """By falling final loss; one that is not a number is the worst, runs without any come last."""

    def badness(run: Run) -> float:
        loss = run.final_loss
        return -math.inf if loss is None else math.inf if math.isnan(loss) else loss

    return sorted(runs, key=badness, reverse=True)


def _row(run: Run, folder: Path, limit_bytes: int) -> tuple[Row, int]:
    """A row, and how many bytes of media it put into the page."""
    signals, media, used, notes = glance_of(run), None, 0, []
    if run.made is not None:
        try:
            media = embedded_as_it_is(run.made, folder, limit_bytes)
            used = 0 if media is None else run.made.stat().st_size
            media = media or linked(run.made, folder)
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
    if signals.film is None:
        return ""
    frames = signals.film.frames
    return jpeg_address(shrink(frames[len(frames) // 2], THUMB_SIDE), quality=70)


def _spectrum(signals: Signals) -> str:
    if signals.sound is None:
        return ""
    loudness = signals.sound.loudness.flip(0)[::2]
    step = max(1, loudness.shape[1] // THUMB_COLUMNS)
    return png_address(coloured(loudness[:, ::step]).permute(2, 0, 1))


def spark_of(losses: Sequence[float]) -> str:
    """A curve's points in a box of 120 by 32: "x,y x,y ..."; those that aren't finite left out."""
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
