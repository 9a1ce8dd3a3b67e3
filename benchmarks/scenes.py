"""Held-out scenes of the world and the prompts of each column, the same for all benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from training.world.captions import label
from training.world.scenes import SAMPLE_RATE, Scene, heard, seen
from training.world.things import BY_ID, IDS

from seehear.media import write_video
from seehear.models.captioners.phrase_bank import PhraseBank
from seehear.models.families import Family

PROMPTS = ("none", "caption", "right", "wrong")
NUM_SAMPLES = 40_960
DURATION_S = 2.56
FPS = 16 / DURATION_S


@dataclass(frozen=True, kw_only=True)
class Held:
    """Held-out scenes: frames, real audio and the prompts of each column."""

    frames: Tensor  # [n, 4, 3, 64, 64] in [0, 1]
    real: Tensor  # [n, samples]
    labels: Tensor  # [n]
    onsets_s: Sequence[tuple[float, ...]]
    prompts: dict[str, list[str]]
    conditions: Tensor  # binder embeddings of the input [n, dim]


def held_out(family: Family, count: int, condition: Literal["video", "audio"] = "video") -> Held:
    """The first `count` scenes of the test split: art and synthesis that were held out."""
    sounds = [heard(seed, "test") for seed in range(count)]
    frames = torch.stack(
        [torch.from_numpy(seen(s, k, "test")[::4]).float() / 255 for k, s in enumerate(sounds)]
    )
    real = torch.stack([torch.from_numpy(s.waveform) for s in sounds])
    labels = torch.tensor([IDS.index(s.thing) for s in sounds])
    binder = family.binder
    with torch.no_grad():
        found = (
            [binder.embed_video(f) for f in frames.split(28)]
            if condition == "video"
            else [binder.embed_audio(w, 16_000) for w in real.split(28)]
        )
    embeddings = torch.cat(found)
    bank = PhraseBank(binder)
    captions = [
        (bank.name_video(f) if condition == "video" else bank.name_audio(w, 16_000)).caption
        for f, w in zip(frames, real, strict=True)
    ]
    # A wrong prompt names another thing; the shift walks through all of them.
    shifts = [1 + (k // len(IDS) * 11 + k * 7) % (len(IDS) - 1) for k in range(count)]
    wrong = [BY_ID[IDS[(int(i) + d) % len(IDS)]] for i, d in zip(labels, shifts, strict=True)]
    prompts = {
        "none": [""] * count,
        "caption": captions,
        "right": [label(BY_ID[s.thing]) for s in sounds],
        "wrong": [label(thing) for thing in wrong],
    }
    return Held(
        frames=frames,
        real=real,
        labels=labels,
        onsets_s=[s.onsets_s for s in sounds],
        prompts=prompts,
        conditions=embeddings,
    )


def write_clip(path: Path, scenes: Sequence[Scene]) -> None:
    """One scene after the other, with their sounds."""
    frames = torch.cat([torch.from_numpy(scene.frames) for scene in scenes])
    sound = torch.cat([torch.from_numpy(scene.waveform) for scene in scenes])[None]
    write_video(path, frames, FPS, sound, SAMPLE_RATE)
