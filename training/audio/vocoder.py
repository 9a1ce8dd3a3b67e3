"""The vocoder, log mel to waveform: `python -m training.audio.vocoder --minutes 25`."""

import argparse

import numpy as np
import torch
from torch import Tensor
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from seehear.dsp.mel import (
    HOP_SAMPLES,
    SAMPLE_RATE,
    WINDOW_SAMPLES,
    log_mel_from_waveform,
    mel_filters,
)
from training.audio.vae import FOLDER
from training.loop import Run, train
from training.world.cached import load

CROP_FRAMES = 32
ATOM_SAMPLES = 384
RESOLUTIONS = ((256, 64), (512, 128), (1024, 256), (2048, 512))  # (window, hop) in samples


def new_vocoder() -> SpeechT5HifiGan:
    """HiFi-GAN in AudioLDM's format: 64 mels in, x160 samples out, exactly.

    Two stages work at the frame rate, where depth is cheap; the third synthesises with kernels of
    24 ms. It begins as a channel vocoder: short kernels with random weights would take days.
    """
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=64,
            sampling_rate=16_000,
            upsample_initial_channel=256,
            upsample_rates=[1, 1, HOP_SAMPLES],
            upsample_kernel_sizes=[3, 3, ATOM_SAMPLES],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]],
            normalize_before=False,
        )
    )
    begin_as_channel_vocoder(vocoder)
    return vocoder


@torch.no_grad()
def begin_as_channel_vocoder(vocoder: SpeechT5HifiGan) -> None:
    """Set weights so that each mel band drives a windowed burst of tones in that band.

    Four units a band make exp(mel) from hinges, one goes on, and the synthesis kernels hold the
    bursts. Their tones are multiples of the frame rate, which stay in phase from frame to frame.
    Everything else is small and random.
    """
    for layer in vocoder.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            fan_in = layer.in_channels * layer.kernel_size[0] / layer.stride[0]
            torch.nn.init.normal_(layer.weight, std=0.05 * fan_in**-0.5)
            torch.nn.init.zeros_(layer.bias)
    bands = torch.arange(64)
    # exp as a weighted sum of leaky hinges, fitted where log mels lie.
    grid, knees = torch.linspace(-11.5, 2.0, 400), torch.tensor([-7.0, -4.5, -2.0, 0.0])
    hinges = torch.nn.functional.leaky_relu(grid[:, None] - knees, vocoder.config.leaky_relu_slope)
    columns = torch.cat([hinges, torch.ones(400, 1)], dim=1)
    importance = 1 / (grid.exp() + 0.004)[:, None]
    fit = torch.linalg.lstsq(columns * importance, grid.exp()[:, None] * importance).solution[:, 0]
    first, second, third = vocoder.upsampler
    for k in range(4):
        vocoder.conv_pre.weight[4 * bands + k, bands, 3] += 1.0
        vocoder.conv_pre.bias[4 * bands + k] = -knees[k]
        first.weight[4 * bands + k, 2 * bands, 1] += fit[k]
    first.bias[2 * bands] = fit[4]
    second.weight[2 * bands, bands, 1] += 1.0
    filters = mel_filters()
    tones_hz = torch.arange(100, 8000, 100)
    shares = filters[:, (tones_hz * WINDOW_SAMPLES / SAMPLE_RATE).round().long()]
    nearest = (tones_hz - (filters @ torch.linspace(0, 8000, 513) / filters.sum(1))[:, None]).abs()
    shares = shares / filters.amax(1, keepdim=True) + torch.nn.functional.one_hot(
        nearest.argmin(1), len(tones_hz)
    )
    shares = shares / shares.square().sum(1, keepdim=True).sqrt()
    time_s = torch.arange(ATOM_SAMPLES) / SAMPLE_RATE
    phases = 2 * torch.pi * torch.rand(len(tones_hz), 1)
    tones = torch.cos(2 * torch.pi * tones_hz[:, None] * time_s + phases)
    # A tone of amplitude A has about A / 2 * 512 in a band of unit height, twice with its skirts.
    loudness = 1 / (filters.amax(1) * WINDOW_SAMPLES / 2)
    bursts = torch.hann_window(ATOM_SAMPLES) * (shares @ tones) * loudness[:, None]
    # The last activation halves waves: each channel has a twin of the other sign.
    third.weight[bands, bands % 16] += bursts
    third.weight[bands, 16 + bands % 16] -= bursts
    vocoder.conv_post.weight[0, :16, 3] += 1.0
    vocoder.conv_post.weight[0, 16:, 3] -= 1.0


def keep_bands_apart(vocoder: SpeechT5HifiGan, reach: int = 2) -> None:
    """Let the stages at the frame rate mix neighbouring bands only, now and in training.

    Left free, training finds that blurring over frequency is the quickest way down and stays there.
    """
    first, second, _ = vocoder.upsampler
    wide, middle, narrow = torch.arange(256) // 4, torch.arange(128) // 2, torch.arange(64)
    for layer, rows, columns in (
        (vocoder.conv_pre, wide, narrow),
        (first, wide, middle),
        (second, middle, narrow),
    ):
        mask = ((rows[:, None] - columns).abs() <= reach).float()[..., None]
        with torch.no_grad():
            layer.weight.mul_(mask)
        layer.weight.register_hook(lambda gradient, mask=mask: gradient * mask)
    # The residual blocks of those stages mix all bands: they stay what they are, next to nothing.
    for block in vocoder.resblocks[:2]:
        block.requires_grad_(False)


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
    torch.manual_seed(0)
    vocoder = new_vocoder()
    keep_bands_apart(vocoder)
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
        return {"stft": stft_distance(made, real), "mel": mel_error}

    def evaluate(model: SpeechT5HifiGan) -> dict[str, float]:
        with torch.no_grad():
            made = model(log_mel_from_waveform(held_out))
            return {"val_stft": float(stft_distance(made, held_out))}

    run = Run(
        name="vocoder",
        minutes=options.minutes,
        lr=1e-3,
        clip_norm=50.0,
        weight_decay=0.0,
        warmup_steps=50,
    )
    vocoder = train(run, vocoder, loss_of, evaluate)
    vocoder.save_pretrained(FOLDER / "vocoder")
    print(evaluate(vocoder))


if __name__ == "__main__":
    main()
