"""Does the sync term put sounds where things move? The pocket family on held-out scenes.

`python -m benchmarks.pocket_sync --count 112` (needs the world, see training/README.md)

Scenes with one to four events that the world knows the times of. The term sees the picture's
motion; what is measured is the offset from the world's own times, which no guidance has seen.
"""

import argparse
from dataclasses import replace

import torch
from torch import Tensor
from training.world.captions import label
from training.world.scenes import Heard, heard, seen
from training.world.things import BY_ID, IDS

from benchmarks.results import interval, table, write
from benchmarks.sampler import make
from benchmarks.scenes import DURATION_S, FPS
from seehear.families import load_family
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.intervals import bootstrap_interval, wilson_interval
from seehear.objective import InStep
from seehear.presets import DEFAULT
from seehear.sync import (
    Curve,
    curve_distance,
    curve_offset_s,
    motion_energy,
    onset_envelope,
    paired,
)

MOST_EVENTS = 4


def scenes_with_events(count: int) -> list[tuple[int, Heard]]:
    """The first scenes of the test split that have few, known events, none at the very edges."""
    found: list[tuple[int, Heard]] = []
    seed = 0
    while len(found) < count:
        scene = heard(seed, "test")
        inside = [t for t in scene.onsets_s if 0.15 <= t <= DURATION_S - 0.3]
        if 1 <= len(scene.onsets_s) <= MOST_EVENTS and inside:
            found.append((seed, scene))
        seed += 1
    return found


def events(scenes: list[tuple[int, Heard]]) -> Curve:
    """A pulse of 0.01 s at every true event."""
    times_s = (torch.arange(256) + 0.5) / 100
    values = torch.zeros(len(scenes), 256)
    for row, (_, scene) in zip(values, scenes, strict=True):
        for onset_s in scene.onsets_s:
            row[min(255, max(0, int(onset_s * 100)))] = 1.0
    return Curve(values, times_s)


def measured(waveform: Tensor, true: Curve, motion: Curve, judge, labels: Tensor) -> dict:
    """Offsets from the true events, correlation with them and with the motion, and the judge."""
    onsets = onset_envelope(waveform, 16_000)
    heard_curve, true_curve = paired(onsets, true, DURATION_S)
    offsets = curve_offset_s(heard_curve, true_curve, 1.0).abs()
    to_true = 1 - curve_distance(heard_curve, true_curve)
    to_motion = 1 - curve_distance(*paired(onsets, motion, DURATION_S))
    hits = judge.sound_logits(waveform).argmax(1) == labels
    return {
        "offset_s": float(offsets.mean()),
        "offset_95": bootstrap_interval(lambda i: float(offsets[i].mean()), len(offsets)),
        "offset_median_s": float(offsets.median()),
        "with_events": float(to_true.mean()),
        "with_events_95": bootstrap_interval(lambda i: float(to_true[i].mean()), len(offsets)),
        "with_motion": float(to_motion.mean()),
        "accuracy": float(hits.float().mean()),
        "accuracy_95": wilson_interval(int(hits.sum()), len(hits)),
    }


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    rows = [
        [
            name,
            f"{r['offset_s']:.3f} {interval(r['offset_95'], 3)}",
            f"{r['offset_median_s']:.3f}",
            f"{r['with_events']:.2f} {interval(r['with_events_95'])}",
            f"{r['with_motion']:.2f}",
            f"{r['accuracy']:.3f} {interval(r['accuracy_95'])}",
            f"{r['seconds_per_clip']:.2f}" if "seconds_per_clip" in r else "",
        ]
        for name, r in raw["cells"].items()
    ]
    header = ["sound", "mean offset, s", "median, s", "correlation with events",
              "with motion (the guide's own)", "judge accuracy", "s per clip"]  # fmt: skip
    return (
        f"{raw['count']} held-out scenes of {DURATION_S} s with one to {MOST_EVENTS} events, right "
        "prompt, preset `default`. Offset: by how much the sound's onsets and the world's true "
        "event times must be shifted to correlate best, within 1 s. Brackets: 95 % intervals.\n\n"
        + table(header, rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=112)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0])
    options = parser.parse_args()
    family, judge = load_family("pocket"), pocket_judge.load()
    scenes = scenes_with_events(options.count)
    pictures = [torch.from_numpy(seen(scene, seed, "test")) for seed, scene in scenes]
    frames = torch.stack(pictures).float() / 255
    motion, true = motion_energy(frames, FPS), events(scenes)
    labels = torch.tensor([IDS.index(scene.thing) for _, scene in scenes])
    with torch.no_grad():
        video = torch.cat([family.binder.embed_video(f[:, ::4]) for f in frames.split(28)])
    prompts = [label(BY_ID[scene.thing]) for _, scene in scenes]
    real = torch.stack([torch.from_numpy(scene.waveform) for _, scene in scenes])
    cells = {"real": measured(real, true, motion, judge, labels)}
    for weight in options.weights:
        preset = replace(DEFAULT, sync_weight=weight)
        made, seconds = make(
            "v2a", family, prompts, preset, {"video": video},
            batch=options.batch, sync=InStep(motion=motion, weight=weight),
        )  # fmt: skip
        cell = measured(made["audio"], true, motion, judge, labels)
        cell["seconds_per_clip"] = seconds / options.count
        cells[row_name(weight)] = cell
        print(weight, cell, flush=True)
        raw = {"count": options.count, "cells": cells}
        write("pocket_sync", "In step with the picture", raw, tables(raw))


def row_name(weight: float) -> str:
    """What a row is called."""
    return f"sync {weight:g}" if weight else "no sync term"


if __name__ == "__main__":
    main()
