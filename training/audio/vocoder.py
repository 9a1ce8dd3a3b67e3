"""The vocoder, log mel to waveform: `python -m training.audio.vocoder --minutes 25`."""

import argparse

import numpy as np
import torch
from torch import Tensor
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from seehear.mel import HOP_SAMPLES, log_mel_from_waveform
from training.audio.vae import FOLDER
from training.loop import Run, train
from training.world.cached import load

CROP_FRAMES = 32
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256), (2048, 512))  # (window, hop) in samples


def new_vocoder() -> SpeechT5HifiGan:
    """HiFi-GAN in AudioLDM's format: 64 mels in, x160 samples out, exactly."""
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=64,
            sampling_rate=16_000,
            upsample_initial_channel=128,
            upsample_rates=[5, 4, 4, 2],
            upsample_kernel_sizes=[11, 8, 8, 4],
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3], [1, 3]],
            normalize_before=False,
        )
    )
    # At the library's own scale a fresh vocoder is silent, and silence has no gradient.
    for layer in vocoder.modules():
        if isinstance(layer, torch.nn.Conv1d):
            fan_in = layer.in_channels * layer.kernel_size[0]
            torch.nn.init.normal_(layer.weight, std=0.8 * fan_in**-0.5)
        elif isinstance(layer, torch.nn.ConvTranspose1d):
            fan_in = layer.in_channels * layer.kernel_size[0] / layer.stride[0]
            torch.nn.init.normal_(layer.weight, std=fan_in**-0.5)
    return vocoder


def spectrum(waveform: Tensor, window: int, hop: int) -> Tensor:
    """Magnitudes [batch, bins, frames]."""
    spec = torch.stft(waveform, window, hop, window=torch.hann_window(window), return_complex=True)
    return torch.sqrt(spec.real.square() + spec.imag.square() + 1e-8)


def stft_distance(made: Tensor, real: Tensor) -> Tensor:
    """Multi-resolution STFT distance: spectral convergence plus L1 of log magnitudes, averaged.

    Source: Yamamoto et al. 2020, arXiv:1910.11480, Eqs. 4 to 6.
    """
    total = made.new_zeros(())
    for window, hop in RESOLUTIONS:
        a, b = spectrum(made, window, hop), spectrum(real, window, hop)
        # Below a norm of 1 there is only the noise floor: not a signal to be relative to.
        convergence = (b - a).norm(dim=(1, 2)) / b.norm(dim=(1, 2)).clamp(min=1.0)
        logs = (b.clamp(min=1e-4).log() - a.clamp(min=1e-4).log()).abs().mean(dim=(1, 2))
        total = total + (convergence + logs).mean()
    return total / len(RESOLUTIONS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    waves = np.array(load("train")[0])
    held_out = torch.from_numpy(np.array(load("val")[0][:56])).float() / 32767
    vocoder = new_vocoder()
    samples = CROP_FRAMES * HOP_SAMPLES

    def loss_of(step: int) -> dict[str, Tensor]:
        draws = np.random.default_rng([0, step])
        rows = draws.integers(0, len(waves), 12)
        starts = draws.integers(0, waves.shape[1] - samples + 1, 12)
        batch = np.stack([waves[r, s : s + samples] for r, s in zip(rows, starts, strict=True)])
        real = torch.from_numpy(batch).float() / 32767
        mel = log_mel_from_waveform(real)
        made = vocoder(mel)
        mel_error = (log_mel_from_waveform(made) - mel).abs().mean()
        return {"stft": stft_distance(made, real), "mel": 0.5 * mel_error}

    def evaluate(model: SpeechT5HifiGan) -> dict[str, float]:
        with torch.no_grad():
            made = model(log_mel_from_waveform(held_out))
            return {"val_stft": float(stft_distance(made, held_out))}

    run = Run(name="vocoder", minutes=options.minutes, lr=1.5e-3, clip_norm=50.0, weight_decay=0.0)
    vocoder = train(run, vocoder, loss_of, evaluate)
    vocoder.save_pretrained(FOLDER / "vocoder")
    print(evaluate(vocoder))


if __name__ == "__main__":
    main()
