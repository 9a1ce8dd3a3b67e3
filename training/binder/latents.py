"""Train the encoder of noisy audio latents on the texts that name the audio.

`seehear distill` trains such an encoder for any models, on their own samples. This one has more to
learn from: the latents of all scenes and recordings, and the names of what they contain.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from seehear.models import latent_encoder
from seehear.models.latent_encoder import WIDTH, LatentEncoder, LatentEncoderConfig
from training.audio.unet import CROPS, real_examples, scenes, scheduler
from training.binder.sense import Names
from training.binder.train import HeadTraining, to_texts
from training.binder.worst import worse
from training.loop import Run, fast_arithmetic, train
from training.towers import DATA
from training.world.cached import load
from training.world.recorded import entries

FOLDER = DATA / "latent_encoders" / "audio"


@dataclass(frozen=True, kw_only=True)
class LatentTraining:
    """The mixture of one batch and its adversarial perturbation; latents have unit variance."""

    batch: int = 96
    recorded: float = 0.25  # share of recordings
    dropout: float = 0.1
    white_rms: float = 0.12  # largest rms of a white perturbation
    smooth_rms: float = 0.3  # the same for perturbations smooth over 4 by 4 positions
    smooth: float = 0.6  # share of examples with a smooth perturbation
    lr: float = 2e-3
    replays: int = 2  # steps that a batch is used for, each time with a larger perturbation
    watched: tuple[int, ...] = (100, 400, 600)  # timesteps of the held-out latents
    texts: HeadTraining = field(default_factory=HeadTraining)


@dataclass(kw_only=True)
class Batch:
    """Noisy latents with their noise level, names and perturbation."""

    z: Tensor
    log_snr: Tensor
    rows: Tensor  # [b] of `texts`
    texts: Tensor
    plain: Tensor
    radius: Tensor  # largest rms of the perturbation, [b, 1, 1, 1]
    smooth: Tensor  # of the same shape, bool: the perturbation is smooth
    change: Tensor  # the perturbation, like `z`


def noisy(x0: Tensor, t: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Latents at timesteps t [b], and log(alpha² / sigma²) [b]."""
    kept = scheduler().alphas_cumprod[t]
    alpha, sigma = (part.sqrt()[:, None, None, None] for part in (kept, 1 - kept))
    z = alpha * x0 + sigma * torch.randn(x0.shape, generator=generator)
    return z, (kept / (1 - kept)).log()


def train_latent_encoder(
    minutes: float, settings: LatentTraining, beginning: Path | None = None
) -> LatentEncoder:
    """Train the encoder for so many minutes, put it into the package and return it.

    `beginning` holds weights to go on from; without it they are random.
    """
    names = Names("heard")
    world, real, val = scenes("train"), real_examples("train"), scenes("val")
    recorded = [e["thing"] for e in entries() if e["split"] == "train" and e["thing"]]
    sources = (
        (settings.recorded, real.latents, [names.rows[t] for t in recorded for _ in range(CROPS)]),
        (1 - settings.recorded, world.latents, names.rows_of(load("train")[2])),
    )
    held_out_rows = names.rows_of(load("val")[2])
    things = torch.tensor(sorted(set(held_out_rows)))
    answers = torch.searchsorted(things, torch.tensor(held_out_rows))
    torch.manual_seed(31)
    config = LatentEncoderConfig(
        channels=world.latents.shape[1], outputs=names.plain.shape[1], width=WIDTH
    )
    encoder = LatentEncoder(config)
    if beginning is not None:
        encoder.load_state_dict(load_file(beginning))
    encoder.dropout.p = settings.dropout

    def drawn_batch(number: int) -> Batch:
        generator = torch.Generator().manual_seed(31_000_000 + number)
        parts, concepts = [], []
        for share, latents, rows in sources:
            count = round(share * settings.batch)
            picks = torch.randint(0, len(latents), (count,), generator=generator)
            parts.append(latents[picks].float())
            concepts.append(torch.tensor(rows)[picks])
        x0 = torch.cat(parts)
        x0 = torch.roll(x0, int(torch.randint(0, x0.shape[2], (1,), generator=generator)), 2)
        t = torch.randint(20, 990, (len(x0),), generator=generator)
        z, log_snr = noisy(x0, t, generator)
        used, rows = names.with_others(torch.cat(concepts), settings.texts.distractors, generator)
        each = (len(z), 1, 1, 1)
        smooth = torch.rand(each, generator=generator) < settings.smooth
        largest = torch.where(smooth, settings.smooth_rms, settings.white_rms)
        return Batch(
            z=z,
            log_snr=log_snr,
            rows=rows,
            texts=names.texts.drawn(generator)[used],
            plain=names.plain[used],
            radius=largest * torch.rand(each, generator=generator),
            smooth=smooth,
            change=torch.zeros_like(z),
        )

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
            e = encoder(batch.z + batch.change, batch.log_snr).float()
        return {"texts": to_texts(e, batch.rows, batch.texts, batch.plain, settings.texts)}

    def evaluate(model: LatentEncoder) -> dict[str, float]:
        found = {}
        for t in settings.watched:
            generator = torch.Generator().manual_seed(1)
            z, log_snr = noisy(val.latents.float(), torch.full((len(answers),), t), generator)
            with torch.no_grad():
                right = (model(z, log_snr) @ names.plain[things].T).argmax(1) == answers
            found[f"val_top1_{t}"] = float(right.float().mean())
        return found

    run = Run(name="latent_encoder", minutes=minutes, lr=settings.lr, average=0.998, seed=31)
    encoder = train(run, encoder, loss_of, evaluate)
    print(evaluate(encoder))
    latent_encoder.save(encoder, FOLDER)
    return encoder
