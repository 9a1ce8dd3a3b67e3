"""Pictures as the picture model renders them: `python -m training.video.copies --count 13440`.

What guidance will show to the binder's eye: clean estimates at random noise levels, with and
without the right caption, through the autoencoder's decoder.
"""

import argparse
import time

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from training.loop import fast_arithmetic
from training.video.films import SIZE
from training.video.unet import prepared, scheduler
from training.video.vae import FOLDER
from training.world.pictures import CACHE

BATCH = 64
PATH = CACHE / "world" / "train" / "picture_copies.npz"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=13_440)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    vae = AutoencoderKL.from_pretrained(FOLDER / "vae").eval()
    unet = UNet2DConditionModel.from_pretrained(FOLDER / "unet").eval()
    stills, alpha_bar = prepared("train"), scheduler().alphas_cumprod
    generator = torch.Generator().manual_seed(13)
    rows = torch.randperm(len(stills["rows"]), generator=generator)[: options.count]
    copies = np.zeros((len(rows), 3, SIZE, SIZE), np.uint8)
    began = time.monotonic()
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        x0 = stills["latents"][part, 0].float()
        t = torch.randint(0, 850, (len(x0),), generator=generator)
        alpha, sigma = (a.sqrt().view(-1, 1, 1, 1) for a in (alpha_bar[t], 1 - alpha_bar[t]))
        z = alpha * x0 + sigma * torch.randn(x0.shape, generator=generator)
        is_told = torch.rand(len(part), generator=generator) < 0.5
        y = stills["text"][torch.where(is_told, stills["rows"][part, 0], len(stills["text"]) - 1)]
        with fast_arithmetic():
            v = unet(z, t, y.float()).sample.float()
            decoded = vae.decode((alpha * z - sigma * v) / vae.config.scaling_factor).sample
        pixels = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round().byte()
        copies[first : first + len(part)] = pixels.numpy()
        if first % (BATCH * 50) == 0:
            print(f"{first}/{len(rows)}, {time.monotonic() - began:.0f} s", flush=True)
    np.savez(PATH, pictures=copies, rows=rows.numpy())


if __name__ == "__main__":
    main()
