"""The picture autoencoder: `python -m training.video.vae --minutes 12`, after the films."""

import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from training.loop import Run, fast_arithmetic, train
from training.video.films import films
from training.world.pictures import CACHE

FOLDER = CACHE / "pocket_video"
BATCH = 32
CROP = 32
HELD_OUT = 224


def new_vae() -> AutoencoderKL:
    """Pictures [3, 64, 64] to latents [4, 16, 16]; no attention, so crops are coded alike.

    Stable Diffusion reduces by 8. With pictures this small that stays at blurs of 15 dB for as long
    as we tried, where a reduction by 4 passes 18 dB in a minute.
    """
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
        sample_size=64,
    )
    # Begin with narrow posteriors: noise as wide as all latents would drown what they say.
    torch.nn.init.constant_(vae.quant_conv.bias[4:], -6.0)
    return vae


def pixels(frames: np.ndarray) -> Tensor:
    """Frames in uint8 as the autoencoder takes them: floats in [-1, 1]."""
    return torch.from_numpy(np.asarray(frames, np.float32)) / 127.5 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train_films = films("train")
    held_out = pixels(films("val")[:HELD_OUT, 5])
    vae = new_vae().to(memory_format=torch.channels_last)

    def loss_of(step: int) -> dict[str, Tensor]:
        draws = np.random.default_rng([0, step])
        scenes, times = draws.integers(0, len(train_films), BATCH), draws.integers(0, 16, BATCH)
        whole = np.stack([train_films[s, t] for s, t in zip(scenes, times, strict=True)])
        top, left = draws.integers(0, 64 - CROP + 1, 2)
        picture = pixels(whole[:, :, top : top + CROP, left : left + CROP])
        with fast_arithmetic():
            posterior = vae.encode(picture).latent_dist
            decoded = vae.decode(posterior.sample()).sample.float()
        error = decoded - picture
        # What a thing is shows in its outlines: their sharpness counts beside the colours.
        edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
        return {
            "l1": error.abs().mean(),
            "l2": 2 * error.square().mean(),  # pulls harder while all is far off
            "edges": edges,
            "kl": 1e-4 * posterior.kl().float().mean() / (CROP / 4) ** 2,
        }

    def evaluate(model: AutoencoderKL) -> dict[str, float]:
        with torch.no_grad():
            latents = model.encode(held_out).latent_dist.mode()
            error = model.decode(latents).sample.clamp(-1, 1) - held_out
        return {
            "val_l1": float(error.abs().mean()),
            "val_psnr_db": float(10 * torch.log10(4 / error.square().mean())),
            "latent_std": float(latents.std()),
        }

    run = Run(name="picture_vae", minutes=options.minutes, lr=3e-3)
    vae = train(run, vae, loss_of, evaluate)
    with torch.no_grad():
        sample = pixels(np.array(train_films[:1120, 5]))
        latents = torch.cat([vae.encode(m).latent_dist.mode() for m in sample.split(56)])
    vae.register_to_config(scaling_factor=float(1 / latents.std()))
    vae.save_pretrained(FOLDER / "vae")
    print(evaluate(vae), vae.config.scaling_factor)


if __name__ == "__main__":
    main()
