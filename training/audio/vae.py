"""The mel autoencoder: `python -m training.audio.vae --minutes 480`.

With `--decoder-of FOLDER`, the encoder of that autoencoder stays as it is, so that a denoiser that
was trained on its latents remains valid, and only the decoder is trained on.

Absolute error alone leaves mels blurred: onsets and harmonics are what is lost, and with them what
a listener knows a sound by. A discriminator of mel patches and the distance of its features keep
the decoder sharp, as in AudioLDM's own autoencoder.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.mel import HOP_SAMPLES, log_mel_from_waveform
from training.adversarial import AdversarialRun, PatchDiscriminator, train_adversarial
from training.audio.crops import Crops, recordings
from training.packaging import save_scaled
from training.world.cached import load
from training.world.pictures import CACHE

FOLDER = CACHE / "pocket_audio"
CROP_FRAMES = 128
BATCH = 8
MEL_MEAN, MEL_STD = -6.0, 2.5  # of log mels, roughly: what discriminators are shown is near unit


def new_vae() -> AutoencoderKL:
    """Mel [1, time, 64] to latents [16, time / 8, 8]; no attention, so windows decode alike."""
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(24, 48, 96, 128),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=256,
    )
    # Log mels lie around -6: the last layer need not learn that.
    torch.nn.init.constant_(vae.decoder.conv_out.bias, MEL_MEAN)
    return vae


def mel_losses(decoded: Tensor, mel: Tensor) -> dict[str, Tensor]:
    """L1 of log mels, of their differences, and of averages over larger and larger patches."""
    error = decoded - mel
    # What is above silence counts double: half of many recordings is silence.
    weight = 0.5 + ((mel + 11.5) / 5.5).clamp(0, 1)
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    coarse = [functional.avg_pool2d(error, k).abs().mean() for k in (2, 4, 8)]
    return {
        "l1": (weight * error.abs()).mean(),
        "edges": 0.5 * edges,
        "coarse": 0.5 * torch.stack(coarse).mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=480)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lr", type=float, default=1e-3, help="of the first steps")
    parser.add_argument("--begin-step", type=int, default=1000, help="of the discriminators")
    parser.add_argument("--decoder-of", type=Path, help="train only the decoder of this folder")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    crops = Crops(CROP_FRAMES * HOP_SAMPLES)
    length = 256 * HOP_SAMPLES
    real = [np.pad(r[:length], (0, max(0, length - len(r)))) for _, r in recordings("test", True)]
    held_out = {
        "scenes": torch.from_numpy(np.array(load("val")[1][:56])).float()[:, None],
        "recordings": log_mel_from_waveform(torch.from_numpy(np.stack(real)))[:, None],
    }
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(options.decoder_of) if options.decoder_of else new_vae()
    if options.decoder_of:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    discriminators = nn.ModuleList([PatchDiscriminator(32), PatchDiscriminator(32, pool=2)])
    kl: list[Tensor] = []

    def batch_of(step: int):
        mel = log_mel_from_waveform(crops.batch(step, BATCH))[:, None]

        def generate() -> Tensor:
            posterior = vae.encode(mel).latent_dist
            kl[:] = [posterior.kl().mean() / (CROP_FRAMES / 8 * 8)]
            return (vae.decode(posterior.sample()).sample - MEL_MEAN) / MEL_STD

        return (mel - MEL_MEAN) / MEL_STD, generate

    def losses_of(mel: Tensor, decoded: Tensor) -> dict[str, Tensor]:
        losses = mel_losses(decoded * MEL_STD + MEL_MEAN, mel * MEL_STD + MEL_MEAN)
        return losses | {"kl": 2e-4 * kl[0]}

    def evaluate(model: AutoencoderKL) -> dict[str, float]:
        scores = {}
        with torch.no_grad():
            for name, mels in held_out.items():
                latents = torch.cat([model.encode(m).latent_dist.mode() for m in mels.split(16)])
                decoded = torch.cat([model.decode(z).sample for z in latents.split(16)])
                scores[f"val_l1_{name}"] = float((decoded - mels).abs().mean())
                # Below 1: blurred. How much of the mels' detail is there at all.
                detail = decoded.diff(dim=2).abs().mean() / mels.diff(dim=2).abs().mean()
                scores[f"detail_{name}"] = float(detail)
                scores[f"latent_std_{name}"] = float(latents.std())
        return scores

    run = AdversarialRun(
        name="vae_decoder" if options.decoder_of else "vae",
        minutes=options.minutes,
        lr=options.lr,
        lr_end=1e-4,
        lr_discriminators=4e-4,
        begin_step=options.begin_step,
    )
    vae = train_adversarial(run, vae, discriminators, batch_of, losses_of, (0.1, 0.5), evaluate)
    if options.decoder_of:  # the latents, and so their scale, are the same
        vae.save_pretrained(FOLDER / "vae")
    else:
        sample = torch.from_numpy(np.array(load("train")[1][:1120])).float()[:, None]
        save_scaled(vae, sample, FOLDER / "vae")
    print(evaluate(vae), vae.config.scaling_factor)


if __name__ == "__main__":
    main()
