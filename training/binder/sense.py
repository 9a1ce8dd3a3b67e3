"""What training the ear and the eye share: a network that names what is made, against its worst."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from seehear.models.binders.pocket.heads import Heads
from seehear.models.binders.pocket.minilm import SentenceEncoder
from training.binder.train import HeadTraining, Texts, concept_texts, to_texts
from training.binder.worst import worse
from training.loop import Run, fast_arithmetic, train
from training.towers import DATA


@dataclass(frozen=True, kw_only=True)
class SenseTraining:
    """The mixture of one batch, and how it is changed for the worse."""

    batch: int = 96
    dropout: float = 0.1
    attack: float  # largest rms of a white change that must be withstood, as examples count
    smooth_attack: float  # the same for changes smooth over 4 by 4 cells or pixels
    smooth: float = 0.6  # share of examples with such a change
    lr: float = 2e-3  # of the first steps
    replays: int = 3  # steps that a batch is used for, each time changed for the worse
    texts: HeadTraining = field(default_factory=HeadTraining)


@dataclass(kw_only=True)
class Batch:
    """Examples with their names, and how they have been changed for the worse so far."""

    examples: Tensor  # batch first; the last two axes are those that a smooth change is smooth in
    rows: Tensor  # [b] of `texts`
    texts: Tensor
    plain: Tensor
    radius: Tensor  # broadcasts over the examples: largest rms of the change
    smooth: Tensor  # of the same shape, bool: the change is smooth
    change: Tensor  # like the examples
    log_snr: Tensor | None = None  # [b], of noisy latents


class Names:
    """The texts that examples are told apart by, and the row of every concept."""

    def __init__(self, kind: str):
        encoder, heads = SentenceEncoder(DATA / "text"), Heads()
        heads.load_state_dict(load_file(DATA / "binder" / "heads.safetensors"))
        self.texts = Texts(encoder, heads.text.mean)
        self.rows: Mapping[str, int] = concept_texts(self.texts)[kind]
        self.plain = torch.stack([pool[0] for pool in self.texts.pools])

    def rows_of(self, notes: Sequence[Mapping]) -> list[int]:
        """The row of what every scene shows."""
        return [self.rows[note["thing"]] for note in notes]

    def with_others(
        self, concept: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Rows to compare with, those of `concept` and `count` others; and each concept's place."""
        others = torch.randperm(len(self.plain), generator=generator)[:count]
        used, index = torch.unique(torch.cat([concept, others]), return_inverse=True)
        return used, index[: len(concept)]


def named_batch(
    examples: Tensor,
    concept: Tensor,
    names: Names,
    settings: SenseTraining,
    generator: torch.Generator,
    log_snr: Tensor | None = None,
) -> Batch:
    """A batch with the texts to compare with, not yet perturbed.

    Args:
        examples: Batch first.
        concept: [b], their rows in `names`.
        names: The texts.
        settings: How many other texts, and the largest perturbations.
        generator: Draws them.
        log_snr: [b], of noisy latents.
    """
    used, rows = names.with_others(concept, settings.texts.distractors, generator)
    each = (len(examples), *[1] * (examples.ndim - 1))
    smooth = torch.rand(each, generator=generator) < settings.smooth
    largest = torch.where(smooth, settings.smooth_attack, settings.attack)
    return Batch(
        examples=examples,
        rows=rows,
        texts=names.texts.drawn(generator)[used],
        plain=names.plain[used],
        radius=largest * torch.rand(each, generator=generator),
        smooth=smooth,
        change=torch.zeros_like(examples),
        log_snr=log_snr,
    )


def adversarial_loss(
    embed: Callable[[Batch], Tensor],
    drawn_batch: Callable[[int], Batch],
    settings: SenseTraining,
) -> Callable[[int], dict[str, Tensor]]:
    """The loss of a step, for batches that are used several times and perturbed each time.

    The backward pass that trains also gives the gradient for the perturbation: worst cases for the
    price of plain training (Shafahi et al. 2019, arXiv:1904.12843).

    Args:
        embed: Unit vectors of a batch's perturbed examples.
        drawn_batch: The batch of a number, the same every time.
        settings: How often a batch is used.
    """
    batch: Batch | None = None

    def loss_of(step: int) -> dict[str, Tensor]:
        nonlocal batch
        if batch is None or step % settings.replays == 0:
            batch = drawn_batch(step // settings.replays)
        elif batch.change.grad is not None:
            batch.change = worse(
                batch.change, batch.change.grad, batch.radius, batch.smooth, settings.replays - 1
            )
        batch.change.requires_grad_(True)
        with fast_arithmetic():
            e = embed(batch).float()
        return {"texts": to_texts(e, batch.rows, batch.texts, batch.plain, settings.texts)}

    return loss_of


def train_sense(
    name: str,
    sense: nn.Module,
    names: Names,
    drawn_batch: Callable[[int], Batch],
    held_out: Tensor,
    held_out_rows: Sequence[int],
    *,
    minutes: float,
    seed: int,
    settings: SenseTraining,
    beginning: Path | None = None,
) -> nn.Module:
    """Train a network for so many minutes, put it into the package and return it.

    Args:
        name: Of the run and of the file in the package.
        sense: Takes examples, returns unit vectors; has a `dropout`.
        names: What examples are told apart by.
        drawn_batch: The batch of a number, the same every time.
        held_out: Examples to watch the training with.
        held_out_rows: Their rows in `names`.
        minutes: How long.
        seed: Of the run.
        settings: How.
        beginning: Weights to go on from; None: as they are.
    """
    things = torch.tensor(sorted(set(held_out_rows)))
    answers = torch.searchsorted(things, torch.tensor(held_out_rows))
    if beginning is not None:
        sense.load_state_dict(load_file(beginning))
    sense.dropout.p = settings.dropout

    def top1(model: nn.Module, examples: Tensor) -> float:
        scores = torch.cat([model(part) for part in examples.split(112)]) @ names.plain[things].T
        return float((scores.argmax(1) == answers).float().mean())

    def evaluate(model: nn.Module) -> dict[str, float]:
        changed = held_out.clone().requires_grad_(True)
        with torch.enable_grad():
            logits = model(changed) @ names.plain[things].T / settings.texts.temperature
            (slope,) = torch.autograd.grad(functional.cross_entropy(logits, answers), changed)
        still, each = torch.zeros_like(held_out), (len(held_out), *[1] * (held_out.ndim - 1))
        found = {"val_top1": held_out}
        for key, rms, is_smooth in (
            ("val_attacked", settings.attack / 2, False),
            ("val_attacked_smoothly", settings.smooth_attack / 2, True),
        ):
            found[key] = held_out + worse(
                still, slope, torch.full(each, rms), torch.full(each, is_smooth), 1
            )
        with torch.no_grad():
            return {key: top1(model, examples) for key, examples in found.items()}

    run = Run(name=name, minutes=minutes, lr=settings.lr, seed=seed)
    loss_of = adversarial_loss(lambda b: sense(b.examples + b.change), drawn_batch, settings)
    sense = train(run, sense, loss_of, evaluate)
    print(evaluate(sense))
    state = {key: tensor.half().contiguous() for key, tensor in sense.state_dict().items()}
    path = DATA / "binder" / f"{name}.safetensors"
    save_file(state, path, {"format": "pt", "licence": "Apache-2.0"})
    return sense
