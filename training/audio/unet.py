"""The sound denoiser: `python -m training.audio.unet --minutes 60`, after `training.audio.vae`."""

import argparse
import json

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import AutoTokenizer, BertModel

from training.audio.vae import FOLDER
from training.denoising import caption_rows, v_loss
from training.loop import Run, fast_arithmetic, train
from training.world.cached import load
from training.world.pictures import CACHE

TEXT = CACHE.parent / "src" / "seehear" / "data" / "pocket" / "text"


def new_unet() -> UNet2DConditionModel:
    """AudioLDM's layout in small: the text enters as a class embedding beside the time."""
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=8,
        out_channels=8,
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


def prepared(split: str) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled latents [n, 8, 32, 8], caption embeddings [m, 384] and each clip's row in them."""
    path = CACHE / "world" / split / "latents.pt"
    vae = AutoencoderKL.from_pretrained(FOLDER / "vae").eval()
    mels, notes = load(split)[1:]
    captions = sorted({note["caption"] for note in notes})
    if not path.exists() or len(torch.load(path, weights_only=True)["latents"]) != len(mels):
        latents = []
        with torch.no_grad(), fast_arithmetic():
            for start in range(0, len(mels), 64):
                mel = torch.from_numpy(np.array(mels[start : start + 64])).float()[:, None]
                latents.append(vae.encode(mel).latent_dist.mode().half())
        torch.save({"latents": torch.cat(latents), "text": embed_captions([*captions, ""])}, path)
    saved = torch.load(path, weights_only=True)
    row_of = {caption: row for row, caption in enumerate(captions)}
    rows = torch.tensor([row_of[note["caption"]] for note in notes])
    return saved["latents"] * vae.config.scaling_factor, saved["text"], rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    latents, text, rows = prepared("train")
    val_latents, val_text, val_rows = prepared("val")
    val_latents, val_y = val_latents[:224].float(), val_text[val_rows[:224]]
    empty = len(text) - 1  # the last row embeds ""
    unet = new_unet().to(memory_format=torch.channels_last)
    schedule = scheduler()
    alpha_bar = schedule.alphas_cumprod

    def v_loss_of(model, x0: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        return v_loss(
            lambda z, t: model(z, t, None, class_labels=y).sample, alpha_bar, x0, generator
        )

    def loss_of(step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step)
        picks = torch.randint(0, len(latents), (options.batch,), generator=generator)
        y = text[caption_rows(rows, empty, picks, generator)]
        return {"v": v_loss_of(unet, latents[picks].float(), y, generator)}

    def evaluate(model) -> dict[str, float]:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            return {"val_v": float(v_loss_of(model, val_latents, val_y, generator))}

    run = Run(name="unet", minutes=options.minutes, lr=1.5e-3, average=0.9995)
    unet = train(run, unet, loss_of, evaluate)
    unet.save_pretrained(FOLDER / "unet")
    schedule.save_pretrained(FOLDER / "scheduler")
    print(json.dumps(evaluate(unet)))


if __name__ == "__main__":
    main()
