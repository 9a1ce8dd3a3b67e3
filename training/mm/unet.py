"""The pocket joint model: `python -m training.mm.unet --minutes 600`, after `training.mm.clips`.

MM-Diffusion's network, schedule and loss at a small size: the mean squared error of the noise of
the video plus that of the audio, at one timestep for both.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from seehear.models.backbones import mm_diffusion
from seehear.models.backbones.mm_diffusion import MMDiffusionConfig, linear_alphas_cumprod
from seehear.models.coupled_unet import CoupledUNet, CoupledUNetConfig
from training.loop import Run, fast_arithmetic, train
from training.mm.clips import DURATION_S, NUM_FRAMES, SAMPLE_RATE, SAMPLES, SIZE, clips
from training.world.pictures import CACHE

FOLDER = CACHE / "mm"
AUDIO_GAIN = 1.0  # of the audio's loss; MM-Diffusion adds both with equal weights


def network_config() -> CoupledUNetConfig:
    """A hundredth of the published size: fewer channels and one block per level."""
    return CoupledUNetConfig(
        frames=NUM_FRAMES, height=SIZE, width=SIZE, samples=SAMPLES, base_channels=32,
        channel_mult=(1, 2, 3, 4), num_res_blocks=1, num_heads=2, head_channels=32,
    )  # fmt: skip


def model_config() -> MMDiffusionConfig:
    return MMDiffusionConfig(
        network=network_config(), sample_rate=SAMPLE_RATE, fps=NUM_FRAMES / DURATION_S
    )


def noise_losses(
    network: CoupledUNet,
    video: Tensor,
    audio: Tensor,
    alpha_bar: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Errors of the predicted noise at random timesteps, one timestep for both streams.

    Args:
        network: The model.
        video: Frames [batch, frames, 3, height, width] in [-1, 1].
        audio: Waveforms [batch, 1, samples] in [-1, 1].
        alpha_bar: The schedule's cumulative products, one per timestep.
        generator: Draws timesteps, noise and the attention's shifts.
    """
    t = torch.randint(0, len(alpha_bar), (len(video),), generator=generator)
    eps = [torch.randn(x.shape, generator=generator) for x in (video, audio)]
    noisy = []
    for x, noise in zip((video, audio), eps, strict=True):
        shape = (-1, *[1] * (x.ndim - 1))
        alpha, sigma = alpha_bar[t].sqrt().view(shape), (1 - alpha_bar[t]).sqrt().view(shape)
        noisy.append(alpha * x + sigma * noise)
    with fast_arithmetic():
        found = network(*noisy, t, network.draw_shifts(generator))
    names = ("video", "audio")
    return {
        name: (f.float() - e).square().mean() for name, f, e in zip(names, found, eps, strict=True)
    }


def batch_of(made: dict[str, Tensor], picks: Tensor) -> tuple[Tensor, Tensor]:
    """Frames and waveforms of the picked clips, in [-1, 1]."""
    video = made["frames"][picks].float() / 127.5 - 1
    return video, made["audio"][picks, None].float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--name", default="mm_unet", help="folder of the run, to go on from")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the model")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    made, held = clips("train"), clips("val")
    alpha_bar = linear_alphas_cumprod().float()
    network = CoupledUNet(network_config())

    def loss_of(step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step)
        picks = torch.randint(0, len(made["thing"]), (options.batch,), generator=generator)
        losses = noise_losses(network, *batch_of(made, picks), alpha_bar, generator)
        return losses | {"audio": AUDIO_GAIN * losses["audio"]}

    @torch.no_grad()
    def evaluate(model: CoupledUNet) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        some = torch.arange(min(64, len(held["thing"])))
        found = noise_losses(model, *batch_of(held, some), alpha_bar, generator)
        return {f"val_{name}": float(loss) for name, loss in found.items()}

    # The published models were trained at 1e-4 with batches of 128; a small one learns faster.
    run = Run(name=options.name, minutes=options.minutes, lr=5e-4, weight_decay=0.0, average=0.9995)
    network = train(run, network, loss_of, evaluate)
    mm_diffusion.save(network, model_config(), options.out)
    print(json.dumps(evaluate(network)))


if __name__ == "__main__":
    main()
