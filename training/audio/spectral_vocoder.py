"""The vocoder at the frame rate: `python -m training.audio.spectral_vocoder --minutes 300`.

Half of the batches are recordings (`training.audio.crops`). Losses are distances of log mels and of
spectra at several resolutions. From `--begin-step` on, discriminators of spectrograms keep onsets
and tones sharp. With `--autoencoders`, part of each batch starts from mels that were encoded and
decoded, because those are what the vocoder gets from the denoiser.
"""

import argparse
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from seehear.dsp.mel import HOP_SAMPLES, log_mel_from_waveform, mel_filters
from seehear.models.spectral_vocoder import SpectralVocoder, SpectralVocoderConfig
from seehear.models.spectral_vocoder import load as load_vocoder
from training.adversarial import AdversarialRun, PatchDiscriminator, train_adversarial
from training.audio.crops import Crops, recordings
from training.audio.vocoder import stft_distance
from training.world.cached import load
from training.world.pictures import CACHE

CROP_FRAMES = 96
BATCH = 16
DECODED = 7  # examples of a batch whose mels went through an autoencoder
LATENT_NOISE = 0.1  # of their standard deviation, at most: the denoiser is not exact either
JUDGED_WINDOWS = (256, 512, 1024, 2048)  # of the discriminators, in samples
MEL_RESOLUTIONS = ((128, 10), (256, 20), (512, 40), (1024, 64), (2048, 96))  # (window, bands)


class SpectrumDiscriminator(nn.Module):
    """Judges patches of a log magnitude spectrum. Strides of 2 in both directions keep it cheap."""

    def __init__(self, window: int, channels: int = 16):
        super().__init__()
        self.window = window
        self.patches = PatchDiscriminator(channels)

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """Features of every layer; the last one is the verdict."""
        window = torch.hann_window(self.window) / (self.window / 2)
        spectrum = torch.stft(
            waveform, self.window, self.window // 4, window=window, return_complex=True
        )
        magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-10)
        return self.patches((magnitude.log()[:, None] + 7.0) / 2.5)


@lru_cache(maxsize=8)
def filters(window: int, bands: int) -> Tensor:
    """Mel filters of a resolution with unit sum, so that values are mean magnitudes."""
    bank = mel_filters(bands, window)
    return bank / bank.sum(1, keepdim=True).clamp(min=1e-8)


def mel_distance(made: Tensor, real: Tensor) -> Tensor:
    """L1 of log mels, averaged over resolutions (Kumar et al. 2023, arXiv:2306.06546, 3.4)."""
    total = made.new_zeros(())
    for window, bands in MEL_RESOLUTIONS:
        weights = torch.hann_window(window) / (window / 2)
        spectra = torch.stft(
            torch.cat([made, real]), window, window // 4, window=weights, return_complex=True
        )
        magnitudes = torch.sqrt(spectra.real.square() + spectra.imag.square() + 1e-12)
        a, b = (filters(window, bands) @ magnitudes).clamp(min=1e-5).log().chunk(2)
        total = total + (a - b).abs().mean()
    return total / len(MEL_RESOLUTIONS)


def averaged_vocoder(name: str = "spectral_vocoder") -> SpectralVocoder:
    """The vocoder as its training run has it now."""
    vocoder = SpectralVocoder(SpectralVocoderConfig())
    state = torch.load(CACHE / "runs" / name / "state.pt", weights_only=True)
    vocoder.load_state_dict(state["averaged"])
    return vocoder.eval()


@torch.no_grad()
def decoded_mels(vae: AutoencoderKL, mels: Tensor, generator: torch.Generator) -> Tensor:
    """Log mels [batch, frames, mels] through the autoencoder, with a little noise on latents."""
    latents = vae.encode(mels[:, None]).latent_dist.mode()
    scale = LATENT_NOISE * torch.rand(len(mels), 1, 1, 1, generator=generator) * latents.std()
    noise = torch.randn(latents.shape, generator=generator)
    return vae.decode(latents + scale * noise).sample[:, 0]


def held_out() -> dict[str, Tensor]:
    """Scenes and recordings that are not trained on, 2.56 s each."""
    length = 256 * HOP_SAMPLES
    real = [np.pad(r[:length], (0, max(0, length - len(r)))) for _, r in recordings("test", True)]
    return {
        "scenes": torch.from_numpy(np.array(load("val")[0][:56])).float() / 32767,
        "recordings": torch.from_numpy(np.stack(real)).float(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=300)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--begin-step", type=int, default=3000, help="of the discriminators")
    parser.add_argument("--name", default="spectral_vocoder", help="of the run")
    parser.add_argument("--beginning", type=Path, help="folder of a vocoder to go on from")
    parser.add_argument("--autoencoders", type=Path, nargs="*", default=[], help="folders, in turn")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    samples = CROP_FRAMES * HOP_SAMPLES
    crops = Crops(samples)
    validation = held_out()
    torch.manual_seed(0)
    vocoder = SpectralVocoder(SpectralVocoderConfig())
    if options.beginning:
        vocoder = load_vocoder(options.beginning)
    autoencoders = [AutoencoderKL.from_pretrained(path).eval() for path in options.autoencoders]
    discriminators = nn.ModuleList(SpectrumDiscriminator(window) for window in JUDGED_WINDOWS)

    def batch_of(step: int):
        real = crops.batch(step, BATCH)
        mel = log_mel_from_waveform(real)
        generator = torch.Generator().manual_seed(step)
        noise = torch.randn(BATCH, samples, generator=generator)
        if autoencoders:
            vae = autoencoders[step % len(autoencoders)]
            decoded = decoded_mels(vae, mel[:DECODED], generator)
            mel = torch.cat([decoded, mel[DECODED:]])
        return real, lambda: vocoder(mel, noise)

    def losses_of(real: Tensor, made: Tensor) -> dict[str, Tensor]:
        return {"mel": 2 * mel_distance(made, real), "stft": stft_distance(made, real)}

    def evaluate(model: nn.Module) -> dict[str, float]:
        scores = {}
        with torch.no_grad():
            for name, real in validation.items():
                made = torch.cat([model(log_mel_from_waveform(part)) for part in real.split(16)])
                scores[f"val_mel_{name}"] = float(mel_distance(made, real))
                scores[f"val_stft_{name}"] = float(stft_distance(made, real))
        return scores

    run = AdversarialRun(
        name=options.name,
        minutes=options.minutes,
        lr=1e-3,
        lr_end=1e-4,
        lr_discriminators=4e-4,
        begin_step=options.begin_step,
    )
    weights = (0.1, 0.5)
    vocoder = train_adversarial(
        run, vocoder, discriminators, batch_of, losses_of, weights, evaluate
    )
    print(evaluate(vocoder))


if __name__ == "__main__":
    main()
