"""Train the binder's ear: every mel is pulled to the texts that name what is heard."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from seehear.binders.pocket.ear import Ear
from seehear.binders.pocket.heads import Heads
from seehear.binders.pocket.text import SentenceEncoder
from seehear.mel import log_mel_from_waveform
from training.binder.extra import NAMES, extra_sound
from training.binder.sounds import cut, recordings, varied
from training.binder.train import HeadTraining, Texts, concept_texts, to_texts
from training.binder.worst import worse
from training.loop import Run, fast_arithmetic, train
from training.towers import DATA
from training.world.cached import load
from training.world.pictures import CACHE

RECORDED = CACHE / "binder" / "ear_recorded.npz"


@dataclass(frozen=True, kw_only=True)
class EarTraining:
    """The mixture of one batch, and how it is varied."""

    batch: int = 96
    copies: float = 0.45  # share that went through autoencoder, denoiser or vocoder
    recorded: float = 0.2  # share of named recordings and of the further synthesised sounds
    dropout: float = 0.1
    attack_nepers: float = 0.3  # largest rms of the change that the ear must withstand
    smooth_attack_nepers: float = 0.8  # the same for changes smooth over 4 frames and 4 bands
    smooth: float = 0.6  # share of examples with such a change
    lr: float = 2e-3  # of the first steps
    replays: int = 3  # steps that a batch is used for, each time changed for the worse
    texts: HeadTraining = field(default_factory=HeadTraining)


@dataclass(kw_only=True)
class Batch:
    """Mels with their names, and how they have been changed for the worse so far."""

    mel: Tensor  # [b, frames, 64]
    rows: Tensor  # [b] of `texts`
    texts: Tensor
    plain: Tensor
    radius: Tensor  # [b, 1, 1] nepers
    smooth: Tensor  # [b, 1, 1] bool: the change is smooth
    change: Tensor  # like mel


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


def train_ear(minutes: float, settings: EarTraining, beginning: Path | None = None) -> Ear:
    """Train the ear for so many minutes, put it into the package and return it.

    `beginning` holds weights to go on from; without it they are random.
    """
    encoder, heads = SentenceEncoder(DATA / "text"), Heads()
    heads.load_state_dict(load_file(DATA / "binder" / "heads.safetensors"))
    texts = Texts(encoder, heads.text.mean)
    rows = concept_texts(texts)["heard"]
    all_plain = torch.stack([pool[0] for pool in texts.pools])
    mels, notes = load("train")[1:]
    mels = np.array(mels)  # random rows of a mapped file would be read from disk one by one
    copies = np.load(CACHE / "world" / "train" / "copies.npz")
    recorded, recorded_concepts = recorded_mels()
    world_rows = torch.tensor([rows[note["thing"]] for note in notes])
    sources = (
        (1 - settings.copies - settings.recorded, mels, world_rows),
        (settings.copies, copies["mels"], world_rows[torch.from_numpy(copies["rows"])]),
        (settings.recorded, recorded, torch.tensor([rows[c] for c in recorded_concepts])),
    )
    val_mels, val_notes = load("val")[1:]
    held_out = torch.from_numpy(np.array(val_mels)).float()
    names = [rows[note["thing"]] for note in val_notes]
    things = torch.tensor(sorted(set(names)))
    answers = torch.searchsorted(things, torch.tensor(names))
    torch.manual_seed(29)
    ear = Ear()
    if beginning is not None:
        ear.load_state_dict(load_file(beginning))
    ear.dropout.p = settings.dropout

    def drawn_batch(number: int) -> Batch:
        generator = torch.Generator().manual_seed(29_000_000 + number)
        parts, picked = [], []
        for share, source, concepts in sources:
            draws = torch.randint(
                0, len(source), (round(share * settings.batch),), generator=generator
            )
            parts.append(torch.from_numpy(source[draws.numpy()]).float())
            picked.append(concepts[draws])
        mel, concept = torch.cat(parts), torch.cat(picked)
        shuffled = torch.randperm(len(mel), generator=generator)
        mel, concept = varied_mels(mel[shuffled], generator), concept[shuffled]
        others = torch.randperm(len(all_plain), generator=generator)[: settings.texts.distractors]
        used, index = torch.unique(torch.cat([concept, others]), return_inverse=True)
        smooth = torch.rand(len(mel), 1, 1, generator=generator) < settings.smooth
        largest = torch.where(smooth, settings.smooth_attack_nepers, settings.attack_nepers)
        return Batch(
            mel=mel,
            rows=index[: len(concept)],
            texts=texts.drawn(generator)[used],
            plain=all_plain[used],
            radius=largest * torch.rand(len(mel), 1, 1, generator=generator),
            smooth=smooth,
            change=torch.zeros_like(mel),
        )

    batch: Batch | None = None

    def loss_of(step: int) -> dict[str, Tensor]:
        # The backward pass that trains the ear also tells how to make the batch harder: worst
        # cases for the price of plain training (Shafahi et al. 2019, arXiv:1904.12843).
        nonlocal batch
        if batch is None or step % settings.replays == 0:
            batch = drawn_batch(step // settings.replays)
        elif batch.change.grad is not None:
            batch.change = worse(
                batch.change, batch.change.grad, batch.radius, batch.smooth, settings.replays - 1
            )
        batch.change.requires_grad_(True)
        with fast_arithmetic():
            e = ear(batch.mel + batch.change).float()
        return {"texts": to_texts(e, batch.rows, batch.texts, batch.plain, settings.texts)}

    def top1(model: Ear, mels: Tensor) -> float:
        scores = torch.cat([model(m) for m in mels.split(112)]) @ all_plain[things].T
        return float((scores.argmax(1) == answers).float().mean())

    def evaluate(model: Ear) -> dict[str, float]:
        changed = held_out.clone().requires_grad_(True)
        with torch.enable_grad():
            logits = model(changed) @ all_plain[things].T / settings.texts.temperature
            (slope,) = torch.autograd.grad(functional.cross_entropy(logits, answers), changed)
        still, each = torch.zeros_like(held_out), (len(held_out), 1, 1)
        found = {"val_top1": held_out}
        for name, rms, smooth in (
            ("val_attacked", settings.attack_nepers / 2, False),
            ("val_attacked_smoothly", settings.smooth_attack_nepers / 2, True),
        ):
            found[name] = held_out + worse(
                still, slope, torch.full(each, rms), torch.full(each, smooth), 1
            )
        with torch.no_grad():
            return {name: top1(model, mels) for name, mels in found.items()}

    ear = train(Run(name="ear", minutes=minutes, lr=settings.lr, seed=29), ear, loss_of, evaluate)
    print(evaluate(ear))
    state = {key: tensor.half().contiguous() for key, tensor in ear.state_dict().items()}
    save_file(state, DATA / "binder" / "ear.safetensors", {"format": "pt", "licence": "Apache-2.0"})
    return ear
