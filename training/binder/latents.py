"""Train the encoder of noisy audio latents on the texts that name the audio.

`seehear distill` trains such an encoder for any models, on their own samples. This one has more to
learn from: the latents of all scenes and recordings, and the names of what they contain.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from seehear.models import latent_encoder
from seehear.models.latent_encoder import WIDTH, LatentEncoder, LatentEncoderConfig
from training.audio.unet import CROPS, real_examples, scenes, scheduler
from training.binder.sense import Batch, Names, SenseTraining, adversarial_loss, named_batch
from training.loop import Run, train
from training.towers import DATA
from training.world.cached import load
from training.world.recorded import entries

FOLDER = DATA / "latent_encoders" / "audio"


@dataclass(frozen=True, kw_only=True)
class LatentTraining(SenseTraining):
    """The mixture of one batch and its perturbations; latents have unit variance."""

    recorded: float = 0.25  # share of recordings
    attack: float = 0.12
    smooth_attack: float = 0.3
    replays: int = 2
    watched: tuple[int, ...] = (100, 400, 600)  # timesteps of the held-out latents


def noisy(x0: Tensor, kept: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy latents and log(alpha² / sigma²) [b]; `kept` [b] is alpha²."""
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
    of_recordings = torch.tensor([names.rows[t] for t in recorded for _ in range(CROPS)])
    of_scenes = torch.tensor(names.rows_of(load("train")[2]))
    sources = (
        (settings.recorded, real.latents, of_recordings),
        (1 - settings.recorded, world.latents, of_scenes),
    )
    alphas = scheduler().alphas_cumprod
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
            concepts.append(rows[picks])
        x0 = torch.cat(parts)
        x0 = torch.roll(x0, int(torch.randint(0, x0.shape[2], (1,), generator=generator)), 2)
        t = torch.randint(20, 990, (len(x0),), generator=generator)
        z, log_snr = noisy(x0, alphas[t], generator)
        return named_batch(z, torch.cat(concepts), names, settings, generator, log_snr)

    def embed(batch: Batch) -> Tensor:
        return encoder(batch.examples + batch.change, batch.log_snr)

    def evaluate(model: LatentEncoder) -> dict[str, float]:
        found = {}
        for t in settings.watched:
            generator = torch.Generator().manual_seed(1)
            z, log_snr = noisy(val.latents.float(), alphas[t].expand(len(answers)), generator)
            with torch.no_grad():
                right = (model(z, log_snr) @ names.plain[things].T).argmax(1) == answers
            found[f"val_top1_{t}"] = float(right.float().mean())
        return found

    run = Run(name="latent_encoder", minutes=minutes, lr=settings.lr, average=0.998, seed=31)
    loss_of = adversarial_loss(embed, drawn_batch, settings)
    encoder = train(run, encoder, loss_of, evaluate)
    print(evaluate(encoder))
    latent_encoder.save(encoder, FOLDER)
    return encoder
