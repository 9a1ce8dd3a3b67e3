"""Raw results and the tables made from them, with what is needed to repeat them."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

import seehear

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"


def provenance() -> dict[str, object]:
    """Versions and machine."""
    return {
        "seehear": seehear.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(map(str, line)) + " |" for line in (header, *rows)]
    lines.insert(1, "|" + " --- |" * len(header))
    return "\n".join(lines) + "\n"


def interval(ends: Sequence[float], digits: int = 2) -> str:
    """An interval as tables show it."""
    return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def write(name: str, title: str, raw: dict, text: str) -> None:
    """Save docs/results/<name>.json (raw, with provenance) and <name>.md (the tables)."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    raw = {"provenance": provenance(), **raw}
    (FOLDER / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
    note = f"Written by `python -m benchmarks.{name}`; raw numbers in `{name}.json`.\n"
    (FOLDER / f"{name}.md").write_text(f"# {title}\n\n{text}\n{note}")
    print(text)
