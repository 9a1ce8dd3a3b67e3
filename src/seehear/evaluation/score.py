"""One look at every clip, then every metric of the task with its interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from seehear.conditions import pixels_of
from seehear.errors import MediaError, SettingsError
from seehear.evaluation.folders import Failure, Pair, pairs_of
from seehear.evaluation.report import Report, Score
from seehear.jobs import spread
from seehear.media import Audio, Video, probe, read_audio, read_video
from seehear.metrics import av_align as alignment
from seehear.metrics.bind import paired_cosine
from seehear.metrics.classes import inception_score, paired_kls
from seehear.metrics.features.judge import Judge
from seehear.metrics.features.judge import load as load_judge
from seehear.metrics.frechet import frechet_distance
from seehear.metrics.intervals import bootstrap_interval, mean_of
from seehear.metrics.kernel import polynomial_mmd
from seehear.protocols import Binder

TASKS = ("v2a", "i2a", "a2v", "joint")
SAMPLE_RATE = 16_000
MAX_FPS = 60.0
FRAMES = 16  # of a video that networks look at, spread over it
SPLITS = 10  # of the inception score
SILENCE = 1e-4  # peak below which a track is silent
RESAMPLES = 200

Statistic = Callable[[Tensor], float]


@dataclass
class _Rows:
    """What is kept of every clip: a few hundred numbers, never the clip."""

    ids: list[str] = field(default_factory=list)
    real_logits: list[Tensor] = field(default_factory=list)
    made_logits: list[Tensor] = field(default_factory=list)
    real_features: list[Tensor] = field(default_factory=list)
    made_features: list[Tensor] = field(default_factory=list)
    av_align: list[float] = field(default_factory=list)
    av_bind: list[float] = field(default_factory=list)


def evaluated(
    task: str,
    real: Path,
    made: Path,
    *,
    judge: Judge | None = None,
    binder: Binder | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Report:
    """Score every clip of a folder against its real counterpart.

    Args:
        task: Of `TASKS`. For v2a and i2a sounds are judged, for a2v and joint pictures.
        real: Folder of real media.
        made: Folder of generated media; see `pairs_of` for names.
        judge: Features and classes; None: the pocket judge, which ships.
        binder: For the bind score, if it is wanted; most likely the one that guided.
        on_clip: Called after every clip with how many are done, of how many.

    Raises:
        SettingsError: There is no such task.
        MediaError: A folder is missing, or no clip of it can be scored.
    """
    if task not in TASKS:
        raise SettingsError(f"expected one of the tasks {', '.join(TASKS)}, got {task!r}")
    pairs, failures = pairs_of(real, made)
    network = judge or load_judge()
    rows = _Rows()
    for k, pair in enumerate(pairs):
        try:
            _look(task, pair, network, binder, rows)
        except MediaError as error:
            failures.append(Failure(pair.id, str(error)))
        if on_clip is not None:
            on_clip(k + 1, len(pairs))
    if not rows.ids:
        raise MediaError(
            f"{made}: expected clips that can be scored, all {len(failures)} failed; "
            f"the first: {failures[0].reason}"
        )
    kls = paired_kls(torch.stack(rows.real_logits), torch.stack(rows.made_logits))
    return Report(
        task=task,
        real=str(real),
        made=str(made),
        count=len(rows.ids),
        scores=tuple(_scores(rows, kls)),
        clips=_clips(rows, kls),
        failures=tuple(failures),
        notes=tuple(_notes(rows)),
    )


def _look(task: str, pair: Pair, judge: Judge, binder: Binder | None, rows: _Rows) -> None:
    """Read a pair, and keep features. Nothing is kept of a pair that fails."""
    real_video = None if task == "i2a" else _video(pair.real)
    made_video = _video(pair.made)
    if task in ("v2a", "i2a"):
        real_in, made_in = (_sound(path) for path in (pair.real, pair.made))
        features = [judge.sound_features(a.waveform) for a in (real_in, made_in)]
        logits = [judge.sound_logits(a.waveform) for a in (real_in, made_in)]
        sound, video = made_in, made_video or real_video
    else:
        if real_video is None or made_video is None:
            raise MediaError(f"{pair.made}: expected a video, and one to compare with")
        frames = [_frames(v)[None] for v in (real_video, made_video)]
        features = [judge.picture_features(f) for f in frames]
        logits = [judge.picture_logits(f) for f in frames]
        video = made_video
        sound = _sound(pair.made if task == "joint" else pair.real)
    if not all(f.isfinite().all() for f in (*features, *logits)):
        raise MediaError(f"{pair.made}: its features are not finite; is the file damaged?")
    aligned = math.nan
    if video is not None and len(video.frames) > 1 and task != "i2a":
        waveform = sound.waveform.mean(0)
        found = alignment.av_align(video.frames, video.frames_per_s, waveform, SAMPLE_RATE)
        aligned = found.score
    bound = math.nan
    if binder is not None and video is not None:
        with torch.no_grad():
            e_v = binder.embed_video(_frames(video)[None])
            e_a = binder.embed_audio(sound.waveform.mean(0, keepdim=True), SAMPLE_RATE)
        bound = float(paired_cosine(e_v, e_a))
    rows.ids.append(pair.id)
    rows.real_features.append(features[0][0])
    rows.made_features.append(features[1][0])
    rows.real_logits.append(logits[0][0])
    rows.made_logits.append(logits[1][0])
    rows.av_align.append(aligned)
    rows.av_bind.append(bound)


def _video(path: Path) -> Video | None:
    """Every frame of a clip, at its own rate: peaks of motion are counted in frames.

    None for a sound.
    """
    found = probe(path)
    if found.kind != "video":
        return None
    return read_video(path, frames_per_s=min(found.fps or 8.0, MAX_FPS))


def _sound(path: Path) -> Audio:
    sound = read_audio(path, SAMPLE_RATE)
    if float(sound.waveform.abs().max()) < SILENCE:
        raise MediaError(f"{path}: is silent; there is nothing to score")
    return sound


def _frames(video: Video) -> Tensor:
    return pixels_of(video.frames[list(spread(len(video.frames), FRAMES))])


def _scores(rows: _Rows, kls: Tensor) -> list[Score]:
    x, y = torch.stack(rows.real_features), torch.stack(rows.made_features)
    p, q = torch.stack(rows.real_logits), torch.stack(rows.made_logits)
    hits = (p.argmax(1) == q.argmax(1)).double()
    n = len(rows.ids)
    splits = min(SPLITS, n)
    found = [
        _score("KL", n, partial(mean_of, kls), better="lower"),
        _score("same class", n, partial(mean_of, hits)),
        _score("ISc", n, lambda i: inception_score(q[i], splits=splits)[0]),
    ]
    if n > 1:
        found += [
            _score("FD", n, lambda i: float(frechet_distance(x[i], y[i])), better="lower"),
            _score("KD", n, lambda i: polynomial_mmd(x[i], y[i]), better="lower"),
        ]
    for name, values in (("AV-align", rows.av_align), ("AV-bind", rows.av_bind)):
        known = torch.tensor([v for v in values if not math.isnan(v)], dtype=torch.float64)
        if len(known):
            found.append(_score(name, len(known), partial(mean_of, known)))
    return found


def _score(name: str, n: int, statistic: Statistic, *, better: str = "higher") -> Score:
    """A statistic of all clips, and its interval over resampled ones."""
    interval = bootstrap_interval(statistic, n, RESAMPLES) if n > 1 else (math.nan, math.nan)
    value = statistic(torch.arange(n))
    return Score(name=name, value=value, interval=interval, better=better, count=n)


def _clips(rows: _Rows, kls: Tensor) -> dict[str, dict[str, float]]:
    return {
        name: {"KL": kls[k].item(), "AV-align": rows.av_align[k], "AV-bind": rows.av_bind[k]}
        for k, name in enumerate(rows.ids)
    }


def _notes(rows: _Rows) -> Sequence[str]:
    notes = ["features and classes are those of the pocket judge, which no guidance has seen"]
    n, dim = len(rows.ids), len(rows.real_features[0])
    if n <= dim:
        notes.append(
            f"FD and KD: {n} clips for {dim} features, so most of FD is bias; compare equal counts"
        )
    if any(not math.isnan(value) for value in rows.av_bind):
        notes.append("AV-bind: this binder may be the one that guided; then it is no quality")
    unknown = sum(math.isnan(value) for value in rows.av_align)
    if 0 < unknown < n:
        notes.append(f"AV-align: {unknown} clips neither move nor sound and are left out")
    return notes
