"""Agreement of video and audio from one prompt: `python -m benchmarks.pocket_joint --count 256`.

Prompts {none, vague, right} times {unguided, latents, prompt, both, default, in step}: a vague
prompt names a group of things ("an animal"), so that only guidance can make both streams choose the
same thing. "in step" is the default with a sync loss.
"""

import torch
from torch import Tensor
from training.world.captions import GROUP_NAMES, label
from training.world.scenes import heard, seen
from training.world.things import BY_ID, IDS

from benchmarks import outside
from benchmarks.picture_tasks import MODES as PICTURE_MODES
from benchmarks.results import (
    TIMES_NOTE,
    interval,
    saved,
    table,
    trial,
    write,
)
from benchmarks.sampler import add_trials, make, options_for
from benchmarks.scenes import DURATION_S
from seehear.dsp.events import motion_energy, motion_starts, onset_envelope
from seehear.guidance.sync import SyncTerm, align_curves, curve_offset_s
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.frechet import frechet_distance
from seehear.metrics.intervals import bootstrap_interval, wilson_interval
from seehear.models.families import load_family
from seehear.pipeline.presets import preset_for

PROMPTS = ("none", "vague", "right")
MODES = PICTURE_MODES | {"in step": "default"}
SYNC_WEIGHT = 0.5
VAGUE = {group: names[0] for group, names in GROUP_NAMES.items()}


def texts_for(prompt: str, things: list[str]) -> list[str]:
    """A prompt for every thing."""
    if prompt == "none":
        return [""] * len(things)
    if prompt == "vague":
        return [VAGUE[BY_ID[thing].group] for thing in things]
    return [label(BY_ID[thing]) for thing in things]


def scores(judge, labels: Tensor, sound: Tensor, film: Tensor, real: tuple[Tensor, Tensor]) -> dict:
    """Classes of audio and video by the judge, their agreement, and the offset in time."""
    frames = film.float() / 255
    few = frames[:, ::4]
    heard_as, seen_as = judge.sound_logits(sound).argmax(1), judge.picture_logits(few).argmax(1)
    groups = torch.tensor([list(VAGUE).index(BY_ID[thing].group) for thing in IDS])
    features = judge.sound_features(sound), judge.picture_features(few)
    motion = motion_starts(motion_energy(frames, frames.shape[1] / DURATION_S))
    curves = align_curves(onset_envelope(sound, 16_000), motion, DURATION_S)
    offsets = curve_offset_s(*curves).abs()
    cell = {
        "offset_s": float(offsets.mean()),
        "with_sound": float((curves[0] * curves[1]).sum(1).mean()),
    }
    cell["offset_95"] = bootstrap_interval(lambda i: float(offsets[i].mean()), len(offsets))
    for name, hits in (
        ("agree", heard_as == seen_as),
        ("sound", heard_as == labels),
        ("picture", seen_as == labels),
        ("sound_group", groups[heard_as] == groups[labels]),
        ("picture_group", groups[seen_as] == groups[labels]),
    ):
        cell[name] = float(hits.float().mean())
        cell[f"{name}_95"] = wilson_interval(int(hits.sum()), len(hits))
    for name, of_real, of_made in zip(("sound", "picture"), real, features, strict=True):
        cell[f"{name}_frechet"] = float(frechet_distance(of_real, of_made))
    return cell


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    rows = []
    for key in (f"{prompt}/{mode}" for prompt in PROMPTS for mode in MODES):
        if key not in raw["cells"]:
            continue
        cell = raw["cells"][key]
        prompt, mode = key.split("/")
        rows.append([
            prompt, mode, cell["count"],
            *(outside.columns(cell.get(f"outside_{s}", {}))[0] for s in ("audio", "video")),
            *(f"{cell[k]:.3f} {interval(cell[f'{k}_95'])}" for k in ("agree", "sound", "picture")),
            f"{cell['sound_group']:.3f} / {cell['picture_group']:.3f}",
            f"{cell['sound_frechet']:.1f} / {cell['picture_frechet']:.1f}",
            f"{cell['offset_s']:.3f} {interval(cell['offset_95'])}" if "offset_s" in cell else "",
            f"{cell['seconds_per_clip']:.1f}",
        ])  # fmt: skip
    header = ["prompt", "sampling", "clips", "outside judge, audio", "outside judge, video",
              "same class in both", "audio has the scene's class",
              "video has the scene's class", "right group, audio / video",
              "Fréchet, audio / video", "offset, s", "s per clip"]  # fmt: skip
    return (
        f"Clips of {DURATION_S} s. A vague prompt names one of "
        f'{len(VAGUE)} groups, such as "an animal". There is no other input, so without the right '
        "prompt a stream has the scene's class by chance alone. The outside judges, YAMNet for "
        "audio and EfficientNet-Lite2 for video, were not trained on the pocket world. Their "
        "columns show the share of clips whose class is the likeliest of those that they have. The "
        "other columns are by the pocket judge, which was trained on other scenes of the same "
        "synthetic generator as the models. "
        f"Two streams with random classes out of {len(IDS)} agree in {1 / len(IDS):.3f}. "
        "latents: Eq. 13 alone; prompt: Eq. 17 alone; both: preset `wordless`; default: the video "
        "starts first, then video and audio guide each other; "
        f"in step: default with a sync loss of weight {SYNC_WEIGHT}. Offset: shift between audio "
        "onsets and motion starts at their highest correlation. The sync loss optimises that "
        "correlation. "
        "Fréchet distances are comparable only between rows with the same number of clips. "
        + TIMES_NOTE
        + "Brackets: 95 % intervals.\n\n"
        + table(header, rows)
    )


def main() -> None:
    parser = options_for(__doc__ or "", batch=8)
    parser.add_argument("--prompts", nargs="+", default=list(PROMPTS), choices=PROMPTS)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=list(MODES))
    add_trials(parser)
    options = parser.parse_args()
    family, judge, judges = load_family(), pocket_judge.load(), outside.load(options.outside)
    scenes = [heard(seed, "test") for seed in range(options.count)]
    things = [scene.thing for scene in scenes]
    labels = torch.tensor([IDS.index(thing) for thing in things])
    shown = [torch.from_numpy(seen(s, k, "test")[::4]) for k, s in enumerate(scenes)]
    real = (
        judge.sound_features(torch.stack([torch.from_numpy(s.waveform) for s in scenes])),
        judge.picture_features(torch.stack(shown).float() / 255),
    )
    raw: dict = {} if options.set else saved("pocket_joint", None)
    raw["cells"] = raw.get("cells", {})
    for prompt in options.prompts:
        for mode in options.modes:
            preset = trial(preset_for("joint", MODES[mode] or "default"), options.set)
            made, seconds = make(
                "joint", family, texts_for(prompt, things), preset,
                is_guided=mode != "unguided", batch=options.batch, keep=options.keep,
                sync=SyncTerm(weight=SYNC_WEIGHT) if mode == "in step" else None,
            )  # fmt: skip
            cell = scores(judge, labels, made["audio"], made["video"], real)
            cell |= {
                "outside_audio": judges.audio_scores(made["audio"], labels),
                "outside_video": judges.video_scores(made["video"].float() / 255, labels),
                "count": options.count,
                "seconds_per_clip": seconds / options.count,
            }
            print(f"{prompt}/{mode}", {k: v for k, v in cell.items() if k[-2:] != "95"}, flush=True)
            raw["cells"][f"{prompt}/{mode}"] = cell
            if not options.set:
                found = saved("pocket_joint", None).get("cells", {})
                raw["cells"] = found | {f"{prompt}/{mode}": cell}
                write("pocket_joint", "Video and audio from a prompt", raw, tables(raw))


if __name__ == "__main__":
    main()
