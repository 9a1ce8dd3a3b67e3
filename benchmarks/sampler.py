"""Make many clips of a task in batches, as all benchmarks do."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.scenes import DURATION_S, NUM_SAMPLES
from seehear.families import Family
from seehear.jobs import MAKES, distance_of
from seehear.made import AlteredCopies
from seehear.objective import InStep, WholeClip
from seehear.presets import Preset
from seehear.protocols import Stream
from seehear.sampling import sample
from seehear.sync import Curve


def make(
    task: str,
    family: Family,
    prompts: Sequence[str],
    preset: Preset,
    given: Mapping[str, Tensor] | None = None,
    *,
    is_guided: bool = True,
    batch: int = 16,
    sync: InStep | None = None,
) -> tuple[dict[Stream, Tensor], float]:
    """Clips of 2.56 s, and the seconds that they took.

    Args:
        task: What is made from what.
        family: The models.
        prompts: One for every clip; all of them empty, or none.
        preset: How. Sounds are compared as mels whatever it says, so that presets differ by
            their loop alone.
        given: Embeddings (clips, dim) of what is given, by name.
        is_guided: Whether anything pulls.
        batch: How many clips are made at a time.
        sync: A sync term, with curves of what is given, one per clip.

    Returns:
        Sounds (clips, samples) in float32 and frames (clips, frames, 3, height, width) in uint8.
    """
    backbones = {stream: family.backbone(part) for stream, part in MAKES[task].items()}
    made: dict[Stream, list[Tensor]] = {stream: [] for stream in backbones}
    began = time.monotonic()
    for first in range(0, len(prompts), batch):
        part = slice(first, first + batch)
        texts = list(prompts[part])
        targets = {name: embeddings[part] for name, embeddings in (given or {}).items()}
        if texts[0]:
            with torch.no_grad():
                targets["text"] = family.binder.embed_text(texts)
        # Every column starts from the same noise, so columns differ by what they test alone.
        generator = torch.Generator().manual_seed(1000 + first)
        latents = {s: b.prior(DURATION_S, len(texts), generator) for s, b in backbones.items()}
        video = backbones.get("video")
        objective = WholeClip(
            backbones=backbones,
            binder=family.binder,
            pairs=preset.pairs,
            weights=preset.weights,
            targets=targets,
            distance=distance_of(family, preset),
            mel_bridge=True,
            by_eye=preset.by_eye,
            sync=_of_clips(sync, part),
            draws=preset.frames.draws(latents["video"].shape[video.time_axis]) if video else None,
            copies=AlteredCopies(preset.looks, preset.hearings, 1000 + first),
        )
        sampled = sample(
            backbones,
            latents,
            {s: b.embed_prompt(texts) for s, b in backbones.items()},
            objective if is_guided else None,
            preset.settings,
        )
        with torch.no_grad():
            for stream, z_0 in sampled.latents.items():
                media = backbones[stream].decode(z_0)
                is_sound = stream == "audio"
                made[stream].append(
                    media[:, :NUM_SAMPLES].float() if is_sound else (media * 255).round().byte()
                )
    return {s: torch.cat(parts) for s, parts in made.items()}, time.monotonic() - began


def _of_clips(sync: InStep | None, part: slice) -> InStep | None:
    """The curves of some clips."""
    if sync is None:
        return None

    def some(curve: Curve | None) -> Curve | None:
        return None if curve is None else Curve(curve.values[part], curve.times_s)

    return replace(sync, starts=some(sync.starts), onsets=some(sync.onsets))
