"""Train the binder's eye: every picture is pulled to the texts that name what is seen."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from seehear.binders.pocket.eye import Eye
from seehear.binders.pocket.heads import Heads
from seehear.binders.pocket.text import SentenceEncoder
from training.binder.train import HeadTraining, Texts, concept_texts, to_texts
from training.binder.worst import worse
from training.loop import Run, fast_arithmetic, train
from training.towers import DATA
from training.video.copies import PATH as COPIES
from training.video.films import films
from training.world.cached import load


@dataclass(frozen=True, kw_only=True)
class EyeTraining:
    """The mixture of one batch, and how it is varied."""

    batch: int = 96
    copies: float = 0.4  # share that are clean estimates of half-noisy latents
    dropout: float = 0.1
    # Largest rms of a white change that the eye must withstand, pixels in 0..1; of twice as much
    # it learned nothing in the first minutes.
    attack: float = 0.03
    smooth_attack: float = 0.08  # the same for changes smooth over 4 pixels
    smooth: float = 0.6  # share of examples with such a change
    lr: float = 2e-3  # of the first steps
    replays: int = 3  # steps that a batch is used for, each time changed for the worse
    texts: HeadTraining = field(default_factory=HeadTraining)


def varied_pictures(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [b, 3, 64, 64] in [0, 1] varied in light, colour, place, side, noise, sharpness."""
    b = len(pictures)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    x = pictures * (0.7 + 0.6 * rand(b, 1, 1, 1)) + 0.15 * (2 * rand(b, 3, 1, 1) - 1)
    x = torch.roll(x, torch.randint(-6, 7, (2,), generator=generator).tolist(), dims=(2, 3))
    x = torch.where(rand(b, 1, 1, 1) < 0.5, x.flip(3), x)
    if rand(1) < 0.5:
        soft = functional.avg_pool2d(x, 3, stride=1, padding=1)
        x = torch.where(rand(b, 1, 1, 1) < 0.5, soft, x)
    x = x + torch.randn(x.shape, generator=generator) * 0.06 * rand(b, 1, 1, 1)
    return x.clamp(0, 1)


def train_eye(minutes: float, settings: EyeTraining, beginning: Path | None = None) -> Eye:
    """Train the eye for so many minutes, put it into the package and return it.

    `beginning` holds weights to go on from; without it they are random.
    """
    encoder, heads = SentenceEncoder(DATA / "text"), Heads()
    heads.load_state_dict(load_file(DATA / "binder" / "heads.safetensors"))
    texts = Texts(encoder, heads.text.mean)
    rows = concept_texts(texts)["seen"]
    all_plain = torch.stack([pool[0] for pool in texts.pools])
    drawn_films = films("train")
    row_of_scene = torch.tensor([rows[note["thing"]] for note in load("train")[2]])
    copies = np.load(COPIES)
    copied, rows_copied = copies["pictures"], row_of_scene[torch.from_numpy(copies["rows"])]
    held_out = torch.from_numpy(np.array(films("val")[:, 5])).float() / 255
    names = [rows[note["thing"]] for note in load("val")[2]]
    things = torch.tensor(sorted(set(names)))
    answers = torch.searchsorted(things, torch.tensor(names))
    torch.manual_seed(31)
    eye = Eye().to(memory_format=torch.channels_last)
    if beginning is not None:
        eye.load_state_dict(load_file(beginning))
    eye.dropout.p = settings.dropout

    def drawn_batch(number: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(31_000_000 + number)

        def randint(high: int, count: int) -> Tensor:
            return torch.randint(0, high, (count,), generator=generator)

        num_copies = round(settings.copies * settings.batch)
        scenes = randint(len(drawn_films), settings.batch - num_copies)
        times, of_copies = randint(16, len(scenes)), randint(len(copied), num_copies)
        shown = [drawn_films[s, t] for s, t in zip(scenes.tolist(), times.tolist(), strict=True)]
        pictures = torch.from_numpy(np.concatenate([np.stack(shown), copied[of_copies.numpy()]]))
        concept = torch.cat([row_of_scene[scenes], rows_copied[of_copies]])
        others = torch.randperm(len(all_plain), generator=generator)[: settings.texts.distractors]
        used, index = torch.unique(torch.cat([concept, others]), return_inverse=True)
        one_each = (len(pictures), 1, 1, 1)
        smooth = torch.rand(one_each, generator=generator) < settings.smooth
        largest = torch.where(smooth, settings.smooth_attack, settings.attack)
        pictures = varied_pictures(pictures.float() / 255, generator)
        return {
            "pictures": pictures,
            "rows": index[: len(concept)],
            "texts": texts.drawn(generator)[used],
            "plain": all_plain[used],
            "radius": largest * torch.rand(one_each, generator=generator),
            "smooth": smooth,
            "change": torch.zeros_like(pictures),
        }

    batch: dict[str, Tensor] = {}

    def loss_of(step: int) -> dict[str, Tensor]:
        # As for the ear: the pass that trains it also tells how to make the batch harder.
        nonlocal batch
        if not batch or step % settings.replays == 0:
            batch = drawn_batch(step // settings.replays)
        elif batch["change"].grad is not None:
            batch["change"] = worse(
                batch["change"], batch["change"].grad, batch["radius"], batch["smooth"],
                settings.replays - 1,
            )  # fmt: skip
        batch["change"].requires_grad_(True)
        shown = (batch["pictures"] + batch["change"]).contiguous(memory_format=torch.channels_last)
        with fast_arithmetic():
            e = eye(shown).float()
        loss = to_texts(e, batch["rows"], batch["texts"], batch["plain"], settings.texts)
        return {"texts": loss}

    def top1(model: Eye, pictures: Tensor) -> float:
        scores = torch.cat([model(p) for p in pictures.split(112)]) @ all_plain[things].T
        return float((scores.argmax(1) == answers).float().mean())

    def evaluate(model: Eye) -> dict[str, float]:
        changed = held_out.clone().requires_grad_(True)
        with torch.enable_grad():
            logits = model(changed) @ all_plain[things].T / settings.texts.temperature
            (slope,) = torch.autograd.grad(functional.cross_entropy(logits, answers), changed)
        still, each = torch.zeros_like(held_out), (len(held_out), 1, 1, 1)
        found = {"val_top1": held_out}
        for name, rms, smooth in (
            ("val_attacked", settings.attack / 2, False),
            ("val_attacked_smoothly", settings.smooth_attack / 2, True),
        ):
            found[name] = held_out + worse(
                still, slope, torch.full(each, rms), torch.full(each, smooth), 1
            )
        with torch.no_grad():
            return {name: top1(model, pictures) for name, pictures in found.items()}

    eye = train(Run(name="eye", minutes=minutes, lr=settings.lr, seed=31), eye, loss_of, evaluate)
    print(evaluate(eye))
    state = {key: tensor.half().contiguous() for key, tensor in eye.state_dict().items()}
    save_file(state, DATA / "binder" / "eye.safetensors", {"format": "pt", "licence": "Apache-2.0"})
    return eye
