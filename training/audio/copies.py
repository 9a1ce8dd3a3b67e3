"""The world's sounds as the sound model renders them: `python -m training.audio.copies`.

A network that only ever heard originals takes a codec's blur for content. The judge and the
binder's ear therefore hear copies too: through autoencoder and vocoder, and, for the ear, through
the denoiser's clean estimate at a random noise level, which is what guidance will show it.
"""

import argparse
import time

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from seehear.dsp.griffin_lim import refine_phase
from seehear.dsp.mel import log_mel_from_waveform
from training.audio.spectral_vocoder import averaged_vocoder
from training.audio.unet import embed_captions, new_unet, scheduler
from training.audio.vae import FOLDER
from training.loop import CACHE, fast_arithmetic
from training.world.cached import load

BATCH = 16


def averaged_unet() -> UNet2DConditionModel:
    """The denoiser as its training run has it now; before there is one, as it was packaged."""
    path = CACHE / "runs" / "unet" / "state.pt"
    if not path.exists():
        return UNet2DConditionModel.from_pretrained(FOLDER / "unet").eval()
    unet = new_unet()
    unet.load_state_dict(torch.load(path, weights_only=True)["averaged"])
    return unet.eval()


@torch.no_grad()
def estimates(
    unet: UNet2DConditionModel, x0: Tensor, y: Tensor, generator: torch.Generator
) -> Tensor:
    """Clean estimates of latents [b, 16, t, 8] from a random noise level up to 85 %."""
    alpha_bar = scheduler().alphas_cumprod
    t = torch.randint(0, 850, (len(x0),), generator=generator)
    alpha = alpha_bar[t].sqrt()[:, None, None, None]
    sigma = (1 - alpha_bar[t]).sqrt()[:, None, None, None]
    z = alpha * x0 + sigma * torch.randn(x0.shape, generator=generator)
    with fast_arithmetic():
        v = unet(z, t, None, class_labels=y).sample.float()
    return alpha * z - sigma * v


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "judge"), required=True)
    parser.add_argument("--count", type=int, default=5600)
    parser.add_argument("--estimates", type=float, default=0.0, help="share of clean estimates")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    mels, notes = load(options.split)[1:]
    vae = AutoencoderKL.from_pretrained(FOLDER / "vae").eval()
    vocoder = averaged_vocoder()
    rng = np.random.default_rng(11 if options.split == "train" else 12)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 30)))
    rows = np.sort(rng.choice(len(notes), min(options.count, len(notes)), replace=False))
    unet = averaged_unet() if options.estimates else None
    # The last row embeds "": half of the estimates are made without a prompt.
    text = embed_captions([*(notes[row]["caption"] for row in rows), ""]) if unet else None
    copies = np.zeros((len(rows), *mels.shape[1:]), np.float16)
    began = time.monotonic()
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        mel = torch.from_numpy(np.array(mels[part])).float()[:, None]
        with fast_arithmetic():
            latents = vae.encode(mel).latent_dist.mode().float()
        if unet is not None and text is not None and rng.random() < options.estimates:
            own = torch.arange(start, start + len(part))
            y = text[own if rng.random() < 0.5 else torch.full_like(own, len(rows))]
            scale = vae.config.scaling_factor
            latents = estimates(unet, latents * scale, y, generator) / scale
        with fast_arithmetic():
            mel = vae.decode(latents).sample.float()[:, 0]
        # Guidance hears mels and the judge waveforms: all of the judge's pass vocoder and polish.
        if options.split == "judge" or rng.random() < 0.25:
            waveform = vocoder(mel)
            if options.split == "judge":
                waveform = refine_phase(waveform, mel, int(rng.integers(0, 5)))
            mel = log_mel_from_waveform(waveform)
        copies[start : start + len(part)] = mel[:, : copies.shape[1]].half().numpy()
        if start % (BATCH * 50) == 0:
            print(f"{start}/{len(rows)}, {time.monotonic() - began:.0f} s", flush=True)
    folder = CACHE / "world" / options.split
    np.savez(folder / "copies.tmp.npz", mels=copies, rows=rows)
    (folder / "copies.tmp.npz").replace(folder / "copies.npz")


if __name__ == "__main__":
    main()
