"""Cheap guidance beside the full gradient: cost and quality of audio for the same videos.

`python -m benchmarks.guidance_cost --outside FOLDER` (needs the world, see training/README.md)

All rows start from the same noise, with the automatic caption as the prompt. `benchmarks.overhead`
measures time and memory of single runs by stage.
"""

import time

import torch

from benchmarks import outside
from benchmarks.pocket_v2a import scores
from benchmarks.results import around, interval, table, write
from benchmarks.sampler import make, options_for
from benchmarks.scenes import held_out
from seehear.metrics.features import judge as pocket_judge
from seehear.models.families import load_family
from seehear.pipeline.presets import PRESETS

ROWS = ("unguided", "fast", "default")


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    plain = raw["cells"]["unguided"]["cpu_s"]
    rows = [
        [
            name, f"{cell['cpu_s'] / plain:.2f}", *outside.columns(cell),
            f"{cell['accuracy']:.2f} {interval(cell['accuracy_95'])}",
            around(cell["frechet"], cell["frechet_95"]), f"{cell['cpu_s'] / raw['count']:.2f}",
        ]
        for name, cell in raw["cells"].items()
    ]  # fmt: skip
    header = ["sampling", "times the unguided CPU time", *outside.HEADER, "pocket judge",
              "Fréchet distance", "CPU s per clip"]  # fmt: skip
    return (
        f"{raw['count']} held-out scenes of 2.56 s with their automatic captions. "
        + outside.audio_note(raw["real"])
        + "CPU time includes decoding, measured in one run on one thread. Brackets: 95 % "
        "intervals.\n\n" + table(header, rows)
    )


def main() -> None:
    parser = options_for(__doc__ or "", batch=14, count=112)
    options = parser.parse_args()
    if options.keep is not None:
        parser.error("--keep would leave kept batches out of the measured time")
    family, judge, judges = load_family(), pocket_judge.load(), outside.load(options.outside)
    held = held_out(family, options.count)
    real_features = judge.sound_features(held.real)
    real_hits = judge.sound_logits(held.real).argmax(1) == held.labels
    real = {"accuracy": float(real_hits.float().mean())}
    real |= judges.audio_scores(held.real, held.labels)
    cells = {}
    for name in ROWS:
        began = time.process_time()
        made, _ = make(
            "v2a", family, held.prompts["caption"],
            PRESETS["default" if name == "unguided" else name], {"video": held.conditions},
            is_guided=name != "unguided", batch=options.batch,
        )  # fmt: skip
        cpu_s = time.process_time() - began
        cell = scores(family, judge, held, made["audio"], real_features)
        cells[name] = cell | judges.audio_scores(made["audio"], held.labels) | {"cpu_s": cpu_s}
        print(name, cells[name], flush=True)
    raw = {"count": options.count, "real": real, "cells": cells}
    write("guidance_cost", "Cost and quality of guidance", raw, tables(raw))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
