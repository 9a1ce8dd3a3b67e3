"""Train the pocket binder's heads: `python -m training.binder features`, then `train`.

Needs what `training.fetch` puts in cache/ (emoji, recordings, ImageNet's names) and the towers
that `training.towers` converted. Features are cached in cache/binder, one file a seed, so that
an interrupted run continues.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from seehear.models.binders.pocket.aisfx import SfxNet
from seehear.models.binders.pocket.efficientnet import EfficientNetLite0
from training.binder.pictures import picture_features
from training.binder.sounds import sound_features
from training.loop import has_bfloat16
from training.towers import DATA
from training.world.pictures import CACHE

FOLDER = CACHE / "binder"
WORLD_SOUNDS = 56 * 18  # per seed


def frozen(tower: torch.nn.Module, file: str) -> torch.nn.Module:
    """A tower with its shipped weights, in bfloat16 where that takes half the time."""
    tower.load_state_dict(load_file(DATA / "binder" / file))
    dtype = torch.bfloat16 if has_bfloat16() else torch.float32
    return tower.eval().requires_grad_(False).to(dtype).to(memory_format=torch.channels_last)


def write(kind: str, seed: int, features: np.ndarray, concepts: list[str]) -> None:
    np.save(FOLDER / f"{kind}_{seed}.npy", features)
    (FOLDER / f"{kind}_{seed}.json").write_text(json.dumps(concepts))


def make_features(seeds: list[int], kinds: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        if "sounds" in kinds and not (FOLDER / f"sounds_{seed}.json").exists():
            net = frozen(SfxNet(), "aisfx.safetensors")
            write("sounds", seed, *sound_features(net, seed, WORLD_SOUNDS, 2, per_extra=8))
        if "pictures" in kinds and not (FOLDER / f"pictures_{seed}.json").exists():
            net = frozen(EfficientNetLite0(), "efficientnet_lite0.safetensors")
            write("pictures", seed, *picture_features(net, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    features = commands.add_parser("features", help="run the frozen towers over made examples")
    features.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    features.add_argument("--kinds", nargs="+", default=["sounds", "pictures"])
    training = commands.add_parser("train", help="train the heads on the cached features")
    training.add_argument("--out", type=Path, default=DATA / "binder" / "heads.safetensors")
    training.add_argument("--kinds", nargs="+", default=["pictures", "sounds"])
    for name, after in (
        ("ear", "training.audio.copies"),
        ("eye", "training.video.copies"),
        ("latents", "training.audio.unet"),
    ):
        sense = commands.add_parser(name, help=f"train the {name}; after {after}")
        sense.add_argument("--minutes", type=float, default=12)
        sense.add_argument("--threads", type=int, default=2)
        sense.add_argument("--lr", type=float, default=2e-3, help="of the first steps")
        sense.add_argument("--beginning", type=Path, help="weights to go on from; none: random")
    options = parser.parse_args()
    if options.command == "features":
        make_features(options.seeds, options.kinds)
    elif options.command == "ear":
        from training.binder.hearing import EarTraining, train_ear

        torch.set_num_threads(options.threads)
        train_ear(options.minutes, EarTraining(lr=options.lr), options.beginning)
    elif options.command == "eye":
        from training.binder.seeing import EyeTraining, train_eye

        torch.set_num_threads(options.threads)
        train_eye(options.minutes, EyeTraining(lr=options.lr), options.beginning)
    elif options.command == "latents":
        from training.binder.latents import LatentTraining, train_latent_encoder

        torch.set_num_threads(options.threads)
        train_latent_encoder(options.minutes, LatentTraining(lr=options.lr), options.beginning)
    else:
        from training.binder.train import train

        train(FOLDER, options.out, kinds=options.kinds)


if __name__ == "__main__":
    main()
