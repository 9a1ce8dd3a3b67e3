"""Writes docs/models.md from the catalogue of checkpoints and from memory estimates.

`python scripts/write_models_page.py` writes the page. It takes some minutes, because it estimates
every memory plan at the published model sizes. `--check` compares the text and the table of
checkpoints only.
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
MARK = "\n## Memory and time of the paper's presets\n"
HEAD = """# Models

`python scripts/write_models_page.py` writes this page. `seehear models list` shows this table and
which models are on your machine.

The **pocket** family ships with the package, without downloads ([model card](pocket.md)). For all
other models except those with the role `joint`, `seehear models pull NAME` shows size and licence,
asks for confirmation and downloads the files. An interrupted download is resumed.

`--audio`, `--video`, `--motion` and `--captioner` take a name from the table, a model ID on the
Hugging Face Hub or a folder; `--binder` takes a name, a file or a folder. These models load too,
although they are not in the table: fine-tunes of Stable Diffusion 1.5, other sizes of AudioLDM,
adapters of AnimateDiff, the AnimateDiff authors' `.ckpt` files, and converted weights
(`seehear models convert`). Code in a weight file is never run. In the table, the role `measure` is
a feature network for `seehear eval --features NAME` ([evaluation](evaluation.md)). The role `joint`
is one model for audio and video. Its file must be downloaded manually: `seehear models pull NAME`
prints the page and the path to save it to. The role `decoder` is a small image decoder for guidance
and previews; it has no command-line option.

`--commercial` raises an error for models whose licence forbids commercial use or is unknown, and
suggests an alternative. Every manifest lists the licences of all models used. The terms in the
table are a summary and not legal advice.

A licence covers the weights, not the data they were trained on. The published models were trained
on collections with material of many owners: AudioLDM on AudioSet, AudioCaps, Freesound and the
BBC's sound effects, Stable Diffusion on LAION images, AnimateDiff on WebVid-10M, ImageBind on
AudioSet and others. Whether their outputs may be used for a purpose is a question of your country's
law. The training data of the pocket models are listed with their licences in the [model
card](pocket.md).

## Checkpoints

"""
TAIL = """
The table shows the peak memory of a guided step: weights and all live tensors. It is estimated
stage by stage at the published model sizes without running the models
(`seehear.diagnostics.estimate`).
[results/true_size.md](results/true_size.md) compares estimates with measured memory. v2a and i2a
generate 10 s, a2v and joint 16 frames of 224 x 224 pixels. `--memory GB` selects the fastest plan
that fits. The plan in float32 with recomputed activations is used on a CPU only. The plan with
offloading is used on a GPU only. The memory of a process is higher than these estimates
([performance.md](performance.md#bfloat16)). `seehear doctor --models paper` shows the plan for your
machine and the estimated time.
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
    """The tables of checkpoints and of licences."""
    text = row("name", "role", "source", "size", "licence", "option") + "|" + " --- |" * 6 + "\n"
    for entry in ENTRIES:
        where = entry.source if entry.is_file else f"`{entry.source}` on the Hugging Face Hub"
        size = f"{entry.bytes_ / 1e9:.2f} GB"
        option = f"`{entry.takes}`" if entry.takes else ""
        text += row(f"`{entry.name}`", entry.role, where, size, entry.terms.name, option)
    text += "\n" + row("licence", "commercial use", "terms") + "|" + " --- |" * 3 + "\n"
    for licence in LICENCES.values():
        allowed = "yes" if licence.allows_commercial else "no"
        text += row(licence.name, allowed, licence.permits)
    return text


def memory() -> str:
    """The table of estimated peak memory by paper run and memory plan."""
    # The presets `-fast` need less than the ones without it.
    runs = [run for run in PAPER_RUNS.values() if not run.preset.latent_encoder]
    names = (run.name for run in runs)
    text = row("plan", *names) + "|" + " --- |" * (len(runs) + 1) + "\n"
    for plan in PLANS:
        peaks = (estimate_run(run, plan).peak_bytes / 1e9 for run in runs)
        text += row(plan, *(f"{peak:.1f} GB" for peak in peaks))
    return text


def main() -> None:
    """Write the page, or compare its text and first tables."""
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
