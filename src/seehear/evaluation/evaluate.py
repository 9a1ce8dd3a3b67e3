"""One look at every clip, then every metric of the task with its interval."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.clip_media import ClipMedia
from seehear.evaluation.feature_cache import FeatureCache, cache_key
from seehear.evaluation.feature_networks import LoadedNetwork, load_measure
from seehear.evaluation.match_clips import Failure, Pair, pairs_of
from seehear.evaluation.naming_rules import SYSTEMS, Judged
from seehear.evaluation.network_scores import (
    NetworkScores,
    PairFeatures,
    PairMedia,
    check,
    mean_score,
)
from seehear.evaluation.parallel import in_order
from seehear.evaluation.report import Report, Score
from seehear.metrics import av_align as alignment
from seehear.metrics.features.protocol import ReadsText
from seehear.pipeline.task import TASKS, ScoredTask


@dataclass
class _Rows:
    """What is kept of every clip besides the columns of networks."""

    ids: list[str] = field(default_factory=list)
    av_align: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Scorers:
    """Who looks at clips, and for which task: what every worker is given."""

    task: str
    by_network: tuple[NetworkScores, ...]  # without rows
    prompts: Mapping[str, str]
    memory: FeatureCache | None


@dataclass(frozen=True)
class _ScoredPair:
    """What is kept of one pair."""

    rows: tuple[PairFeatures, ...]  # by network
    av_align: float


def evaluated(
    task: str,
    real: Path,
    made: Path,
    *,
    features: Sequence[LoadedNetwork] | None = None,
    prompts: Mapping[str, str] | None = None,
    system: str | None = None,
    memory: FeatureCache | None = None,
    workers: int = 1,
    on_clip: Callable[[int, int], None] | None = None,
) -> Report:
    """Score every clip of a folder against its real counterpart.

    Args:
        task: A `ScoredTask`. For v2a and i2a the audio is scored, for a2v the frames, for joint the
            frames, and the audio by networks that read audio alone.
        real: Folder of real media, or a list of clips in CSV.
        made: Folder of generated media; see `pairs_of` for names.
        features: The networks that judge, by `load_measure`; None: the pocket judge, which ships.
        prompts: What real clips show, by id, for networks that read; captions of the clips
            themselves need not be given.
        system: Whose names the made files have; None: any that is known.
        memory: Where to look for what is known of files already; None: look at all of them.
        workers: Processes that look at clips; scores do not depend on it.
        on_clip: Called after every clip with how many are done, of how many.

    Raises:
        SettingsError: There is no such task or system, or a network that cannot judge what the
            task makes.
        MediaError: A folder is missing, or no clip of it can be scored.
    """
    if task not in get_args(ScoredTask):
        known = ", ".join(get_args(ScoredTask))
        raise SettingsError(f"expected one of the tasks {known}, got {task!r}")
    judged: Judged = "picture" if TASKS[task].makes_video else "sound"
    pairs, failures = pairs_of(real, made, system=system, judged=judged)
    if prompts and not any(isinstance(load.network, ReadsText) for load in features or ()):
        raise SettingsError(
            "--prompts: none of these networks reads; add --features bind, clap or imagebind"
        )
    prompts = {p.clip.id: p.clip.caption for p in pairs if p.clip.caption} | dict(prompts or {})
    is_paired = system is None or SYSTEMS[system].is_paired
    by_network = [
        NetworkScores(
            loaded,
            reads=bool(prompts),
            fingerprint=cache_key(loaded.network, memory),
            is_paired=is_paired,
        )
        for loaded in features or (load_measure("judge"),)
    ]
    for columns in by_network:
        check(columns, sounds=TASKS[task].makes_audio, pictures=TASKS[task].makes_video)
    panel = _Scorers(task, tuple(by_network), prompts, memory)
    rows, scored = _Rows(), []
    for k, found in enumerate(in_order(_scored_or_failure, panel, pairs, workers)):
        if isinstance(found, Failure):
            failures.append(found)
        else:
            scored.append(pairs[k])
            rows.ids.append(pairs[k].id)
            rows.av_align.append(found.av_align)
            for columns, row in zip(by_network, found.rows, strict=True):
                columns.rows.append(row)
        if on_clip is not None:
            on_clip(k + 1, len(pairs))
    if not rows.ids:
        raise MediaError(
            f"{made}: expected clips that can be scored, all {len(failures)} failed; "
            f"the first: {failures[0].reason}"
        )
    return Report(
        task=task,
        real=str(real),
        made=str(made),
        count=len(rows.ids),
        scores=tuple(_scores(rows, by_network)),
        clips=_clips(rows, by_network),
        failures=tuple(failures),
        notes=tuple(_notes(rows, by_network, [pair.made for pair in scored], is_paired)),
    )


def _scored_or_failure(panel: _Scorers, pair: Pair) -> _ScoredPair | Failure:
    """What is kept of one pair, or why it cannot be scored."""
    try:
        return _scored(panel, pair)
    except MediaError as error:
        return Failure(pair.id, str(error))


def _scored(panel: _Scorers, pair: Pair) -> _ScoredPair:
    task, clip = TASKS[panel.task], pair.clip
    made = ClipMedia(pair.made, memory=panel.memory)
    real = ClipMedia(clip.path, clip.start_s, clip.duration_s, panel.memory)
    heard = replace(real, path=clip.sound) if clip.sound else real
    videos, sounds = None, (heard, made)
    video: ClipMedia | None
    if not task.makes_video:
        sound, video = made, made if made.is_video or not real.is_video else real
    else:
        if not (real.is_video and made.is_video):
            raise MediaError(f"{pair.made}: expected a video, and one to compare with")
        videos, video = (real, made), made
        sound = made if task.makes_audio else heard
    video = video if video.is_video else None
    material = PairMedia(
        name=str(pair.made),
        sounds=sounds if task.makes_audio else None,
        videos=videos,
        sound=sound,
        video=video,
        prompt=panel.prompts.get(clip.id),
    )
    rows = tuple(columns.look(material) for columns in panel.by_network)
    aligned = math.nan
    if video is not None and task.given != "image" and len(motion := video.motion()) > 1:
        fps, moved = motion[0].item(), motion[1:].numpy()
        peaks = alignment.motion_peaks(moved, fps)
        aligned = alignment.matched_share(sound.onsets_s().tolist(), peaks, fps)
    return _ScoredPair(rows, aligned)


def _scores(rows: _Rows, by_network: Sequence[NetworkScores]) -> list[Score]:
    found = [score for columns in by_network for score in columns.scores()]
    return found + mean_score("AV-align", rows.av_align)


def _clips(rows: _Rows, by_network: Sequence[NetworkScores]) -> dict[str, dict[str, float]]:
    clips: dict[str, dict[str, float]] = {name: {} for name in rows.ids}
    for columns in by_network:
        for name, values in zip(rows.ids, columns.of_clips(), strict=True):
            clips[name].update(values)
    for k, name in enumerate(rows.ids):
        clips[name]["AV-align"] = rows.av_align[k]
    return clips


def _notes(
    rows: _Rows, by_network: Sequence[NetworkScores], scored: Sequence[Path], is_paired: bool
) -> Sequence[str]:
    notes = [note for columns in by_network for note in columns.notes(scored)]
    if not is_paired:
        notes.append("made clips answer no real ones: sets are compared, and nothing clip by clip")
    unknown = sum(math.isnan(value) for value in rows.av_align)
    if 0 < unknown < len(rows.ids):
        notes.append(f"AV-align: {unknown} clips neither move nor sound and are left out")
    return notes
