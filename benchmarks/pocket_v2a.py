"""Audio for video with and without guidance: the pocket family on held-out scenes.

`python -m benchmarks.pocket_v2a --presets default` (needs the world, see
training/README.md)

Prompts {none, automatic caption, right, wrong} times {unguided, guided}; an independent judge
classifies the audio. Results of earlier calls with other presets stay in the raw file and table.
"""

import torch
from torch import Tensor
from training.world.things import IDS

from benchmarks import outside
from benchmarks.results import (
    TIMES_NOTE,
    around,
    distance,
    interval,
    saved,
    table,
    trial,
    write,
)
from benchmarks.sampler import add_trials, make, options_for
from benchmarks.scenes import PROMPTS, Held, held_out
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.intervals import bootstrap_interval, wilson_interval
from seehear.models.families import Family, load_family
from seehear.pipeline.presets import PRESETS


def scores(family: Family, judge, held: Held, made: Tensor, real_features: Tensor) -> dict:
    """Judge accuracy, the guiding binder's own score, and the Fréchet distance, with intervals."""
    hits = judge.sound_logits(made).argmax(1) == held.labels
    features = judge.sound_features(made)
    with torch.no_grad():
        audio = torch.cat([family.binder.embed_audio(w, 16_000) for w in made.split(28)])
    cosines = (audio * held.conditions).sum(1)
    return {
        "accuracy": float(hits.float().mean()),
        "accuracy_95": wilson_interval(int(hits.sum()), len(hits)),
        "binder_cosine": float(cosines.mean()),
        "binder_95": bootstrap_interval(lambda i: float(cosines[i].mean()), len(made)),
        **distance(real_features, features),
        "rms": float(made.square().mean().sqrt()),
    }


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    rows = []
    for key, cell in raw["cells"].items():
        preset, prompt, mode = key.split("/")
        rows.append([
            prompt, "unguided" if mode == "unguided" else preset,
            *outside.columns(cell),
            f"{cell['accuracy']:.3f} {interval(cell['accuracy_95'])}",
            f"{cell['binder_cosine']:.3f} {interval(cell['binder_95'])}",
            around(cell["frechet"], cell["frechet_95"]),
            f"{cell['judge_on_real']:.3f}", f"{cell['seconds_per_clip']:.2f}",
        ])  # fmt: skip
    rows.sort(key=lambda row: PROMPTS.index(row[0]))
    header = ["prompt", "sampling", *outside.HEADER, "pocket judge",
              "binder cosine (its mel encoder guides)",
              "Fréchet distance", "pocket judge on real audio", "s per clip"]  # fmt: skip
    return (
        f"{raw['count']} held-out scenes of 2.56 s; {len(IDS)} classes, so chance is "
        f"{1 / len(IDS):.3f}. "
        + outside.audio_note(raw["real"])
        + "The automatic caption comes from the video alone. All presets compare mels, without a "
        "vocoder, so that they differ only in the loop. "
        + TIMES_NOTE
        + "Brackets: 95 % intervals.\n\n"
        + table(header, rows)
    )


def main() -> None:
    parser = options_for(__doc__ or "", batch=14)
    parser.add_argument("--presets", nargs="+", default=["default"], choices=list(PRESETS))
    parser.add_argument("--prompts", nargs="+", default=list(PROMPTS), choices=PROMPTS)
    add_trials(parser)
    modes = ("unguided", "guided")
    parser.add_argument("--modes", nargs="+", default=list(modes), choices=modes)
    options = parser.parse_args()
    family, judge, judges = load_family(), pocket_judge.load(), outside.load(options.outside)
    held = held_out(family, options.count)
    real_features = judge.sound_features(held.real)
    raw = {} if options.set else saved("pocket_v2a", options.count)
    raw |= {"count": options.count, "cells": raw.get("cells", {})}
    real_hits = judge.sound_logits(held.real).argmax(1) == held.labels
    raw["real"] = raw.get("real", {}) | {"accuracy": float(real_hits.float().mean())}
    raw["real"] |= judges.audio_scores(held.real, held.labels)
    for name in options.presets:
        preset = trial(PRESETS[name], options.set)
        for prompt in options.prompts:
            for mode in options.modes:
                # Unguided clips do not depend on the preset: once is enough.
                key = f"{'default' if mode == 'unguided' else name}/{prompt}/{mode}"
                if mode == "unguided" and name != options.presets[0]:
                    continue
                made, seconds = make(
                    "v2a", family, held.prompts[prompt], preset, {"video": held.conditions},
                    is_guided=mode == "guided", batch=options.batch, keep=options.keep,
                )  # fmt: skip
                cell = scores(family, judge, held, made["audio"], real_features)
                cell |= judges.audio_scores(made["audio"], held.labels)
                cell |= {"seconds_per_clip": seconds / options.count}
                # The judge may be retrained; this shows rows by different judges.
                cell["judge_on_real"] = raw["real"]["accuracy"]
                raw["cells"][key] = cell
                print(key, {k: v for k, v in cell.items() if not k.endswith("95")}, flush=True)
                if not options.set:
                    # Another process may have measured other rows meanwhile.
                    raw["cells"] = saved("pocket_v2a", options.count).get("cells", {}) | {key: cell}
                    write("pocket_v2a", "Video to audio on the pocket family", raw, tables(raw))


if __name__ == "__main__":
    main()
