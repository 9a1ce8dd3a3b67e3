"""The mel autoencoder: `python -m training.audio.vae --minutes 20`."""

import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL

from training.loop import Run, fast_arithmetic, train
from training.world.cached import load
from training.world.pictures import CACHE

FOLDER = CACHE / "pocket_audio"
CROP_FRAMES = 128


def new_vae() -> AutoencoderKL:
    """Mel [1, time, 64] to latents [8, time / 8, 8]; no attention, so windows decode alike."""
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=256,
    )
    # Log mels lie around -6: the last layer need not learn that.
    torch.nn.init.constant_(vae.decoder.conv_out.bias, -6.0)
    return vae


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    mels = np.array(load("train")[1])
    held_out = torch.from_numpy(np.array(load("val")[1][:112])).float()[:, None]
    vae = new_vae().to(memory_format=torch.channels_last)

    def loss_of(step: int) -> dict[str, torch.Tensor]:
        draws = np.random.default_rng([0, step])
        rows = draws.integers(0, len(mels), 24)
        starts = draws.integers(0, 256 - CROP_FRAMES + 1, 24)
        batch = np.stack([mels[r, s : s + CROP_FRAMES] for r, s in zip(rows, starts, strict=True)])
        mel = torch.from_numpy(batch).float()[:, None]
        with fast_arithmetic():
            posterior = vae.encode(mel).latent_dist
            decoded = vae.decode(posterior.sample()).sample.float()
        error = decoded - mel
        # Onsets and harmonics are edges: their sharpness counts beside the level.
        edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
        return {
            "l1": error.abs().mean(),
            "edges": 0.5 * edges,
            "kl": 2e-4 * posterior.kl().float().mean() / (CROP_FRAMES / 8 * 8),
        }

    def evaluate(model: AutoencoderKL) -> dict[str, float]:
        with torch.no_grad():
            latents = model.encode(held_out).latent_dist.mode()
            error = model.decode(latents).sample - held_out
        return {"val_l1": float(error.abs().mean()), "latent_std": float(latents.std())}

    vae = train(Run(name="vae", minutes=options.minutes, lr=2e-3), vae, loss_of, evaluate)
    with torch.no_grad():
        sample = torch.from_numpy(np.array(mels[:1120])).float()[:, None]
        latents = torch.cat([vae.encode(m).latent_dist.mode() for m in sample.split(56)])
    vae.register_to_config(scaling_factor=float(1 / latents.std()))
    vae.save_pretrained(FOLDER / "vae")
    print(evaluate(vae), vae.config.scaling_factor)


if __name__ == "__main__":
    main()
