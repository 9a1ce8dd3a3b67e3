"""Score all clips in one pass, then compute every metric of the task with its interval."""

import logging
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
from seehear.metrics.features.protocol import EmbedsText
from seehear.pipeline.task import TASKS, ScoredTask

logger = logging.getLogger("seehear.evaluation")


@dataclass
class _Rows:
    """Values of every clip that no network computes."""

    ids: list[str] = field(default_factory=list)
    av_align: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Scorers:
    """The task, networks, prompts and cache that every worker needs."""

    task: str
    by_network: tuple[NetworkScores, ...]  # without rows
    prompts: Mapping[str, str]
    memory: FeatureCache | None


@dataclass(frozen=True)
class _ScoredPair:
    """Features and scores of one pair."""

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
    """Score every generated clip of a folder against its real clip.

    Args:
        task: A `ScoredTask`. Audio is scored for v2a and i2a, video for a2v. For joint, video is
            scored, and audio by networks that support only audio.
        real: Folder of real media, or a CSV list of clips.
        made: Folder of generated media; see `pairs_of` for file names.
        features: Scoring networks from `load_measure`; None: the bundled pocket judge.
        prompts: Prompts by clip id for networks with a text encoder, in addition to the captions
            of the clips.
        system: Naming rules of the generated files; None: all known rules.
        memory: Feature cache; None: no caching.
        workers: Number of processes. Scores do not depend on it.
        on_clip: Called after every clip with the number of finished clips and the total.

    Raises:
        SettingsError: Unknown task or system, or a network that cannot score the modality that
            the task generates.
        MediaError: A folder is missing, or none of its clips can be scored.
    """
    if task not in get_args(ScoredTask):
        known = ", ".join(get_args(ScoredTask))
        raise SettingsError(f"expected one of the tasks {known}, got {task!r}")
    judged: Judged = "video" if TASKS[task].makes_video else "audio"
    pairs, failures = pairs_of(real, made, system=system, judged=judged)
    if prompts and not any(isinstance(load.network, EmbedsText) for load in features or ()):
        raise SettingsError(
            "--prompts: expected a network with a text encoder; add --features bind, clap or "
            "imagebind"
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
        check(columns, audio=TASKS[task].makes_audio, video=TASKS[task].makes_video)
    scorers = _Scorers(task, tuple(by_network), prompts, memory)
    rows, scored = _Rows(), []
    for k, found in enumerate(in_order(_score_or_failure, scorers, pairs, workers)):
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
            f"{made}: expected clips that can be scored, but all {len(failures)} failed; "
            f"the first error: {failures[0].reason}"
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


def _score_or_failure(scorers: _Scorers, pair: Pair) -> _ScoredPair | Failure:
    """Score one pair, or return the reason why it cannot be scored."""
    try:
        return _score(scorers, pair)
    except MediaError as error:
        return Failure(pair.id, str(error))
    # A network can fail on an unusual clip, such as 10 ms of audio, with any error. The other
    # clips are scored all the same.
    except Exception:
        logger.debug("%s cannot be scored", pair.made, exc_info=True)
        return Failure(pair.id, str(ClipMedia(pair.made).rejected()))


def _score(scorers: _Scorers, pair: Pair) -> _ScoredPair:
    task, clip = TASKS[scorers.task], pair.clip
    made = ClipMedia(pair.made, memory=scorers.memory)
    real = ClipMedia(clip.path, clip.start_s, clip.duration_s, scorers.memory)
    real_audio = replace(real, path=clip.audio) if clip.audio else real
    video_pair: tuple[ClipMedia, ClipMedia] | None = None
    video: ClipMedia | None
    if not task.makes_video:
        audio, video = made, made if made.is_video or not real.is_video else real
    else:
        if not (real.is_video and made.is_video):
            raise MediaError(
                f"{pair.made}: expected a generated and a real video, got {made.header.kind} "
                f"and {real.header.kind}"
            )
        video_pair, video = (real, made), made
        audio = made if task.makes_audio else real_audio
    video = video if video.is_video else None
    pair_media = PairMedia(
        name=str(pair.made),
        audio_pair=(real_audio, made) if task.makes_audio else None,
        video_pair=video_pair,
        audio=audio,
        video=video,
        prompt=scorers.prompts.get(clip.id),
    )
    rows = tuple(columns.pair_features(pair_media) for columns in scorers.by_network)
    score = math.nan
    if video is not None and task.input_kind != "image" and len(motion := video.motion()) > 1:
        fps, flow_px = motion[0].item(), motion[1:].numpy()
        peaks = alignment.motion_peaks(flow_px, fps)
        score = alignment.matched_share(audio.onsets_s().tolist(), peaks, fps)
    return _ScoredPair(rows, score)


def _scores(rows: _Rows, by_network: Sequence[NetworkScores]) -> list[Score]:
    found = [score for columns in by_network for score in columns.scores()]
    return found + mean_score("AV-align", rows.av_align)


def _clips(rows: _Rows, by_network: Sequence[NetworkScores]) -> dict[str, dict[str, float]]:
    clips: dict[str, dict[str, float]] = {name: {} for name in rows.ids}
    for columns in by_network:
        for name, values in zip(rows.ids, columns.clip_values(), strict=True):
            clips[name].update(values)
    for k, name in enumerate(rows.ids):
        clips[name]["AV-align"] = rows.av_align[k]
    return clips


def _notes(
    rows: _Rows, by_network: Sequence[NetworkScores], scored: Sequence[Path], is_paired: bool
) -> Sequence[str]:
    notes = [note for columns in by_network for note in columns.notes(scored)]
    if not is_paired:
        notes.append(
            "generated clips have no real counterparts: only sets are compared, not single clips"
        )
    unknown = sum(math.isnan(value) for value in rows.av_align)
    if 0 < unknown < len(rows.ids):
        notes.append(f"AV-align: {unknown} clips without motion and onsets are skipped")
    return notes
