"""Offset of generated streams with and without the sync loss, on held-out scenes.

`python -m benchmarks.pocket_sync --task v2a --count 112` (needs the world, see training/README.md)

The scenes have one to four events at known times. The term uses the motion of the given video or
the onsets of the given audio. The offset is measured against the true times, which guidance never
uses. The input is measured too: guidance cannot be more exact than its input.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from training.world.captions import label
from training.world.scenes import Heard, heard, seen
from training.world.things import BY_ID, IDS

from benchmarks.results import interval, saved, table, write
from benchmarks.sampler import make, options_for
from benchmarks.scenes import DURATION_S, FPS
from seehear.dsp.events import Curve, motion_energy, motion_starts, onset_envelope
from seehear.guidance.sync import SyncTerm, align_curves, curve_distance, curve_offset_s
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.intervals import bootstrap_interval, wilson_interval
from seehear.models.families import Family, load_family
from seehear.pipeline.presets import preset_for

MOST_EVENTS = 4
Task = Literal["v2a", "a2v"]
# Weight of the term, if any, and whether latents are moved too.
ROWS: dict[str, tuple[float | None, bool]] = {
    "the input": (None, False),
    "the real other stream": (None, False),
    "no alignment": (None, False),
    "time shift": (0.0, True),
    "sync loss 0.5": (0.5, False),
    "sync loss 0.25, time shift": (0.25, True),
    "sync loss 0.5, time shift": (0.5, True),
    "sync loss 1, time shift": (1.0, True),
}


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


@dataclass(frozen=True, kw_only=True)
class Events:
    """Scenes, both halves of them, and when their events are."""

    frames: Tensor  # uint8 [n, 16, 3, size, size]
    real: Tensor  # [n, samples]
    true: Curve
    labels: Tensor
    prompts: list[str]

    @classmethod
    def first(cls, count: int) -> "Events":
        """Draw the first `count` scenes that have few events."""
        scenes = scenes_with_events(count)
        return cls(
            frames=torch.stack([torch.from_numpy(seen(s, seed, "test")) for seed, s in scenes]),
            real=torch.stack([torch.from_numpy(scene.waveform) for _, scene in scenes]),
            true=events(scenes),
            labels=torch.tensor([IDS.index(scene.thing) for _, scene in scenes]),
            prompts=[label(BY_ID[scene.thing]) for _, scene in scenes],
        )


def starts(frames: Tensor) -> Curve:
    """The motion start curve of uint8 frames."""
    return motion_starts(motion_energy(frames.float() / 255, FPS))


def offsets(curve: Curve, other: Curve, true: Curve) -> dict:
    """Offset of a stream from the true events, and its correlation with the other stream."""
    mine, events_curve = align_curves(curve, true, DURATION_S)
    offset_s = curve_offset_s(mine, events_curve, 1.0).abs()
    to_true = 1 - curve_distance(mine, events_curve)
    to_other = 1 - curve_distance(*align_curves(curve, other, DURATION_S))
    return {
        "offset_s": float(offset_s.mean()),
        "offset_95": bootstrap_interval(lambda i: float(offset_s[i].mean()), len(offset_s)),
        "offset_median_s": float(offset_s.median()),
        "with_events": float(to_true.mean()),
        "with_events_95": bootstrap_interval(lambda i: float(to_true[i].mean()), len(offset_s)),
        "with_given": float(to_other.mean()),
    }


def named(logits: Tensor, labels: Tensor) -> dict:
    """Accuracy of the judge, with its interval."""
    hits = logits.argmax(1) == labels
    return {
        "accuracy": float(hits.float().mean()),
        "accuracy_95": wilson_interval(int(hits.sum()), len(hits)),
    }


def measure(
    task: Task, family: Family, scenes: Events, row: str, batch: int, keep: Path | None
) -> dict:
    """One row: generate the missing stream with the row's sync weight and time shift."""
    judge = pocket_judge.load()
    heard_curve, seen_curve = onset_envelope(scenes.real, 16_000), starts(scenes.frames)
    if row in ("the input", "the real other stream"):
        is_sound = (row == "the input") == (task == "a2v")
        pair = (heard_curve, seen_curve) if is_sound else (seen_curve, heard_curve)
        logits = judge.sound_logits(scenes.real) if is_sound else judge.picture_logits(
            scenes.frames.float() / 255
        )  # fmt: skip
        return offsets(*pair, scenes.true) | named(logits, scenes.labels)
    weight, is_moved = ROWS[row]
    preset = preset_for(task, "default")
    if not is_moved:
        preset = replace(preset, settings=replace(preset.settings, retimed_at=()))
    with torch.no_grad():
        if task == "v2a":
            frames = (scenes.frames[:, ::4].float() / 255).split(28)
            conditions = {"video": torch.cat([family.binder.embed_video(f) for f in frames])}
            sync = SyncTerm(starts=seen_curve, weight=weight or 0.0)
        else:
            conditions = {"audio": family.binder.embed_audio(scenes.real, 16_000)}
            sync = SyncTerm(onsets=heard_curve, weight=weight or 0.0)
    made, seconds = make(
        task, family, scenes.prompts, preset, conditions,
        batch=batch, sync=None if weight is None else sync, keep=keep,
    )  # fmt: skip
    if task == "v2a":
        cell = offsets(onset_envelope(made["audio"], 16_000), seen_curve, scenes.true)
        cell |= named(judge.sound_logits(made["audio"]), scenes.labels)
    else:
        cell = offsets(starts(made["video"]), heard_curve, scenes.true)
        cell |= named(judge.picture_logits(made["video"].float() / 255), scenes.labels)
    return cell | {"seconds_per_clip": seconds / len(scenes.prompts)}


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    header = ["", "mean offset, s", "median, s", "correlation with events",
              "correlation with the input", "judge accuracy", "s per clip"]  # fmt: skip
    parts = []
    for task, found in raw["tasks"].items():
        rows = [
            [
                name,
                f"{r['offset_s']:.3f} {interval(r['offset_95'], 3)}",
                f"{r['offset_median_s']:.3f}",
                f"{r['with_events']:.2f} {interval(r['with_events_95'])}",
                f"{r['with_given']:.2f}",
                f"{r['accuracy']:.3f} {interval(r['accuracy_95'])}",
                f"{r['seconds_per_clip']:.2f}" if "seconds_per_clip" in r else "",
            ]
            for name in ROWS
            if (r := found["cells"].get(name)) is not None
        ]
        parts.append(f"## {task}\n\n{found['count']} scenes.\n\n" + table(header, rows))
    return (
        f"Held-out scenes of {DURATION_S} s with one to {MOST_EVENTS} events, right prompt, preset "
        "`default`. Offset: the shift, up to 1 s, at which audio onsets (v2a) or motion starts "
        "(a2v) correlate best with the world's true event times. The first two rows are the "
        "input and the real other stream of the scene, without generation. Sync loss: its gradient "
        "with that weight. Time shift: latents are shifted in time. Brackets: 95 % intervals.\n\n"
        + "\n".join(parts)
    )


def main() -> None:
    parser = options_for(__doc__ or "", batch=16, count=112)
    parser.add_argument("--task", default="v2a", choices=("v2a", "a2v"))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    options = parser.parse_args()
    family, scenes = load_family(), Events.first(options.count)
    for row in options.rows:
        cell = measure(options.task, family, scenes, row, options.batch, options.keep)
        print(row, cell, flush=True)
        # Another process may have measured other rows meanwhile.
        raw = {"tasks": saved("pocket_sync", None).get("tasks", {})}
        found = raw["tasks"].get(options.task, {})
        if found.get("count") != options.count:
            found = {"count": options.count, "cells": {}}
        found["cells"][row] = cell
        raw["tasks"][options.task] = found
        write("pocket_sync", "Synchronisation of audio and video", raw, tables(raw))


if __name__ == "__main__":
    main()
