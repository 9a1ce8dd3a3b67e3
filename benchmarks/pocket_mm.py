"""The pocket joint model with the aligner: `python -m benchmarks.pocket_mm --model FOLDER`.

{plain, aligned, aligned with a reference, with a prompt}: an unconditional model makes a video and
its audio, which agree by training alone; guidance makes them agree more, and steers them.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from training.mm.clips import DOZEN, DURATION_S, NUM_FRAMES, SAMPLE_RATE, SIZE
from training.world.captions import label
from training.world.scenes import heard, seen
from training.world.things import BY_ID, IDS

from benchmarks import outside
from benchmarks.results import TIMES_NOTE, distance, interval, saved, table, trial, write
from benchmarks.sampler import add_trials, make, options_for
from seehear.dsp.resample import resample
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.intervals import wilson_interval
from seehear.metrics.kernel import polynomial_mmd
from seehear.models.families import load_family
from seehear.models.load_options import LoadOptions
from seehear.pipeline.presets import preset_for

NAME, TITLE = "pocket_mm", "A joint model with the aligner"
MODES = ("plain", "aligned", "like a sound", "like a picture", "with a prompt")
JUDGE_RATE, JUDGE_SIZE = 16_000, 64


def scenes_of_the_dozen(count: int) -> list[int]:
    """The first test scenes whose thing the model was trained on."""
    found: list[int] = []
    seed = 0
    while len(found) < count:
        if heard(seed, "test").thing in DOZEN:
            found.append(seed)
        seed += 1
    return found


def for_judges(audio: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Audio at 16 kHz, and four frames per clip in [0, 1] of 64 by 64 pixels."""
    few = frames[:, ::4].float() / 255
    large = functional.interpolate(few.flatten(0, 1), (JUDGE_SIZE, JUDGE_SIZE), mode="bilinear")
    return resample(audio, SAMPLE_RATE, JUDGE_RATE), large.unflatten(0, few.shape[:2])


def as_the_model_hears_and_sees(seeds: list[int]) -> tuple[Tensor, Tensor]:
    """Audio and frames of test scenes, at the model's rate and size."""
    scenes = [heard(seed, "test") for seed in seeds]
    waves = torch.stack([torch.from_numpy(scene.waveform) for scene in scenes])
    drawn = [seen(scene, seed, "test") for scene, seed in zip(scenes, seeds, strict=True)]
    frames = torch.stack([torch.from_numpy(f) for f in drawn])
    small = functional.interpolate(frames.flatten(0, 1).float(), (SIZE, SIZE), mode="area")
    return resample(waves, JUDGE_RATE, SAMPLE_RATE), small.round().byte().unflatten(
        0, frames.shape[:2]
    )


def scores(judge, made: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor], wanted: Tensor) -> dict:
    """Agreement of the streams, the wanted thing in each, and distances from real clips."""
    audio, frames = for_judges(*made)
    heard_as, seen_as = judge.sound_logits(audio).argmax(1), judge.picture_logits(frames).argmax(1)
    cell: dict = {"count": len(wanted)}
    for name, hits in (
        ("agree", heard_as == seen_as),
        ("audio", heard_as == wanted),
        ("video", seen_as == wanted),
        ("both", (heard_as == wanted) & (seen_as == wanted)),
    ):
        cell[name] = float(hits.float().mean())
        cell[f"{name}_95"] = wilson_interval(int(hits.sum()), len(hits))
    of_real = (
        judge.sound_features(for_judges(*real)[0]),
        judge.picture_features(for_judges(*real)[1]),
    )
    of_made = judge.sound_features(audio), judge.picture_features(frames)
    for name, r, m in zip(("fad", "fvd"), of_real, of_made, strict=True):
        cell[name] = distance(r, m)
    cell["kvd"] = polynomial_mmd(of_real[1], of_made[1])
    return cell


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    rows = []
    for mode in (m for m in MODES if m in raw["cells"]):
        cell = raw["cells"][mode]
        shares = [f"{cell[k]:.3f} {interval(cell[f'{k}_95'])}" for k in ("agree", "audio", "video")]
        distances = [
            f"{cell[k]['frechet']:.1f} {interval(cell[k]['frechet_95'], 1)}" for k in ("fvd", "fad")
        ]
        judged = [outside.columns(cell.get(f"outside_{s}", {}))[0] for s in ("audio", "video")]
        rows.append(
            [mode, cell["count"], *shares, *judged, *distances, f"{cell['kvd']:.3f}",
             f"{cell['seconds_per_clip']:.1f}"]
        )  # fmt: skip
    header = ["sampling", "clips", "same class in both", "audio is the wanted thing",
              "video is the wanted thing", "outside judge, audio", "outside judge, video", "FVD",
              "FAD", "KVD", "s per clip"]  # fmt: skip
    return (
        f"Clips of {DURATION_S} s, {NUM_FRAMES} frames of {SIZE} x {SIZE} pixels and audio at "
        f"{SAMPLE_RATE} Hz, of an unconditional model of {len(DOZEN)} things. Plain and aligned "
        "runs have no input, so they show the wanted thing by chance: "
        f"{1 / len(DOZEN):.3f}. References are held-out scenes of that thing. Classes and features "
        "of FVD, FAD and KVD are those of the pocket judge, which was trained on the same "
        "synthetic world; the outside judges share no training data with it. "
        + TIMES_NOTE
        + "Brackets: 95 % intervals.\n\n"
        + table(header, rows)
    )


def main() -> None:
    parser = options_for(__doc__ or "", batch=8)
    parser.add_argument("--model", type=Path, required=True, help="folder of the joint model")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    add_trials(parser)
    options = parser.parse_args()
    family = load_family(LoadOptions(backbone=f"mm-diffusion={options.model}"))
    judge, judges = pocket_judge.load(), outside.load(options.outside)
    seeds = scenes_of_the_dozen(options.count)
    things = [heard(seed, "test").thing for seed in seeds]
    wanted = torch.tensor([IDS.index(thing) for thing in things])
    real = as_the_model_hears_and_sees(seeds)
    with torch.no_grad():
        audio, frames = for_judges(*real)
        references = {
            "like a sound": torch.cat([family.binder.embed_audio(w[None], 16_000) for w in audio]),
            "like a picture": torch.cat([family.binder.embed_video(f[None]) for f in frames]),
        }
    raw: dict = {} if options.set else saved(NAME, options.count)
    raw |= {"count": options.count, "cells": raw.get("cells", {})}
    for mode in options.modes:
        preset = trial(preset_for("joint-model", "wordless"), options.set)
        texts = [label(BY_ID[t]) if mode == "with a prompt" else "" for t in things]
        conditions = {"reference": references[mode]} if mode in references else {}
        made, seconds = make(
            "joint-model", family, texts, preset, conditions,
            is_guided=mode != "plain", batch=options.batch, keep=options.keep,
        )  # fmt: skip
        cell = scores(judge, (made["audio"], made["video"]), real, wanted)
        audio, frames = for_judges(made["audio"], made["video"])
        cell |= {
            "outside_audio": judges.audio_scores(audio, wanted),
            "outside_video": judges.video_scores(frames, wanted),
            "seconds_per_clip": seconds / options.count,
        }
        print(mode, {k: v for k, v in cell.items() if k[-2:] != "95"}, flush=True)
        raw["cells"][mode] = cell
        if not options.set:
            write(NAME, TITLE, raw, tables(raw))


if __name__ == "__main__":
    main()
