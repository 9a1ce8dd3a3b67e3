"""The audio denoiser: `python -m training.audio.unet`, after `training.audio.vae`.

It is trained on scenes of the world and on real recordings. Scenes have every class and many
captions; recordings are what an AudioSet classifier recognises.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import AutoTokenizer, BertModel

from seehear.dsp.mel import HOP_SAMPLES, log_mel_from_waveform
from training.audio.vae import FOLDER
from training.denoising import DROP_PROMPT, v_loss
from training.loop import Run, fast_arithmetic, train
from training.world.cached import load
from training.world.captions import caption
from training.world.pictures import CACHE
from training.world.recorded import entries, samples_of, varied_speed
from training.world.things import BY_ID

TEXT = CACHE.parent / "src" / "seehear" / "data" / "pocket" / "text"
LATENT_CHANNELS = 16
CLIP_FRAMES = 256  # mel frames of a clip
RECORDED = 0.4  # share of recordings in a batch
CROPS = 12  # crops of every recording


def new_unet() -> UNet2DConditionModel:
    """AudioLDM's layout in small: the text enters as a class embedding beside the time."""
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        mid_block_type="UNetMidBlock2D",
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(80, 144),
        layers_per_block=1,
        norm_num_groups=16,
        attention_head_dim=24,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=384,
        class_embeddings_concat=True,
    )


def scheduler() -> DDIMScheduler:
    """AudioLDM's noise schedule, with v-prediction."""
    return DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


@torch.no_grad()
def embed_captions(captions: list[str]) -> Tensor:
    """Unit text embeddings [n, 384], as the backbone computes them: mean over attended tokens."""
    tokenizer = AutoTokenizer.from_pretrained(TEXT)
    model = BertModel.from_pretrained(TEXT, dtype=torch.float32).eval()
    rows = []
    for start in range(0, len(captions), 64):
        tokens = tokenizer(captions[start : start + 64], padding=True, return_tensors="pt")
        hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].float()
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        rows.append(torch.nn.functional.normalize(pooled, dim=-1))
    return torch.cat(rows)


@torch.no_grad()
def encoded(vae: AutoencoderKL, mels: Sequence[np.ndarray] | np.ndarray) -> Tensor:
    """Latents [n, 16, 32, 8] in float16, not scaled, of log mels [n, 256, 64]."""
    parts = []
    for start in range(0, len(mels), 32):
        mel = torch.from_numpy(np.stack(list(mels[start : start + 32]))).float()[:, None]
        with fast_arithmetic():
            parts.append(vae.encode(mel).latent_dist.mode().half())
    return torch.cat(parts)


@dataclass(frozen=True)
class Examples:
    """Clips to learn: scaled latents, a caption of each, and how often each is drawn."""

    latents: Tensor  # [n, 16, 32, 8]
    text: Tensor  # [m, 384], the captions' embeddings
    rows: Tensor  # [n], every clip's row of `text`
    weights: Tensor  # [n]

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents [count, ...] and text embeddings [count, 384]."""
        picks = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        return self.latents[picks].float(), self.text[self.rows[picks]]


def _examples(
    name: str,
    texts: list[str],
    mels: Callable[[], Sequence[np.ndarray] | np.ndarray],
    weights: Tensor,
) -> Examples:
    path = CACHE / "world" / f"{name}_latents.pt"
    vae = AutoencoderKL.from_pretrained(FOLDER / "vae").eval()
    captions = sorted(set(texts))
    if not path.exists():
        torch.save({"latents": encoded(vae, mels()), "text": embed_captions(captions)}, path)
    saved = torch.load(path, weights_only=True)
    row_of = {caption: row for row, caption in enumerate(captions)}
    rows = torch.tensor([row_of[text] for text in texts])
    return Examples(saved["latents"] * vae.config.scaling_factor, saved["text"], rows, weights)


def scenes(split: str) -> Examples:
    """The world's scenes, every one as often as another."""
    mels, notes = load(split)[1:]
    captions = [note["caption"] for note in notes]
    return _examples(split, captions, lambda: mels, torch.ones(len(notes)))


def real_examples(split: str) -> Examples:
    """Crops of the recordings of the world's classes.

    A class with many recordings is drawn more often, but not in proportion: 45 recordings are
    footsteps, and one is a violin.
    """
    rng = np.random.default_rng(5)
    found = [entry for entry in entries() if entry["split"] == split and entry["thing"]]
    counts = Counter(entry["thing"] for entry in found)
    texts, weights, crops = [], [], []
    for entry in found:
        thing = BY_ID[entry["thing"]]
        for _ in range(CROPS):
            neutral = {"size": 0.5, "speed": 0.5, "distance": 0.5}
            own = rng.random() < 0.5
            texts.append(entry["text"] if own else caption(rng, thing, **neutral))
            weights.append(counts[entry["thing"]] ** -0.5 / CROPS)
            crops.append((entry["file"], int(rng.integers(1 << 30))))

    def mels() -> list[np.ndarray]:
        return [_crop_mel(file, seed) for file, seed in crops]

    return _examples(f"recordings_{split}", texts, mels, torch.tensor(weights))


def _crop_mel(file: str, seed: int) -> np.ndarray:
    """The log mel [256, 64] of a recording, varied in speed and placed at random."""
    rng = np.random.default_rng(seed)
    samples = varied_speed(samples_of(file), float(np.exp(rng.uniform(-0.08, 0.08))))
    length = CLIP_FRAMES * HOP_SAMPLES
    if len(samples) < length and rng.random() < 0.5:  # a short sound comes again
        gap = np.zeros(int(rng.uniform(0.1, 0.6) * len(samples)) + 800, np.float32)
        period = np.concatenate([samples, gap])
        samples = np.tile(period, math.ceil(length / len(period)))
    spare = length - len(samples)
    start = int(rng.integers(0, abs(spare) + 1))
    clip = np.pad(samples, (start, spare - start)) if spare >= 0 else samples[start:][:length]
    level = 10 ** (-rng.exponential(3.0) / 20) / max(float(np.abs(clip).max()), 1e-3)
    noise = rng.normal(0, 10 ** (-rng.uniform(60, 95) / 20), length)
    wave = torch.from_numpy((clip * level + noise).astype(np.float32))
    return log_mel_from_waveform(wave[None])[0].numpy()[:CLIP_FRAMES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3, help="of the first steps")
    parser.add_argument("--beginning", help="folder of a denoiser to go on from")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    world, real = scenes("train"), real_examples("train")
    held_out = {"scenes": scenes("val"), "recordings": real_examples("test")}
    empty = embed_captions([""])
    unet = new_unet()
    if options.beginning:
        unet = UNet2DConditionModel.from_pretrained(options.beginning)
    unet = unet.train().to(memory_format=torch.channels_last)
    schedule = scheduler()
    alpha_bar = schedule.alphas_cumprod

    def v_loss_of(model, x0: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        return v_loss(
            lambda z, t: model(z, t, None, class_labels=y).sample, alpha_bar, x0, generator
        )

    def loss_of(step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step)
        num_real = round(RECORDED * options.batch)
        drawn = real.draw(num_real, generator), world.draw(options.batch - num_real, generator)
        latents, y = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        without = torch.rand(len(y), 1, generator=generator) < DROP_PROMPT
        return {"v": v_loss_of(unet, latents, torch.where(without, empty, y), generator)}

    def evaluate(model) -> dict[str, float]:
        scores = {}
        with torch.no_grad():
            for name, examples in held_out.items():
                generator = torch.Generator().manual_seed(0)
                latents, y = examples.draw(128, generator)
                scores[f"val_v_{name}"] = float(v_loss_of(model, latents, y, generator))
        return scores

    run = Run(name="unet", minutes=options.minutes, lr=options.lr, average=0.9995, save_every_s=300)
    unet = train(run, unet, loss_of, evaluate)
    unet.save_pretrained(FOLDER / "unet")
    schedule.save_pretrained(FOLDER / "scheduler")
    print(json.dumps(evaluate(unet)))


if __name__ == "__main__":
    main()
