"""Negative prompts and vetoes: two things in the prompt, one of them avoided.

`python -m benchmarks.pocket_veto --outside FOLDER` (needs the world, see training/README.md)

The video shows the first thing of the prompt. The outside judge scores how much of each thing is in
the audio. The target: half of the second thing's score, and at most 2 % less of the first's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from training.world.captions import label
from training.world.things import BY_ID, IDS

from benchmarks import outside
from benchmarks.results import TIMES_NOTE, interval, table, trial, write
from benchmarks.sampler import add_trials, make, options_for
from benchmarks.scenes import held_out
from seehear.metrics.intervals import bootstrap_interval
from seehear.models.families import load_family
from seehear.pipeline.presets import PRESETS


@dataclass(frozen=True)
class Row:
    """A way to avoid the second thing."""

    name: str
    preset: str | None  # None: unguided
    is_negative: bool = False
    is_veto: bool = False
    is_alone: bool = False  # the prompt names only the first thing


ROWS = (
    Row("first thing alone", None, is_alone=True),
    Row("both", None),
    Row("both", "fast"),
    Row("negative prompt", None, is_negative=True),
    Row("veto", "fast", is_veto=True),
    Row("negative prompt and veto", "fast", is_negative=True, is_veto=True),
)


def avoided(things: Sequence[str], known: Sequence[str]) -> list[str]:
    """For every thing another one of the judge's, of another group."""
    found = []
    for k, thing in enumerate(things):
        place = (k * 7 + 11 + k // len(known) * 5) % len(known)
        while BY_ID[known[place]].group == BY_ID[thing].group:
            place = (place + 1) % len(known)
        found.append(known[place])
    return found


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    rows = []
    for cell in raw["cells"]:
        of_same = next(
            c for c in raw["cells"] if c["name"] == "both" and c["preset"] == cell["preset"]
        )
        is_base = cell["name"] in ("both", "first thing alone")
        change = "" if is_base else f"{cell['second'] / of_same['second'] - 1:+.0%}"
        kept = "" if is_base else f"{cell['first'] / of_same['first'] - 1:+.0%}"
        rows.append([
            cell["name"], cell["preset"] or "unguided",
            f"{cell['first']:.3f} {interval(cell['first_95'], 3)}", kept,
            f"{cell['second']:.3f} {interval(cell['second_95'], 3)}", change,
            f"{cell['seconds_per_clip']:.2f}",
        ])  # fmt: skip
    header = ["avoided by", "sampling", "first thing", "change", "second thing", "change",
              "s per clip"]  # fmt: skip
    return (
        f"{raw['count']} held-out scenes of 2.56 s. The prompt names two things of different "
        "groups, the video shows the first, and the second is avoided. The scores are mean "
        "probabilities of the thing's classes by YAMNet (AudioSet), which was not trained on the "
        "pocket world; for audio that contains only one thing they are low for most scenes. "
        "Changes: from the row with both things and the same sampling. "
        + TIMES_NOTE
        + "Brackets: 95 % intervals.\n\n"
        + table(header, rows)
    )


def main() -> None:
    parser = options_for(__doc__ or "", batch=14, count=112)
    add_trials(parser)
    parser.add_argument("--rows", nargs="+", type=int, default=list(range(len(ROWS))))
    options = parser.parse_args()
    family, judges = load_family(), outside.load(options.outside)
    # Nearly all things have classes of the outside judge.
    held = held_out(family, options.count + options.count // 8)
    known = [thing for thing in IDS if thing in judges.audio_classes]
    every = [IDS[k] for k in held.labels.tolist()]
    places = [k for k, thing in enumerate(every) if thing in judges.audio_classes]
    places = places[: options.count]
    first = [every[k] for k in places]
    second = avoided(first, known)
    alone = [label(BY_ID[thing]) for thing in first]
    avoid = [label(BY_ID[thing]) for thing in second]
    both = [f"{a} and {b}" for a, b in zip(alone, avoid, strict=True)]
    cells = []
    for row in (ROWS[k] for k in options.rows):
        made, seconds = make(
            "v2a", family, alone if row.is_alone else both,
            trial(PRESETS[row.preset or "default"], options.set),
            {"video": held.conditions[places]},
            is_guided=row.preset is not None, batch=options.batch, keep=options.keep,
            negatives=avoid if row.is_negative else (), vetoes=avoid if row.is_veto else (),
        )  # fmt: skip
        cell = {"name": row.name, "preset": row.preset, "seconds_per_clip": seconds / len(first)}
        for name, things in (("first", first), ("second", second)):
            found = judges.audio_probabilities(made["audio"], things)
            cell[name] = float(found.mean())
            cell[f"{name}_95"] = bootstrap_interval(
                lambda i, found=found: float(found[i].mean()), len(found)
            )
        cells.append(cell)
        print(cell, flush=True)
    raw = {"count": len(first), "cells": cells}
    if not options.set and len(options.rows) == len(ROWS):
        write("pocket_veto", "Negative prompts and vetoes on the pocket family", raw, tables(raw))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
