"""Writes docs/models.md from the table of checkpoints, and what each memory plan takes.

`python scripts/write_models_page.py` writes it (some minutes: every plan is costed at the true
sizes of the models); `--check` compares the table of checkpoints alone.
"""

import argparse
import sys
from pathlib import Path

import torch

from seehear.diagnostics.estimate import estimate_run
from seehear.diagnostics.memory_mode import MemoryPlan
from seehear.models.catalogue import ENTRIES, LICENCES
from seehear.pipeline.paper_runs import PAPER_RUNS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
MARK = "\n## What the paper's runs take\n"
HEAD = """# Models

This page is written by `python scripts/write_models_page.py`; `seehear models list` shows the same
table and which of them are on your machine.

The **pocket** family ships with the package: nothing to fetch ([its card](pocket.md)). For the
others `seehear models pull NAME` says size and licence, asks, fetches, and goes on where it was cut
off. `--audio`, `--video`, `--motion` and `--captioner` take a name of the table or of the hub, or a
folder, `--binder` a file or folder, so any model in one of these formats loads, listed or not:
fine-tunes of Stable Diffusion 1.5, other sizes of AudioLDM, adapters of AnimateDiff, its own
`.ckpt` files, and converted weights (`seehear models convert`). No code in a weight file is ever
run. A `measure` scores clips, in `seehear eval --features NAME` ([evaluation](evaluation.md)).

`--commercial` refuses parts whose licence forbids commercial use or does not say, and names what to
use instead; every manifest lists the licences of all parts. The words in the table are a summary
and no legal advice.

## Checkpoints

"""
TAIL = """
Weights beside all that is alive at once in a guided step, predicted stage by stage at the published
sizes of the models without computing anything (`seehear.diagnostics.estimate`; what it
predicts is compared with what a process takes in [results/true_size.md](results/true_size.md)).
v2a and i2a make 10 s, a2v
and joint 16 frames of 224 x 224 pixels. `--memory GB` chooses the fastest plan that fits;
`seehear doctor --models paper` says which that is on your machine, and how long it would take.
"""
PLANS = (
    MemoryPlan(),
    MemoryPlan(checkpointing=True),
    MemoryPlan(torch.bfloat16),
    MemoryPlan(torch.bfloat16, checkpointing=True),
    MemoryPlan(torch.bfloat16, checkpointing=True, lean=True),
)


def row(*cells: object) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |\n"


def checkpoints() -> str:
    """The table of what loads from where, and what the licences permit."""
    text = row("name", "for", "where", "about", "licence", "option") + "|" + " --- |" * 6 + "\n"
    for entry in ENTRIES:
        where = entry.source if entry.is_file else f"`{entry.source}` on the hub"
        size = f"{entry.bytes_ / 1e9:.2f} GB"
        option = f"`{entry.takes}`" if entry.takes else ""
        text += row(f"`{entry.name}`", entry.role, where, size, entry.terms.name, option)
    text += "\n" + row("licence", "commercial use", "permits") + "|" + " --- |" * 3 + "\n"
    for licence in LICENCES.values():
        allowed = "yes" if licence.allows_commercial else "no"
        text += row(licence.name, allowed, licence.permits)
    return text


def memory() -> str:
    """Predicted gigabytes by recipe and plan."""
    text = row("plan", *PAPER_RUNS) + "|" + " --- |" * (len(PAPER_RUNS) + 1) + "\n"
    for plan in PLANS:
        peaks = (estimate_run(recipe, plan).peak_bytes / 1e9 for recipe in PAPER_RUNS.values())
        text += row(plan, *(f"{peak:.1f} GB" for peak in peaks))
    return text


def main() -> None:
    """Write the page, or compare what can be compared quickly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the table is stale")
    options = parser.parse_args()
    front = HEAD + checkpoints()
    if options.check:
        if not PAGE.exists() or not PAGE.read_text().startswith(front + MARK):
            sys.exit(f"{PAGE} is stale: run `python scripts/write_models_page.py`")
        return
    PAGE.write_text(front + MARK + TAIL + "\n" + memory())


if __name__ == "__main__":
    main()
