"""The image autoencoder: `python -m training.video.vae --minutes 240`.

Reduces by 8, as Stable Diffusion's. Absolute error alone leaves drawings blurred, so the losses are
those of latent diffusion (arXiv:2112.10752, A.1): absolute error, a perceptual distance and, from
`--begin-step` on, a discriminator of patches.
"""

import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from seehear.models.binders.pocket.efficientnet import EfficientNetLite0
from seehear.models.frozen_layers import freeze
from seehear.models.shipped import POCKET
from training.adversarial import AdversarialRun, PatchDiscriminator, train_adversarial
from training.packaging import save_scaled
from training.video.stills import SIZE, StillMixture, batch_of_stills, held_out_stills
from training.world.pictures import CACHE

FOLDER = CACHE / "pocket_video"
BATCH = 16
CROP = 64
HELD_OUT = 112
# Blocks of EfficientNet-Lite0 whose outputs are compared: the last at reductions by 2, 4, 8 and 16.
PERCEPTUAL_BLOCKS = (0, 2, 4, 10)


def new_vae() -> AutoencoderKL:
    """Images [3, 128, 128] to latents [4, 16, 16]; no attention, so crops are coded alike."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=SIZE,
    )
    # Begin with narrow posteriors: noise as wide as all latents would hide them.
    nn.init.constant_(vae.quant_conv.bias[4:], -6.0)
    return vae


class PerceptualDistance(nn.Module):
    """Distance of unit feature vectors of EfficientNet-Lite0 at four depths.

    The recipe of LPIPS (arXiv:1801.03924) without its learned weights, on the binder's network. The
    outside judge of images is another network.
    """

    def __init__(self):
        super().__init__()
        self.network = EfficientNetLite0()
        state = load_file(POCKET / "binder" / "efficientnet_lite0.safetensors")
        self.network.load_state_dict(state)
        freeze(self.network.to(memory_format=torch.channels_last))

    def forward(self, decoded: Tensor, real: Tensor) -> Tensor:
        """Mean distance of images in [-1, 1] [batch, 3, height, width]."""
        total = decoded.new_zeros(())
        for a, b in zip(self._features(decoded), self._features(real), strict=True):
            unit_a, unit_b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
            total = total + (unit_a - unit_b).square().sum(1).mean()
        return total / len(PERCEPTUAL_BLOCKS)

    def _features(self, images: Tensor) -> list[Tensor]:
        x = functional.relu6(self.network.stem(images * (127.5 / 128) + 0.5 / 128))
        found = []
        for k, block in enumerate(self.network.blocks[: PERCEPTUAL_BLOCKS[-1] + 1]):
            x = block(x)
            if k in PERCEPTUAL_BLOCKS:
                found.append(x)
        return found


def pixels(frames: np.ndarray) -> Tensor:
    """Frames in uint8 as the autoencoder takes them: floats in [-1, 1]."""
    return torch.from_numpy(np.asarray(frames, np.float32)) / 127.5 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=240)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--begin-step", type=int, default=3000, help="of the discriminator")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    held_out = pixels(held_out_stills(HELD_OUT))
    torch.manual_seed(0)
    vae = new_vae()  # channels_last is slower with so few channels
    perceptual = PerceptualDistance()
    discriminators = nn.ModuleList([PatchDiscriminator(32, in_channels=3)])
    kl: list[Tensor] = []

    def batch_of(step: int):
        stills = batch_of_stills(step, BATCH, StillMixture(plain=0.5, other=0.35))
        top, left = np.random.default_rng([1, step]).integers(0, SIZE - CROP + 1, 2)
        real = pixels(stills[:, :, top : top + CROP, left : left + CROP])

        def generate() -> Tensor:
            posterior = vae.encode(real).latent_dist
            kl[:] = [posterior.kl().mean() / (CROP / 8) ** 2]
            return vae.decode(posterior.sample()).sample

        return real, generate

    def losses_of(real: Tensor, decoded: Tensor) -> dict[str, Tensor]:
        error = decoded - real
        edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
        return {
            "l1": error.abs().mean(),
            "edges": edges,
            "perceptual": 0.5 * perceptual(decoded, real),
            "kl": 1e-4 * kl[0],
        }

    def evaluate(model: AutoencoderKL) -> dict[str, float]:
        with torch.no_grad():
            latents = torch.cat([model.encode(p).latent_dist.mode() for p in held_out.split(16)])
            decoded = torch.cat([model.decode(z).sample for z in latents.split(16)]).clamp(-1, 1)
            distance = [
                perceptual(d, p) for d, p in zip(decoded.split(16), held_out.split(16), strict=True)
            ]
        error = (decoded - held_out).square().mean()
        return {
            "val_psnr_db": float(10 * torch.log10(4 / error)),
            "val_perceptual": float(torch.stack(distance).mean()),
            "latent_std": float(latents.std()),
        }

    run = AdversarialRun(
        name="image_vae",
        minutes=options.minutes,
        lr=2e-3,
        lr_end=1e-4,
        lr_discriminators=4e-4,
        begin_step=options.begin_step,
    )
    vae = train_adversarial(run, vae, discriminators, batch_of, losses_of, (0.02, 0.2), evaluate)
    sample = pixels(batch_of_stills(10**9, 448, StillMixture(plain=1.0, other=0.0)))
    save_scaled(vae, sample, FOLDER / "vae")
    print(evaluate(vae), vae.config.scaling_factor)


if __name__ == "__main__":
    main()
