"""Train a latent encoder for any backbone and binder, on the backbone's own samples.

The backbone generates clips without guidance. The binder embeds what they decode to, and the
encoder learns to predict these embeddings from latents at every noise level. No data are needed.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.protocols import Backbone, JointStream
from seehear.guidance.sampling import sample
from seehear.guidance.settings import AlignerConfig, SamplingSettings
from seehear.guidance.streams import Stream
from seehear.models import latent_encoder
from seehear.models.captioners.concepts import PHRASES
from seehear.models.families import Family
from seehear.models.latent_encoder import WIDTH, LatentEncoder, LatentEncoderConfig, log_snr_of
from seehear.models.weights import read_state_dict

SAMPLES_FILE = "samples.safetensors"
NOT_PROMPTED = 0.25  # share of clips that are generated without a prompt
NUM_LEVELS = 100  # noise levels that the encoder is trained at


@dataclass(frozen=True, kw_only=True)
class DistillSettings:
    """How many clips to generate, and how to train on them."""

    clips: int = 512
    clips_per_batch: int = 8
    num_steps: int = 30  # of the denoising loop
    guidance_scale: float = 2.5
    training_steps: int = 2000
    batch: int = 64
    lr: float = 2e-3
    temperature: float = 0.05  # of the contrastive loss
    dropout: float = 0.1
    seed: int = 0

    def __post_init__(self):
        if min(self.clips, self.clips_per_batch, self.num_steps, self.training_steps) < 1:
            raise SettingsError(
                "expected at least one clip and one step, got "
                f"clips={self.clips}, num_steps={self.num_steps} and "
                f"training_steps={self.training_steps}"
            )


@dataclass(frozen=True)
class Samples:
    """Clean latents that a backbone generated, and the binder's embeddings of their media."""

    latents: Tensor  # [clips, channels, ...]
    embeddings: Float[Tensor, "clips dim"]


def distill(
    family: Family,
    stream: Stream,
    folder: Path,
    settings: DistillSettings,
    note: Callable[[str], None] = lambda text: None,
) -> LatentEncoder:
    """Generate clips, train an encoder on them, and write it to `folder / stream`.

    Finished batches of clips are kept in `folder / stream`, and a second call uses them.

    Args:
        family: The models.
        stream: "audio" or "video".
        folder: For `seehear.load(latent_encoders=folder)`.
        settings: Amounts and rates.
        note: Called with a line of text about the progress.

    Raises:
        SettingsError: The backbone is one stream of a joint model.
    """
    backbone = family.backbone(stream)
    if isinstance(backbone, JointStream):
        raise SettingsError("expected a model of one stream, got a joint model")
    place = folder / stream
    place.mkdir(parents=True, exist_ok=True)
    samples = generate_samples(family, backbone, place / SAMPLES_FILE, settings, note)
    encoder = train_encoder(samples, backbone, settings, note)
    latent_encoder.save(encoder, place)
    return encoder


@torch.no_grad()
def generate_samples(
    family: Family,
    backbone: Backbone,
    path: Path,
    settings: DistillSettings,
    note: Callable[[str], None] = lambda text: None,
) -> Samples:
    """Clips for random phrases, from `path` as far as they are there."""
    parts = [_saved_samples(path)] if path.exists() else []
    count = len(parts[0][0]) if parts else 0
    unguided = SamplingSettings(
        num_steps=settings.num_steps,
        guidance_scale=settings.guidance_scale,
        aligner=AlignerConfig(lr_latents=0.0),
    )
    while count < settings.clips:
        rng = random.Random(f"{settings.seed} {count}")
        size = min(settings.clips_per_batch, settings.clips - count)
        prompts = ["" if rng.random() < NOT_PROMPTED else rng.choice(PHRASES) for _ in range(size)]
        generator = torch.Generator().manual_seed(rng.randrange(2**32))
        z = backbone.prior(backbone.native_duration_s, size, generator)
        s = backbone.stream
        y = backbone.embed_prompt(prompts)
        z_0 = sample({s: backbone}, {s: z}, {s: y}, None, unguided).latents[s]
        media = backbone.decode(z_0)
        embedded = (
            family.binder.embed_audio(media, int(backbone.sample_rate))
            if s == "audio"
            else family.binder.embed_video(media)
        )
        parts.append((z_0.float().cpu(), embedded.float().cpu()))
        count += size
        latents, embeddings = (torch.cat(column) for column in zip(*parts, strict=True))
        temporary = path.with_suffix(".tmp")  # a kill leaves the clips before
        save_file({"latents": latents, "embeddings": embeddings}, temporary)
        temporary.replace(path)
        note(f"generated {count} of {settings.clips} clips")
    latents, embeddings = (torch.cat(column) for column in zip(*parts, strict=True))
    return Samples(latents, embeddings)


def _saved_samples(path: Path) -> tuple[Tensor, Tensor]:
    found = read_state_dict(path)
    latents, embeddings = found.get("latents"), found.get("embeddings")
    if latents is None or embeddings is None or len(latents) != len(embeddings):
        raise WeightsError(
            f"{path}: expected latents and embeddings of the same number of clips, got "
            f"{', '.join(sorted(found))[:100]}; delete the file"
        )
    return latents, embeddings


def train_encoder(
    samples: Samples,
    backbone: Backbone,
    settings: DistillSettings,
    note: Callable[[str], None] = lambda text: None,
) -> LatentEncoder:
    """An encoder that predicts the embeddings of samples from their latents at any noise level.

    The loss is the cosine distance plus a contrastive loss over the batch (InfoNCE), because a mean
    embedding of all clips has a small distance from each of them.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    torch.manual_seed(settings.seed)
    encoder = LatentEncoder(
        LatentEncoderConfig(
            channels=samples.latents.shape[1], outputs=samples.embeddings.shape[1], width=WIDTH
        )
    ).train()
    encoder.dropout.p = settings.dropout
    levels = backbone.levels(NUM_LEVELS)
    alphas = torch.tensor([level.alpha for level in levels])
    sigmas = torch.tensor([level.sigma for level in levels])
    log_snrs = torch.stack([log_snr_of(level) for level in levels]).float()
    optimiser = torch.optim.AdamW(encoder.parameters(), settings.lr, weight_decay=0.02)
    for step in range(settings.training_steps):
        share = 0.5 * (1 + math.cos(math.pi * step / settings.training_steps))
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * min(1.0, (step + 1) / 100) * max(share, 0.02)
        rows = torch.randint(len(samples.latents), (settings.batch,), generator=generator)
        at = torch.randint(len(levels), (settings.batch,), generator=generator)
        x0, wanted = samples.latents[rows], samples.embeddings[rows]
        one = (-1, *[1] * (x0.ndim - 1))
        noise = torch.randn(x0.shape, generator=generator)
        z = alphas[at].view(one) * x0 + sigmas[at].view(one) * noise
        loss = _distance(encoder(z, log_snrs[at]), wanted, rows, settings.temperature)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 100 == 0:
            note(f"step {step + 1} of {settings.training_steps}, loss {loss.item():.3f}")
    return encoder.eval().requires_grad_(False)


def _distance(e: Tensor, wanted: Tensor, rows: Tensor, temperature: float) -> Tensor:
    """Cosine distance plus InfoNCE; a clip that is twice in a batch is not its own negative."""
    scores = e @ wanted.T / temperature
    twice = (rows[:, None] == rows[None]) & ~torch.eye(len(rows), dtype=torch.bool)
    contrastive = functional.cross_entropy(
        scores.masked_fill(twice, -math.inf), torch.arange(len(rows))
    )
    return 1 - (e * wanted).sum(1).mean() + contrastive
