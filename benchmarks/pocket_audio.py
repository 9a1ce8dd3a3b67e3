"""The pocket autoencoder and vocoder on held-out sounds, the vocoder beside Griffin-Lim.

`python -m benchmarks.pocket_audio --count 224` (needs the world: see training/README.md).
"""

import argparse

import torch
from torch import Tensor
from training.audio.vocoder import stft_distance
from training.world.scenes import heard
from training.world.things import IDS

from benchmarks.results import table, write
from seehear.dsp.griffin_lim import refine_phase
from seehear.dsp.mel import HOP_SAMPLES, WINDOW_SAMPLES, log_mel_from_waveform, mel_filters
from seehear.metrics.features import judge as pocket_judge
from seehear.models.backbones import audioldm


def griffin_lim(mel: Tensor, iterations: int = 60, momentum: float = 0.99) -> Tensor:
    """Waveforms [b, 160 frames] from log mels: pseudo-inverse filters, then fast Griffin-Lim.

    Source: Griffin & Lim 1984; Perraudin et al. 2013 for the momentum.
    """
    magnitude = (torch.linalg.pinv(mel_filters()) @ mel.exp().transpose(1, 2)).clamp(min=0)
    options = {"n_fft": WINDOW_SAMPLES, "hop_length": HOP_SAMPLES,
               "window": torch.hann_window(WINDOW_SAMPLES)}  # fmt: skip
    length = mel.shape[1] * HOP_SAMPLES
    generator = torch.Generator().manual_seed(0)
    angles = torch.exp(2j * torch.pi * torch.rand(magnitude.shape, generator=generator))
    previous = torch.zeros_like(angles)
    for _ in range(iterations):
        wave = torch.istft(magnitude * angles, length=length, **options)
        rebuilt = torch.stft(wave, return_complex=True, **options)[..., : magnitude.shape[2]]
        angles = rebuilt - momentum / (1 + momentum) * previous
        angles = angles / angles.abs().clamp(min=1e-9)
        previous = rebuilt
    wave = torch.istft(magnitude * angles, length=length, **options)
    # AudioLDM's frames are centred half a hop later than those of torch.stft.
    late = HOP_SAMPLES // 2
    return torch.nn.functional.pad(wave, (late, 0))[:, :length]


def sounded(model: audioldm.AudioLDM, mel: Tensor) -> Tensor:
    """Log mels to waveforms as in `AudioLDM.decode` without gradients."""
    return refine_phase(model.waveform_from_mel(mel), mel, model.polish_rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=224)
    options = parser.parse_args()
    model = audioldm.load("src/seehear/data/pocket/audio")
    judge = pocket_judge.load()
    sounds = [heard(seed, "test") for seed in range(options.count)]
    real = torch.stack([torch.from_numpy(s.waveform) for s in sounds])
    labels = torch.tensor([IDS.index(s.thing) for s in sounds])
    mel = log_mel_from_waveform(real)
    with torch.no_grad():
        coded = torch.cat([model.latents_from_mel(m) for m in mel.split(28)])
        mel_again = torch.cat([model.mel_from_latents(z) for z in coded.split(28)]).view_as(mel)
        made = {
            "held-out sounds themselves": real,
            "vocoder alone": torch.cat([model.waveform_from_mel(m) for m in mel.split(28)]),
            "vocoder, polished": torch.cat([sounded(model, m) for m in mel.split(28)]),
            "Griffin-Lim, 60 iterations": griffin_lim(mel),
            "autoencoder, then vocoder, polished": torch.cat(
                [sounded(model, m) for m in mel_again.split(28)]
            ),
        }
    rows, raw = [], {"count": options.count, "mel_l1": float((mel_again - mel).abs().mean())}
    for name, wave in made.items():
        distance = float(stft_distance(wave[:, : real.shape[1]], real))
        accuracy = float((judge.sound_logits(wave).argmax(1) == labels).float().mean())
        raw[name] = {"stft_distance": distance, "judge_accuracy": accuracy}
        rows.append([name, f"{distance:.3f}", f"{accuracy:.3f}"])
    text = (
        f"{options.count} held-out audio clips. Multi-resolution STFT distance (lower is better) "
        "and the judge's accuracy. The autoencoder's mean absolute mel error is "
        f"{raw['mel_l1']:.3f} (natural log units). Outputs are polished: the phases of the "
        f"vocoder's waveform are refined by {model.polish_rounds} rounds of phase retrieval.\n\n"
    ) + table(["from", "STFT distance", "judge accuracy"], rows)
    write("pocket_audio", "Pocket autoencoder and vocoder", raw, text)


if __name__ == "__main__":
    main()
