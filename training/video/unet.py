"""The picture denoiser: `python -m training.video.unet --minutes 40`, after the autoencoder."""

import argparse
import json

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import AutoTokenizer, BertModel

from seehear.models.backbones.animatediff import AnimateDiff
from training.audio.unet import TEXT
from training.denoising import caption_rows, v_loss
from training.loop import Run, fast_arithmetic, train
from training.video.films import films
from training.video.vae import FOLDER, pixels
from training.world.cached import load
from training.world.captions import GROUP_NAMES
from training.world.pictures import CACHE
from training.world.things import BY_ID

PROMPT_TOKENS = 16
STILLS_PER_SCENE = 3


def new_unet() -> UNet2DConditionModel:
    """Stable Diffusion's layout in small; words are attended to where positions are few."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        block_out_channels=(32, 64, 160),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=384,
        attention_head_dim=(
            2,
            3,
            6,
        ),  # the number of heads: the library's name for it is historical
    )


def scheduler() -> DDIMScheduler:
    """The cosine schedule for pictures and clips alike, with v-prediction.

    Stable Diffusion's and AnimateDiff's betas are made for latents of 64 by 64, where neighbours
    repeat each other. With 16 by 16 they leave half of the timesteps with little but noise
    (Nichol & Dhariwal 2021, arXiv:2102.09672).
    """
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        prediction_type="v_prediction",
    )


@torch.no_grad()
def embed_captions(captions: list[str]) -> Tensor:
    """Hidden states [n, 16, 384] in half precision, by the backbone's own code."""
    backbone = AnimateDiff(
        unet=new_unet(),
        vae=AutoencoderKL.from_pretrained(FOLDER / "vae"),
        scheduler=scheduler(),
        text_encoder=BertModel.from_pretrained(TEXT, dtype=torch.float32),
        tokenizer=AutoTokenizer.from_pretrained(TEXT),
        prompt_tokens=PROMPT_TOKENS,
    )
    parts = [captions[first : first + 64] for first in range(0, len(captions), 64)]
    return torch.cat([backbone.embed_prompt(part)[len(part) :].half() for part in parts])


@torch.no_grad()
def encoded(frames: np.ndarray) -> Tensor:
    """Scaled latents [..., 4, 16, 16] of frames in uint8 [..., 3, 128, 128], in half precision."""
    vae = AutoencoderKL.from_pretrained(FOLDER / "vae").eval().to(memory_format=torch.channels_last)
    flat = frames.reshape(-1, *frames.shape[-3:])
    with fast_arithmetic():
        parts = [
            vae.encode(pixels(flat[first : first + 64])).latent_dist.mode().half()
            for first in range(0, len(flat), 64)
        ]
    return (torch.cat(parts) * vae.config.scaling_factor).unflatten(0, frames.shape[:-3])


def captions_of(split: str, count: int) -> tuple[Tensor, Tensor]:
    """Hidden states of all captions, the last of the empty one, and each scene's rows in them.

    The first row [scenes, 4] is that of the scene's caption, the others those of its group's names.
    """
    notes = load(split)[2][:count]
    told = [(note["caption"], *GROUP_NAMES[BY_ID[note["thing"]].group]) for note in notes]
    captions = sorted({caption for several in told for caption in several})
    row_of = {caption: row for row, caption in enumerate(captions)}
    rows = torch.tensor([[row_of[caption] for caption in several] for several in told])
    return embed_captions([*captions, ""]), rows


def prepared(split: str) -> dict[str, Tensor]:
    """Latents of single frames of every scene [scenes, stills, 4, 16, 16], and the captions'."""
    path = CACHE / "world" / split / "stills.pt"
    if not path.exists():
        drawn = films(split)
        rng = np.random.default_rng(6)
        latents = []
        for first in range(0, len(drawn), 448):
            part = drawn[first : first + 448]
            times = np.argsort(rng.random((len(part), 16)), axis=1)[:, :STILLS_PER_SCENE]
            latents.append(encoded(part[np.arange(len(part))[:, None], times]))
            print(f"{split}: encoded {first + len(part)} of {len(drawn)} scenes", flush=True)
        text, rows = captions_of(split, len(drawn))
        torch.save({"latents": torch.cat(latents), "text": text, "rows": rows}, path)
    return torch.load(path, weights_only=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--beginning", help="folder of a UNet to go on from; none: random weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stills, val = prepared("train"), prepared("val")
    val_latents, val_y = val["latents"][:224, 0].float(), val["text"][val["rows"][:224, 0]].float()
    empty = len(stills["text"]) - 1
    unet = new_unet()
    if options.beginning is not None:
        unet = UNet2DConditionModel.from_pretrained(options.beginning)
    unet = unet.to(memory_format=torch.channels_last)
    schedule = scheduler()

    def v_loss_of(model, x0: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        def predict(z: Tensor, t: Tensor) -> Tensor:
            return model(z.contiguous(memory_format=torch.channels_last), t, y).sample

        return v_loss(predict, schedule.alphas_cumprod, x0, generator)

    def loss_of(step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step)
        picks = torch.randint(0, len(stills["rows"]), (options.batch,), generator=generator)
        which = torch.randint(0, STILLS_PER_SCENE, (options.batch,), generator=generator)
        y = stills["text"][caption_rows(stills["rows"], empty, picks, generator)].float()
        return {"v": v_loss_of(unet, stills["latents"][picks, which].float(), y, generator)}

    def evaluate(model) -> dict[str, float]:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            return {"val_v": float(v_loss_of(model, val_latents, val_y, generator))}

    run = Run(name="picture_unet", minutes=options.minutes, lr=options.lr, average=0.9995)
    unet = train(run, unet, loss_of, evaluate)
    unet.save_pretrained(FOLDER / "unet")
    schedule.save_pretrained(FOLDER / "scheduler")
    print(json.dumps(evaluate(unet)))


if __name__ == "__main__":
    main()
