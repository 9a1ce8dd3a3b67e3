"""The pocket autoencoder and vocoder on held-out audio, the vocoder beside Griffin-Lim.

`python -m benchmarks.pocket_audio --count 224` (needs the world: see training/README.md).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from training.audio.crops import recordings
from training.audio.vocoder import stft_distance
from training.world.scenes import NUM_SAMPLES, heard
from training.world.things import IDS

from benchmarks import outside
from benchmarks.results import table, write
from seehear.dsp.griffin_lim import refine_phase
from seehear.dsp.mel import HOP_SAMPLES, WINDOW_SAMPLES, log_mel_from_waveform, mel_filters
from seehear.metrics.features import judge as pocket_judge
from seehear.models.backbones import audioldm
from seehear.models.shipped import POCKET

ORIGINAL = "the originals"


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


def paths(model: audioldm.AudioLDM, real: Tensor) -> tuple[dict[str, Tensor], float]:
    """Waveforms by how much of the model they passed, and the autoencoder's mean mel error."""
    mel = log_mel_from_waveform(real)
    coded = torch.cat([model.latents_from_mel(m) for m in mel.split(14)])
    mel_again = torch.cat([model.mel_from_latents(z) for z in coded.split(14)]).view_as(mel)
    made = {
        ORIGINAL: real,
        "vocoder alone": torch.cat([model.waveform_from_mel(m) for m in mel.split(14)]),
        "vocoder, polished": torch.cat([sounded(model, m) for m in mel.split(14)]),
        "Griffin-Lim, 60 iterations": torch.cat([griffin_lim(m) for m in mel.split(14)]),
        "autoencoder, then vocoder, polished": torch.cat(
            [sounded(model, m) for m in mel_again.split(14)]
        ),
    }
    return made, float((mel_again - mel).abs().mean())


def scenes(count: int) -> tuple[Tensor, Tensor]:
    """Held-out synthesis [n, samples] and labels."""
    sounds = [heard(seed, "test") for seed in range(count)]
    waveforms = torch.stack([torch.from_numpy(s.waveform) for s in sounds])
    return waveforms, torch.tensor([IDS.index(s.thing) for s in sounds])


def real_recordings() -> tuple[Tensor, Tensor]:
    """Held-out recordings of the world's things, cut or padded to 2.56 s, and labels."""
    found = recordings("test", only_things=True)
    cut = [np.pad(r[:NUM_SAMPLES], (0, max(0, NUM_SAMPLES - len(r)))) for _, r in found]
    labels = [IDS.index(thing) for thing, _ in found]
    return torch.from_numpy(np.stack(cut)).float(), torch.tensor(labels)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=224)
    parser.add_argument("--outside", type=Path, metavar="FOLDER", help="YAMNet's: see outside.py")
    options = parser.parse_args()
    model, judge = audioldm.load(POCKET / "audio"), pocket_judge.load()
    judges = outside.load(options.outside)
    raw: dict = {}
    for name, (real, labels) in (
        ("recordings", real_recordings()),
        ("scenes", scenes(options.count)),
    ):
        made, mel_l1 = paths(model, real)
        raw[name] = {"count": len(real), "mel_l1": mel_l1, "rows": {}}
        for path, wave in made.items():
            hits = judge.sound_logits(wave).argmax(1) == labels
            raw[name]["rows"][path] = {
                "stft_distance": float(stft_distance(wave[:, : real.shape[1]], real)),
                "judge_accuracy": float(hits.float().mean()),
                **judges.audio_scores(wave, labels),
            }
    write("pocket_audio", "Pocket autoencoder and vocoder", raw, tables(raw, model.polish_rounds))


def tables(raw: dict, rounds: int) -> str:
    """Markdown from the raw results."""
    real = raw["recordings"]["rows"][ORIGINAL]
    text = (
        f"{raw['recordings']['count']} held-out recordings of the pocket world's things, and "
        f"{raw['scenes']['count']} scenes of held-out synthesis. STFT distance: multi-resolution, "
        "lower is better. Polished: the phases of the vocoder's waveform are refined by "
        f"{rounds} rounds of phase retrieval. "
        + outside.audio_note(real | {"accuracy": real["judge_accuracy"]})
    )
    header = ["audio", "STFT distance", *outside.HEADER, "pocket judge"]
    for name in ("recordings", "scenes"):
        rows = [
            [path, f"{cell['stft_distance']:.3f}", *outside.columns(cell),
             f"{cell['judge_accuracy']:.3f}"]
            for path, cell in raw[name]["rows"].items()
        ]  # fmt: skip
        text += (
            f"\n\n## {name.capitalize()}\n\nThe autoencoder's mean absolute mel error is "
            f"{raw[name]['mel_l1']:.3f} (natural log units).\n\n" + table(header, rows)
        )
    return text


if __name__ == "__main__":
    main()
