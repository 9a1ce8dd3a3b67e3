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
# Task, description, raw results, score, unguided and guided cell, preset. All tasks use the same
# preset for one kind of prompt: no row has the preset that is best for it.
ROWS = (
    ("v2a", "audio for a video, no prompt", "pocket_v2a", "accuracy",
     "default/none/unguided", "latents/none/guided", "latents"),
    ("v2a", "audio for a video, wrong prompt", "pocket_v2a", "accuracy",
     "default/wrong/unguided", "wordless/wrong/guided", "wordless"),
    ("v2a", "audio for a video, caption by the binder", "pocket_v2a", "accuracy",
     "default/caption/unguided", "default/caption/guided", "default"),
    ("a2i", "an image for audio, no prompt", "pocket_a2i", "accuracy",
     "none/unguided", "none/latents", "latents"),
    ("a2i", "an image for audio, wrong prompt", "pocket_a2i", "accuracy",
     "wrong/unguided", "wrong/both", "wordless"),
    ("a2i", "an image for audio, caption by the binder", "pocket_a2i", "accuracy",
     "caption/unguided", "caption/default", "default"),
    ("a2v", "a video for audio, no prompt", "pocket_a2v", "accuracy",
     "none/unguided", "none/latents", "latents"),
    ("a2v", "a video for audio, wrong prompt", "pocket_a2v", "accuracy",
     "wrong/unguided", "wrong/both", "wordless"),
    ("a2v", "a video for audio, caption by the binder", "pocket_a2v", "accuracy",
     "caption/unguided", "caption/default", "default"),
    ("joint", "video and audio from a vague prompt, same class", "pocket_joint", "agree",
     "vague/unguided", "vague/default", "default"),
)  # fmt: skip


def table() -> str:
    """Shares per task, unguided and guided, by both judges, as a Markdown table."""
    columns = ("task", "", "unguided", "guided", "unguided, pocket judge",
               "guided, pocket judge", "preset", "clips")  # fmt: skip
    text = f"| {' | '.join(columns)} |\n" + "| --- " * len(columns) + "|\n"
    for task, what, name, score, unguided, guided, preset in ROWS:
        path = RESULTS / f"{name}.json"
        raw = json.loads(path.read_text()) if path.exists() else {"cells": {}}
        cells = [raw["cells"].get(key) or {} for key in (unguided, guided)]
        counts = dict.fromkeys(c.get("count", raw.get("count")) for c in cells if c)
        link = f"[{', '.join(map(str, counts)) or 0}](docs/results/{name}.md)"
        values = [_with_interval(c, s) for s in ("outside_top1", score) for c in cells]
        text += f"| {' | '.join((task, what, *values, f'`{preset}`', link))} |\n"
    return text


def _with_interval(cell: dict, score: str) -> str:
    if score not in cell:
        return "not measured"
    low, high = cell[f"{score}_95"]
    return f"{cell[score]:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Write the table, or fail with --check if the committed table is stale."""
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
