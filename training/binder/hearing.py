"""Train the binder's ear: every mel is pulled to the texts that name what is heard."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.mel import log_mel_from_waveform
from seehear.models.binders.pocket.mel_encoder import MelEncoder
from training.binder.extra import NAMES, extra_sound
from training.binder.sense import Batch, Names, SenseTraining, named_batch, train_sense
from training.binder.sounds import cut, recordings, varied
from training.world.cached import load
from training.world.pictures import CACHE

RECORDED = CACHE / "binder" / "ear_recorded.npz"


@dataclass(frozen=True, kw_only=True)
class EarTraining(SenseTraining):
    """The ear's mixture; changes are in nepers."""

    copies: float = 0.45  # went through autoencoder, denoiser or vocoder
    recorded: float = 0.2  # share of named recordings and of the further synthesised sounds
    attack: float = 0.3
    smooth_attack: float = 0.8


def recorded_mels(per_recording: int = 3, per_extra: int = 6) -> tuple[np.ndarray, list[str]]:
    """Log mels of recordings and extra sounds, cut and varied, and their concepts; cached."""
    if not RECORDED.exists():
        rng = np.random.default_rng(29)
        mels, concepts = [], []

        def add(wave: np.ndarray, concept: str) -> None:
            wave = varied(wave, rng, None) if rng.random() < 0.6 else wave
            wave = wave / max(float(np.abs(wave).max()), 1e-3)
            mel = log_mel_from_waveform(torch.from_numpy(wave.astype(np.float32))[None])
            mels.append(mel[0, :256].half().numpy())
            concepts.append(concept)

        for entry in recordings("train"):
            samples, _ = soundfile.read(CACHE / "recordings" / entry["file"], dtype="float32")
            for _ in range(per_recording):
                add(cut(samples, rng), f"recording:{entry['text']}|{entry['thing'] or ''}")
        for name in NAMES:
            for _ in range(per_extra):
                add(extra_sound(name, rng), f"extra:{name}")
        RECORDED.parent.mkdir(parents=True, exist_ok=True)
        np.savez(RECORDED, mels=np.stack(mels), concepts=np.array(concepts))
    saved = np.load(RECORDED)
    return saved["mels"], saved["concepts"].tolist()


def varied_mels(mel: Tensor, generator: torch.Generator) -> Tensor:
    """Log mels [b, 256, 64] varied in time, pitch, tone, noise, softness, and with masks."""
    b = len(mel)
    rand = partial(torch.rand, generator=generator)
    mel = torch.roll(mel, int(rand(1) * 256), dims=1)
    loudest = mel.amax(dim=(1, 2), keepdim=True)
    if rand(1) < 0.5:  # up to two bands up or down, as a smaller or larger one would sound
        shift = int(rand(1) * 5) - 2
        mel = torch.roll(mel, shift, dims=2)
    slope = torch.linspace(-1, 1, 64) * (rand(b, 1, 1) * 2 - 1)
    mel = mel + slope + torch.randn(mel.shape, generator=generator) * rand(b, 1, 1) * 0.5
    # Half of them lie in noise 10 to 70 dB below the loudest cell.
    floor = loudest - 1.2 - 7.0 * rand(b, 1, 1) + 40.0 * -(rand(b, 1, 1) < 0.5).float()
    mel = torch.logaddexp(mel, floor + torch.randn(mel.shape, generator=generator) * 0.5)
    if rand(1) < 0.5:
        size = 3 if rand(1) < 0.7 else 5
        soft = functional.avg_pool2d(mel[:, None], size, 1, size // 2)[:, 0]
        mel = torch.where(rand(b, 1, 1) < 0.5, soft, mel)
    if rand(1) < 0.3:  # a second sound beneath
        other = torch.randperm(b, generator=generator)
        mel = torch.logaddexp(mel, mel[other] - 1.2 - 2 * rand(b, 1, 1))
    start = int(rand(1) * 200)
    mel[: b // 3, start : start + int(rand(1) * 56)] = -11.5
    start = int(rand(1) * 56)
    mel[b // 4 : b // 2, :, start : start + int(rand(1) * 8)] = -11.5
    return mel


def train_ear(minutes: float, settings: EarTraining, beginning: Path | None = None) -> nn.Module:
    """Train the ear for so many minutes, put it into the package and return it.

    `beginning` holds weights to go on from; without it they are random.
    """
    concepts = Names("heard")
    mels, notes = load("train")[1:]
    mels = np.array(mels)  # random rows of a mapped file would be read from disk one by one
    copies = np.load(CACHE / "world" / "train" / "copies.npz")
    recorded, recorded_concepts = recorded_mels()
    world_rows = torch.tensor(concepts.rows_of(notes))
    sources = (
        (1 - settings.copies - settings.recorded, mels, world_rows),
        (settings.copies, copies["mels"], world_rows[torch.from_numpy(copies["rows"])]),
        (settings.recorded, recorded, torch.tensor([concepts.rows[c] for c in recorded_concepts])),
    )
    val_mels, val_notes = load("val")[1:]
    held_out = torch.from_numpy(np.array(val_mels)).float()
    torch.manual_seed(29)
    ear = MelEncoder()

    def drawn_batch(number: int) -> Batch:
        generator = torch.Generator().manual_seed(29_000_000 + number)
        parts, picked = [], []
        for share, source, named in sources:
            draws = torch.randint(
                0, len(source), (round(share * settings.batch),), generator=generator
            )
            parts.append(torch.from_numpy(source[draws.numpy()]).float())
            picked.append(named[draws])
        mel, concept = torch.cat(parts), torch.cat(picked)
        shuffled = torch.randperm(len(mel), generator=generator)
        mel, concept = varied_mels(mel[shuffled], generator), concept[shuffled]
        return named_batch(mel, concept, concepts, settings, generator)

    return train_sense(
        "ear", ear, concepts, drawn_batch, held_out, concepts.rows_of(val_notes),
        minutes=minutes, seed=29, settings=settings, beginning=beginning,
    )  # fmt: skip
