"""Images and videos for audio, judged: the common part of `pocket_a2i` and `pocket_a2v`."""

from typing import Literal

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
from benchmarks.scenes import DURATION_S, PROMPTS, Held, held_out
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.intervals import bootstrap_interval, wilson_interval
from seehear.models.families import Family, load_family
from seehear.pipeline.presets import preset_for

Task = Literal["a2i", "a2v"]
# The variants of the paper's section 3.2.4: Eq. 13 alone, Eq. 17 alone, and both.
MODES = {
    "unguided": None,
    "latents": "latents",
    "prompt": "prompt",
    "both": "wordless",
    "default": "default",
}


def scores(family: Family, judge, held: Held, made: Tensor, real_features: Tensor) -> dict:
    """Judge accuracy, the guide's own score, Fréchet distance, coherence and timing."""
    frames = made.float() / 255
    few = frames[:, :: max(1, frames.shape[1] // 4)]
    hits = judge.picture_logits(few).argmax(1) == held.labels
    features = judge.picture_features(few)
    with torch.no_grad():
        video = torch.cat([family.binder.embed_video(f) for f in few.split(28)])
    cosines = (video * held.conditions).sum(1)
    cell = {
        "accuracy": float(hits.float().mean()),
        "accuracy_95": wilson_interval(int(hits.sum()), len(hits)),
        "binder_cosine": float(cosines.mean()),
        "binder_95": bootstrap_interval(lambda i: float(cosines[i].mean()), len(made)),
        **distance(real_features, features),
    }
    return cell | (of_time(judge, frames) if frames.shape[1] > 1 else {})


def of_time(judge, frames: Tensor) -> dict:
    """Similarity of neighbouring frames; `pocket_sync --task a2v` measures the timing of motion."""
    of_frame = torch.stack([judge.picture_features(f[:, None]) for f in frames])
    coherence = torch.nn.functional.cosine_similarity(of_frame[:, 1:], of_frame[:, :-1], dim=2)
    coherence = coherence.mean(1)
    return {
        "coherence": float(coherence.mean()),
        "coherence_95": bootstrap_interval(lambda i: float(coherence[i].mean()), len(frames)),
        "change": float(frames.diff(dim=1).abs().mean()),
    }


def tables(task: Task, raw: dict) -> str:
    """Markdown from the raw results."""
    rows = []
    for key, cell in raw["cells"].items():
        prompt, mode = key.split("/")
        row = [
            prompt, mode, cell["count"], *outside.columns(cell),
            f"{cell['accuracy']:.3f} {interval(cell['accuracy_95'])}",
            f"{cell['binder_cosine']:.3f} {interval(cell['binder_95'])}",
            around(cell["frechet"], cell["frechet_95"]),
        ]  # fmt: skip
        if task == "a2v":
            row += [
                f"{cell['coherence']:.4f} {interval(cell['coherence_95'], 4)}",
                f"{cell['change']:.4f}",
            ]
        on_real = f"{cell['judge_on_real']:.3f}"
        rows.append([*row, on_real, f"{cell['seconds_per_clip']:.2f}"])
    order = [f"{prompt}/{mode}" for prompt in PROMPTS for mode in MODES]
    rows.sort(key=lambda row: order.index(f"{row[0]}/{row[1]}"))
    header = ["prompt", "sampling", "clips", *outside.HEADER, "pocket judge",
              "binder cosine (not by the guiding encoder)", "Fréchet distance"]  # fmt: skip
    if task == "a2v":
        header += ["coherence of neighbouring frames", "mean change"]
    return (
        f"Held-out audio of {DURATION_S} s; {len(IDS)} classes, so chance is {1 / len(IDS):.3f}. "
        + outside.video_note(raw["real"])
        + "The real images are drawings in styles that are not in the training data. Fréchet "
        "distances are comparable only between rows with the same number of clips. The automatic "
        "caption comes from the audio alone. latents: Eq. 13 alone; prompt: Eq. 17 alone; both: "
        "preset `wordless`; default: as both, with weaker guidance, in "
        f"{preset_for(task, 'default').settings.num_steps} steps. All others take "
        f"{preset_for(task, 'wordless').settings.num_steps}. "
        + TIMES_NOTE
        + "Brackets: 95 % intervals.\n\n"
        + table([*header, "pocket judge on real images", "s per output"], rows)
    )


def run(task: Task, title: str) -> None:
    """Measure the rows chosen on the command line and keep the others."""
    name = f"pocket_{task}"
    parser = options_for(title, batch=16)
    parser.add_argument("--prompts", nargs="+", default=list(PROMPTS), choices=PROMPTS)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=list(MODES))
    add_trials(parser)
    options = parser.parse_args()
    family, judge, judges = load_family(), pocket_judge.load(), outside.load(options.outside)
    held = held_out(family, options.count, "audio")
    real_features = judge.picture_features(held.frames)
    hits = judge.picture_logits(held.frames).argmax(1) == held.labels
    raw: dict = {} if options.set else saved(name, None)
    raw["cells"] = raw.get("cells", {})
    raw["real"] = {"accuracy": float(hits.float().mean())}
    raw["real"] |= judges.video_scores(held.frames, held.labels)
    for prompt in options.prompts:
        for mode in options.modes:
            preset = trial(preset_for(task, MODES[mode] or "wordless"), options.set)
            made, seconds = make(
                task, family, held.prompts[prompt], preset, {"audio": held.conditions},
                is_guided=mode != "unguided", batch=options.batch, keep=options.keep,
            )  # fmt: skip
            cell = scores(family, judge, held, made["video"], real_features)
            cell |= judges.video_scores(made["video"].float() / 255, held.labels)
            cell |= {
                "count": options.count,
                "seconds_per_clip": seconds / options.count,
            }
            # The judge may be retrained; this shows rows by different judges.
            cell["judge_on_real"] = raw["real"]["accuracy"]
            print(f"{prompt}/{mode}", {k: v for k, v in cell.items() if k[-2:] != "95"}, flush=True)
            raw["cells"][f"{prompt}/{mode}"] = cell
            if not options.set:
                # Another process may have measured other rows meanwhile.
                found = saved(name, None).get("cells", {})
                raw["cells"] = found | {f"{prompt}/{mode}": cell}
                write(name, title, raw, tables(task, raw))
