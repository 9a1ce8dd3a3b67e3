"""Make many clips of a task in batches, as all benchmarks do."""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.kept import Kept, Made
from benchmarks.scenes import DURATION_S, NUM_SAMPLES
from seehear.dsp.events import Curve
from seehear.guidance.conditions import Targets
from seehear.guidance.decoding import AugmentedViews
from seehear.guidance.frame_sampling import FrameSampler
from seehear.guidance.objective import Agreement
from seehear.guidance.prompts import embed_prompts
from seehear.guidance.protocols import Backbone
from seehear.guidance.references import Reference
from seehear.guidance.sampling import sample
from seehear.guidance.streams import Stream
from seehear.guidance.sync import SyncTerm
from seehear.models.families import Family
from seehear.pipeline.losses import distance_of
from seehear.pipeline.presets import Preset
from seehear.pipeline.task import TASKS


def make(
    task: str,
    family: Family,
    prompts: Sequence[str],
    preset: Preset,
    conditions: Mapping[str, Tensor] | None = None,
    *,
    is_guided: bool = True,
    batch: int = 16,
    sync: SyncTerm | None = None,
    negatives: Sequence[str] = (),
    vetoes: Sequence[str] = (),
    keep: Path | None = None,
) -> tuple[Made, float]:
    """Generate clips of 2.56 s; also returns the seconds that this took.

    Args:
        task: A task of `seehear.pipeline.task`.
        family: The models.
        prompts: One for every clip; either all or none of them are empty.
        preset: Settings. Mels are always compared instead of waveforms, so that presets differ
            only by their loop.
        conditions: Embeddings (clips, dim) of the inputs, by stream.
        is_guided: False: sample without guidance.
        batch: Number of clips per batch.
        sync: A sync term, with curves of the inputs, one per clip.
        negatives: Negative prompts, one per clip; empty: none.
        vetoes: Texts that guidance avoids, one per clip; empty: none.
        keep: Folder of finished batches, which are not generated again.

    Returns:
        Audio (clips, samples) in float32 and frames (clips, frames, 3, height, width) in uint8.
    """
    backbones = {stream: family.backbone(part) for stream, part in TASKS[task].makes.items()}
    kept = Kept.of(keep, family, tuple(TASKS[task].makes.values()))
    made: dict[Stream, list[Tensor]] = defaultdict(list)
    total_s = 0.0
    for first in range(0, len(prompts), batch):
        part = slice(first, first + batch)
        texts = list(prompts[part])
        targets = {name: embeddings[part] for name, embeddings in (conditions or {}).items()}
        clips_of = _Batch(
            task=task,
            first=first,
            texts=texts,
            targets=targets,
            preset=preset,
            is_guided=is_guided,
            sync=_of_clips(sync, part),
            negatives=list(negatives[part]),
            vetoes=list(vetoes[part]),
        )
        make_batch = partial(_made, clips_of, backbones, family)
        clips, seconds = kept.batch(clips_of, make_batch) if kept else make_batch()
        total_s += seconds
        for stream, media in clips.items():
            made[stream].append(media)
    return {s: torch.cat(parts) for s, parts in made.items()}, total_s


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Everything that determines the clips of a batch, except code and weights."""

    task: str
    first: int  # number of its first clip
    texts: Sequence[str]
    targets: Mapping[str, Tensor]
    preset: Preset
    is_guided: bool
    sync: SyncTerm | None
    negatives: Sequence[str]
    vetoes: Sequence[str]


def _made(
    batch: _Batch, backbones: Mapping[Stream, Backbone], family: Family
) -> tuple[Made, float]:
    """The clips of a batch, and the seconds that their generation took."""
    began = time.monotonic()
    texts, targets, preset = batch.texts, batch.targets, batch.preset
    if texts[0]:
        with torch.no_grad():
            targets = {**targets, "text": family.binder.embed_text(texts)}
    # Every column starts from the same noise, so columns differ by what they test alone.
    generator = torch.Generator().manual_seed(1000 + batch.first)
    latents = {s: b.prior(DURATION_S, len(texts), generator) for s, b in backbones.items()}
    video = backbones.get("video")
    samplers = ()
    if video:
        samplers = (FrameSampler(preset.frames, latents["video"].shape[video.time_axis]),)
    objective = Agreement(
        backbones=backbones,
        binder=family.binder,
        pairs=preset.pairs,
        weights=preset.weights,
        targets=Targets((), targets),
        distance=distance_of(family, preset),
        mel_bridge=True,
        noisy_image_encoder=preset.noisy_image_encoder,
        terms=(batch.sync,) if batch.sync else (),
        references=_references(batch, family),
        samplers=samplers,
        latent_encoders={
            s: family.latent_encoder(part, latents[s])
            for s, part in TASKS[batch.task].makes.items()
            if preset.latent_encoder
        },
        views=AugmentedViews(
            preset.image_augmentation, preset.mel_augmentation, 1000 + batch.first
        ),
    )
    sampled = sample(
        backbones,
        latents,
        {s: _embed(b, texts, batch.negatives) for s, b in backbones.items()},
        objective if batch.is_guided else None,
        preset.settings,
    )
    made: Made = {}
    with torch.no_grad():
        for stream, z_0 in sampled.latents.items():
            media = backbones[stream].decode(z_0)
            is_sound = stream == "audio"
            made[stream] = (
                media[:, :NUM_SAMPLES].float() if is_sound else (media * 255).round().byte()
            )
    return made, time.monotonic() - began


def _embed(backbone: Backbone, texts: Sequence[str], negatives: Sequence[str]) -> Tensor:
    """Prompt embeddings of a batch, whose clips may have different negative prompts."""
    if not negatives:
        return backbone.embed_prompt(texts)
    rows = [
        embed_prompts(backbone, [text], negative).chunk(2)
        for text, negative in zip(texts, negatives, strict=True)
    ]
    return torch.cat([torch.cat(half) for half in zip(*rows, strict=True)])


def _references(batch: _Batch, family: Family) -> tuple[Reference, ...]:
    if not batch.vetoes:
        return ()
    with torch.no_grad():
        embeddings = family.binder.embed_text(batch.vetoes)
    return (
        Reference(
            name="veto",
            embedding=embeddings,
            weight=batch.preset.veto_weight,
            is_veto=True,
            margin=batch.preset.veto_margin,
        ),
    )


def _of_clips(sync: SyncTerm | None, part: slice) -> SyncTerm | None:
    """The curves of some clips."""
    if sync is None:
        return None

    def some(curve: Curve | None) -> Curve | None:
        return None if curve is None else Curve(curve.values[part], curve.times_s)

    return replace(sync, starts=some(sync.starts), onsets=some(sync.onsets))


def options_for(about: str, *, batch: int, count: int = 256) -> argparse.ArgumentParser:
    """The options of every benchmark that generates many clips."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--count", type=int, default=count, help=f"of clips; {count}")
    parser.add_argument("--batch", type=int, default=batch, help=f"clips at a time; {batch}")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER",
        help="keep every batch here, and take it from here next time, to go on after a stop or "
        "with a greater --count",
    )  # fmt: skip
    parser.add_argument(
        "--outside", type=Path, metavar="FOLDER",
        help="folder of YAMNet, the outside judge: see benchmarks/outside.py",
    )  # fmt: skip
    return parser


def add_trials(parser: argparse.ArgumentParser) -> None:
    """Options for trials, which the tables do not record."""
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="FIELD=VALUE",
        help="trial values of AlignerConfig fields, num_steps, guidance_scale, views or "
        "weights=a,b; not saved",
    )  # fmt: skip
