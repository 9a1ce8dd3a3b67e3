"""Evaluation reports as JSON, CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seehear.errors import SettingsError
from seehear.evaluation.match_clips import Failure
from seehear.media import ensure_folder, replacing
from seehear.models.cache import read_json
from seehear.pipeline.manifest import versions, write_json

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """A metric value with its 95 % bootstrap interval over clips."""

    name: str
    value: float
    interval: tuple[float, float]
    better: str  # "lower" or "higher"
    count: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Scores of one folder of generated clips."""

    task: str
    real: str
    made: str
    count: int
    scores: tuple[Score, ...]
    clips: Mapping[str, Mapping[str, float]]  # values of single clips
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]

    def markdown(self) -> str:
        """Markdown table with notes and failures."""
        head = [f"{s.name} ({'↓' if s.better == 'lower' else '↑'})" for s in self.scores]
        cells = [f"{s.value:.3f} [{s.interval[0]:.3f}, {s.interval[1]:.3f}]" for s in self.scores]
        lines = [
            "| " + " | ".join(("task", "n", *head)) + " |",
            "|" + " --- |" * (len(head) + 2),
            "| " + " | ".join((self.task, str(self.count), *cells)) + " |",
            "",
            *(f"- {note}" for note in self.notes),
        ]
        lines += [f"- not scored: {failure.reason}" for failure in self.failures]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """LaTeX table with a header and one row."""
        arrows = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
        head = " & ".join(("n", *(f"{s.name} {arrows[s.better]}" for s in self.scores)))
        cells = " & ".join((str(self.count), *(f"{s.value:.3f}" for s in self.scores)))
        columns = "r" * (len(self.scores) + 1)
        return (
            f"\\begin{{tabular}}{{{columns}}}\n\\hline\n{head} \\\\\n\\hline\n{cells} \\\\\n"
            "\\hline\n\\end{tabular}\n"
        )

    def csv(self) -> str:
        """CSV with one line per metric."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("metric", "value", "low", "high", "better", "n"))
        for s in self.scores:
            writer.writerow((s.name, s.value, *s.interval, s.better, s.count))
        return text.getvalue()


def write_report(report: Report, folder: Path) -> None:
    """Write `report.json`, `.csv`, `.md` and `.tex` into a folder, which is created."""
    ensure_folder(folder)
    write_json(folder / "report.json", {"format": FORMAT, "versions": versions(), "report": report})
    for suffix, text in (
        (".csv", report.csv()),
        (".md", report.markdown()),
        (".tex", report.latex()),
    ):
        with replacing(folder / f"report{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")


def read_report(path: Path) -> Report:
    """Read a report from its JSON file or its folder.

    Raises:
        SettingsError: Not a report, or another format version.
    """
    record = read_json(path / "report.json" if path.is_dir() else path)
    if record.get("format") != FORMAT or "report" not in record:
        raise SettingsError(
            f"{path}: expected a report of `seehear eval` in format {FORMAT}, got another file"
        )
    fields: dict[str, Any] = dict(record["report"])
    fields["scores"] = tuple(
        Score(**{**s, "value": float(s["value"]), "interval": tuple(map(float, s["interval"]))})
        for s in fields["scores"]
    )
    fields["failures"] = tuple(Failure(**f) for f in fields["failures"])
    fields["clips"] = {
        name: {k: float(v) for k, v in clip.items()} for name, clip in fields["clips"].items()
    }
    fields["notes"] = tuple(fields["notes"])
    return Report(**fields)
