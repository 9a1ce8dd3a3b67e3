"""Writes the table of tasks in README.md from the raw results of the benchmarks.

`python scripts/write_task_table.py` writes it; `--check` fails if the committed one is stale.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results"
BEGIN, END = "<!-- tasks: written by scripts/write_task_table.py -->\n", "<!-- end of tasks -->"
# Task, what it does, raw results, the score, the cells without and with guidance, and the preset
# that guides: of one kind of words the same for every task, so that no row has its best one.
ROWS = (
    ("v2a", "a sound for a video, no words", "pocket_v2a", "accuracy",
     "default/none/vanilla", "latents/none/guided", "latents"),
    ("v2a", "a sound for a video, against a wrong word", "pocket_v2a", "accuracy",
     "default/wrong/vanilla", "wordless/wrong/guided", "wordless"),
    ("v2a", "a sound for a video, named by the binder", "pocket_v2a", "accuracy",
     "default/caption/vanilla", "default/caption/guided", "default"),
    ("a2i", "a picture for a sound, no words", "pocket_a2i", "accuracy",
     "none/vanilla", "none/latents", "latents"),
    ("a2i", "a picture for a sound, against a wrong word", "pocket_a2i", "accuracy",
     "wrong/vanilla", "wrong/both", "wordless"),
    ("a2i", "a picture for a sound, named by the binder", "pocket_a2i", "accuracy",
     "caption/vanilla", "caption/default", "default"),
    ("a2v", "a video for a sound, no words", "pocket_a2v", "accuracy",
     "none/vanilla", "none/latents", "latents"),
    ("a2v", "a video for a sound, against a wrong word", "pocket_a2v", "accuracy",
     "wrong/vanilla", "wrong/both", "wordless"),
    ("a2v", "a video for a sound, named by the binder", "pocket_a2v", "accuracy",
     "caption/vanilla", "caption/default", "default"),
    ("joint", "both from a vague word; do they agree?", "pocket_joint", "agree",
     "vague/vanilla", "vague/default", "default"),
)  # fmt: skip


def table() -> str:
    """The judge's verdict per task, without guidance and with it."""
    text = "| task | | unguided | guided | by preset | clips |\n" + "| --- " * 6 + "|\n"
    for task, what, name, score, plain, guided, preset in ROWS:
        path = RESULTS / f"{name}.json"
        raw = json.loads(path.read_text()) if path.exists() else {"cells": {}}
        cells = [raw["cells"].get(key) for key in (plain, guided)]
        counts = {c.get("count", raw.get("count")) for c in cells if c is not None}
        link = f"[{', '.join(map(str, sorted(counts)))}](docs/results/{name}.md)"
        shown = [_shown(cell, score) for cell in cells]
        text += f"| {task} | {what} | {shown[0]} | {shown[1]} | `{preset}` | {link} |\n"
    return text


def _shown(cell: dict | None, score: str) -> str:
    if cell is None:
        return "not measured"
    low, high = cell[f"{score}_95"]
    return f"{cell[score]:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Write the table, or compare it with what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the table is stale")
    options = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    wanted = before + BEGIN + table() + END + after
    if options.check:
        if wanted != text:
            sys.exit(f"{README} is stale: run `python scripts/write_task_table.py`")
        return
    README.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
