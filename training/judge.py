"""The judge's two classifiers: `python -m training.judge sound --minutes 8`, then `picture`.

The sound judge needs `python -m training.audio.copies --split judge` first.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seehear.metrics.features import judge
from training.loop import Run, fast_arithmetic, train
from training.world.cached import load
from training.world.pictures import CACHE
from training.world.scenes import heard, seen
from training.world.things import IDS

WIDTHS = {"sound": (16, 40, 72, 96, 96), "picture": (24, 48, 80, 96)}
COPIES = 0.4  # share of a batch that went through the sound model's codec
INDEX_OF = {thing: index for index, thing in enumerate(IDS)}


def varied_mels(mel: Tensor, generator: torch.Generator) -> Tensor:
    """Mels [b, 1, t, 64] varied in level, time, sharpness and noise, with masks."""
    b = len(mel)
    rand = lambda *shape: torch.rand(*shape, generator=generator)  # noqa: E731
    mel = torch.roll(mel, int(rand(1) * 256), dims=2)
    mel = mel + (rand(b, 1, 1, 1) * 4 - 2)
    noise = torch.randn(mel.shape, generator=generator) * rand(b, 1, 1, 1) * 0.4
    floor = -11.5 + 4 * rand(b, 1, 1, 1) * (rand(b, 1, 1, 1) < 0.5)
    mel = torch.maximum(mel + noise, floor)
    if rand(1) < 0.4:  # generated mels are softer than real ones
        kernel = torch.ones(1, 1, 3, 3) / 9
        soft = torch.nn.functional.conv2d(mel, kernel, padding=1)
        mel = torch.where(rand(b, 1, 1, 1) < 0.5, soft, mel)
    start = int(rand(1) * 200)
    mel[: b // 2, :, start : start + int(rand(1) * 48)] = -11.5
    start = int(rand(1) * 56)
    mel[b // 4 : 3 * b // 4, :, :, start : start + int(rand(1) * 8)] = -11.5
    return mel


def sound_batches(batch: int):
    """(loss inputs by step, held-out inputs, held-out labels) of the sound judge."""
    mels, notes = load("judge")[1:]
    labels = torch.tensor([INDEX_OF[note["thing"]] for note in notes])
    # Copies through autoencoder and vocoder: content is judged, not the codec.
    copies = np.load(CACHE / "world" / "judge" / "copies.npz")
    copied, labels_copied = copies["mels"], labels[torch.from_numpy(copies["rows"])]
    num_copies = round(COPIES * batch)
    mels = np.array(mels)  # random rows of a mapped file would be read from disk one by one
    test_mels, test_notes = load("test")[1:]
    test = judge.normalised_mel(torch.from_numpy(np.array(test_mels[:448])).float()[:, None])
    test_labels = torch.tensor([INDEX_OF[note["thing"]] for note in test_notes[:448]])

    def draw(step: int):
        generator = torch.Generator().manual_seed(70_000_000 + step)
        picks = torch.randint(0, len(mels), (batch - num_copies,), generator=generator)
        of_copies = torch.randint(0, len(copied), (num_copies,), generator=generator)
        mel = np.concatenate([mels[picks.numpy()], copied[of_copies.numpy()]])
        order = torch.randperm(batch, generator=generator)  # some variations go by position
        varied = varied_mels(torch.from_numpy(mel[order.numpy()]).float()[:, None], generator)
        return judge.normalised_mel(varied), torch.cat([labels[picks], labels_copied[of_copies]])[
            order
        ]

    return draw, test, test_labels


def pictures(split: str, count: int) -> tuple[Tensor, Tensor]:
    """One frame of each of `count` scenes, uint8 [count, 3, 64, 64], and labels; cached."""
    path = CACHE / "world" / split / "judge_pictures.pt"
    if not path.exists():
        rng = np.random.default_rng(5)
        frames, labels = [], []
        for seed in range(count):
            sound = heard(seed, split, 1600)
            frames.append(seen(sound, seed, split)[rng.integers(16)])
            labels.append(INDEX_OF[sound.thing])
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"x": torch.from_numpy(np.stack(frames)), "y": torch.tensor(labels)}, path)
    saved = torch.load(path, weights_only=True)
    return saved["x"], saved["y"]


def picture_batches(batch: int):
    """(loss inputs by step, held-out inputs, held-out labels) of the picture judge."""
    frames, labels = pictures("judge", 22_400)
    test_frames, test_labels = pictures("test", 1120)

    def draw(step: int):
        generator = torch.Generator().manual_seed(80_000_000 + step)
        picks = torch.randint(0, len(frames), (batch,), generator=generator)
        x = frames[picks].float() / 255
        x = x * (0.7 + 0.6 * torch.rand(batch, 3, 1, 1, generator=generator))
        shift = torch.randint(-6, 7, (2,), generator=generator).tolist()
        x = torch.roll(x, shift, dims=(2, 3))
        x = torch.where(torch.rand(batch, 1, 1, 1, generator=generator) < 0.5, x.flip(3), x)
        if torch.rand(1, generator=generator) < 0.4:
            x = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
        x = x + torch.randn(x.shape, generator=generator) * 0.03
        return judge.picture_input(x.clamp(0, 1)), labels[picks]

    return draw, judge.picture_input(test_frames.float() / 255), test_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("sound", "picture"))
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lr", type=float, default=3e-3, help="of the first steps")
    parser.add_argument("--beginning", type=Path, help="weights to go on from; none: random")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(777)
    channels = {"sound": 1, "picture": 3}[options.kind]
    net = judge.Classifier(channels, WIDTHS[options.kind], len(IDS))
    if options.beginning:
        net.load_state_dict(load_file(options.beginning), strict=False)  # counters are not saved
    net = net.to(memory_format=torch.channels_last)
    draw, test, test_labels = {"sound": sound_batches, "picture": picture_batches}[options.kind](32)

    def loss_of(step: int) -> dict[str, Tensor]:
        x, labels = draw(step)
        with fast_arithmetic():
            logits = net(x).float()
        return {"ce": torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.05)}

    @torch.no_grad()
    def evaluate(model: judge.Classifier) -> dict[str, float]:
        logits = torch.cat([model(x) for x in test.split(112)])
        return {"test_accuracy": float((logits.argmax(1) == test_labels).float().mean())}

    run = Run(name=f"judge_{options.kind}", minutes=options.minutes, lr=options.lr, seed=777)
    net = train(run, net, loss_of, evaluate)
    scores = evaluate(net)
    judge.SHIPPED.mkdir(parents=True, exist_ok=True)
    weights = {
        k: v.half().contiguous() for k, v in net.state_dict().items() if v.is_floating_point()
    }
    save_file(weights, judge.SHIPPED / f"{options.kind}.safetensors")
    path = judge.SHIPPED / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {"classes": IDS}
    config |= {f"{options.kind}_widths": WIDTHS[options.kind]}
    config |= {f"{options.kind}_{k}": round(v, 4) for k, v in scores.items()}
    path.write_text(json.dumps(config, indent=1) + "\n")
    assert load_file(judge.SHIPPED / f"{options.kind}.safetensors")
    with torch.no_grad():
        logits = torch.cat([net(x) for x in test.split(112)])
    wrong = logits.argmax(1) != test_labels
    for thing, index in INDEX_OF.items():
        of_thing = test_labels == index
        misses = [IDS[k] for k in logits.argmax(1)[of_thing & wrong].tolist()]
        if len(misses) > 0.1 * int(of_thing.sum()):
            print(thing, f"{1 - len(misses) / int(of_thing.sum()):.2f}", misses)
    print(scores)


if __name__ == "__main__":
    main()
