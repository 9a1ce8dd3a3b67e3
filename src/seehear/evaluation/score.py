"""One look at every clip, then every metric of the task with its interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.folders import Failure, Pair, pairs_of
from seehear.evaluation.guides import guidance_note
from seehear.evaluation.memory import Memory, fingerprint
from seehear.evaluation.report import Report, Score
from seehear.evaluation.seen import SAMPLE_RATE, Seen
from seehear.evaluation.systems import SYSTEMS, Judged
from seehear.evaluation.workers import in_order
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
SPLITS = 10  # of the inception score
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
    is_paired: bool = True  # False: made clips answer no real ones, so that only sets compare

    def add(self, other: "_Rows") -> None:
        """Append the rows of another."""
        for name, value in vars(other).items():
            if isinstance(value, list):
                getattr(self, name).extend(value)


@dataclass(frozen=True)
class _Panel:
    """Who looks at clips, and for which task: what every worker is given."""

    task: str
    judge: Judge
    binder: Binder | None
    memory: Memory | None
    prints: tuple[str, str]  # fingerprints of judge and binder, which the memory needs


def evaluated(
    task: str,
    real: Path,
    made: Path,
    *,
    judge: Judge | None = None,
    binder: Binder | None = None,
    system: str | None = None,
    memory: Memory | None = None,
    workers: int = 1,
    on_clip: Callable[[int, int], None] | None = None,
) -> Report:
    """Score every clip of a folder against its real counterpart.

    Args:
        task: Of `TASKS`. For v2a and i2a sounds are judged, for a2v and joint pictures.
        real: Folder of real media, or a list of clips in CSV.
        made: Folder of generated media; see `pairs_of` for names.
        judge: Features and classes; None: the pocket judge, which ships.
        binder: For the bind score, if it is wanted; most likely the one that guided.
        system: Whose names the made files have; None: any that is known.
        memory: Where to look for what is known of files already; None: look at all of them.
        workers: Processes that look at clips; scores do not depend on it.
        on_clip: Called after every clip with how many are done, of how many.

    Raises:
        SettingsError: There is no such task or system.
        MediaError: A folder is missing, or no clip of it can be scored.
    """
    if task not in TASKS:
        raise SettingsError(f"expected one of the tasks {', '.join(TASKS)}, got {task!r}")
    judged: Judged = "sound" if task in ("v2a", "i2a") else "picture"
    pairs, failures = pairs_of(real, made, system=system, judged=judged)
    network = judge or load_judge()
    prints = ("", "") if memory is None else (fingerprint(network), fingerprint(binder))
    panel = _Panel(task, network, binder, memory, prints)
    rows = _Rows(is_paired=system is None or SYSTEMS[system].is_paired)
    scored = []
    for k, found in enumerate(in_order(_looked, panel, pairs, workers)):
        if isinstance(found, Failure):
            failures.append(found)
        else:
            rows.add(found)
            scored.append(pairs[k])
        if on_clip is not None:
            on_clip(k + 1, len(pairs))
    if not rows.ids:
        raise MediaError(
            f"{made}: expected clips that can be scored, all {len(failures)} failed; "
            f"the first: {failures[0].reason}"
        )
    kls = paired_kls(torch.stack(rows.real_logits), torch.stack(rows.made_logits))
    if not rows.is_paired:
        kls = torch.full_like(kls, math.nan)
    return Report(
        task=task,
        real=str(real),
        made=str(made),
        count=len(rows.ids),
        scores=tuple(_scores(rows, kls)),
        clips=_clips(rows, kls),
        failures=tuple(failures),
        notes=tuple(_notes(rows, scored)),
    )


def _looked(panel: _Panel, pair: Pair) -> _Rows | Failure:
    """What is kept of one pair, or why it cannot be scored."""
    rows = _Rows()
    try:
        _look(panel, pair, rows)
    except MediaError as error:
        return Failure(pair.id, str(error))
    return rows


def _look(panel: _Panel, pair: Pair, rows: _Rows) -> None:
    """Look at a pair, and keep features. Nothing is kept of a pair that fails."""
    judge, binder, clip = panel.judge, panel.binder, pair.clip
    by_judge, by_binder = panel.prints
    made = Seen(pair.made, memory=panel.memory)
    real = Seen(clip.path, clip.start_s, clip.duration_s, panel.memory)
    real_sound = replace(real, path=clip.sound) if clip.sound else real
    if panel.task in ("v2a", "i2a"):
        looked = (real_sound, made)
        features = [_said(s, "sound features", by_judge, judge.sound_features) for s in looked]
        logits = [_said(s, "sound logits", by_judge, judge.sound_logits) for s in looked]
        sound, video = made, made if made.is_video or panel.task == "i2a" else real
    else:
        looked = (real, made)
        if not (real.is_video and made.is_video):
            raise MediaError(f"{pair.made}: expected a video, and one to compare with")
        features = [_said(s, "picture features", by_judge, judge.picture_features) for s in looked]
        logits = [_said(s, "picture logits", by_judge, judge.picture_logits) for s in looked]
        sound, video = made if panel.task == "joint" else real_sound, made
    for seen, *values in zip(looked, features, logits, strict=True):
        if not all(value.isfinite().all() for value in values):
            raise MediaError(f"{seen.path}: its features are not finite; is the file damaged?")
    aligned = math.nan
    if video.is_video and panel.task != "i2a" and len(motion := video.motion()) > 1:
        fps, moved = motion[0].item(), motion[1:].numpy()
        peaks = alignment.motion_peaks(moved, fps)
        aligned = alignment.matched_share(sound.onsets_s().tolist(), peaks, fps)
    bound = math.nan
    if binder is not None and video.is_video:
        e_v = _said(video, "picture embedding", by_binder, binder.embed_video)
        e_a = _said(sound, "sound embedding", by_binder, partial(_embedded_sound, binder))
        bound = float(paired_cosine(e_v, e_a))
    rows.ids.append(pair.id)
    rows.real_features.append(features[0][0])
    rows.made_features.append(features[1][0])
    rows.real_logits.append(logits[0][0])
    rows.made_logits.append(logits[1][0])
    rows.av_align.append(aligned)
    rows.av_bind.append(bound)


def _said(seen: Seen, what: str, by: str, say: Callable[[Tensor], Tensor]) -> Tensor:
    """What a network says about a clip's sound or frames: one row."""

    @torch.no_grad()
    def compute() -> Tensor:
        given = seen.sound.waveform if what.startswith("sound") else seen.frames[None]
        try:
            return say(given)
        except MediaError:
            raise
        except ValueError as error:  # such as a sound that is too short for the network
            raise MediaError(f"{seen.path}: {error}") from error

    return seen.known(what, by, compute)


def _embedded_sound(binder: Binder, waveform: Tensor) -> Tensor:
    return binder.embed_audio(waveform, SAMPLE_RATE)


def _scores(rows: _Rows, kls: Tensor) -> list[Score]:
    x, y = torch.stack(rows.real_features), torch.stack(rows.made_features)
    p, q = torch.stack(rows.real_logits), torch.stack(rows.made_logits)
    hits = (p.argmax(1) == q.argmax(1)).double()
    n = len(rows.ids)
    splits = min(SPLITS, n)
    found = [
        _score("KL", n, partial(mean_of, kls), better="lower"),
        _score("same class", n, partial(mean_of, hits)),
    ]
    if not rows.is_paired:
        found = []
    found.append(_score("ISc", n, lambda i: inception_score(q[i], splits=splits)[0]))
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


def _notes(rows: _Rows, scored: Sequence[Pair]) -> Sequence[str]:
    notes = ["features and classes are those of the pocket judge, which no guidance has seen"]
    n, dim = len(rows.ids), len(rows.real_features[0])
    if n <= dim:
        notes.append(
            f"FD and KD: {n} clips for {dim} features, so most of FD is bias; compare equal counts"
        )
    if any(not math.isnan(value) for value in rows.av_bind):
        notes.append(guidance_note("AV-bind", [pair.made for pair in scored]))
    if not rows.is_paired:
        notes.append("made clips answer no real ones: sets are compared, and nothing clip by clip")
    unknown = sum(math.isnan(value) for value in rows.av_align)
    if 0 < unknown < n:
        notes.append(f"AV-align: {unknown} clips neither move nor sound and are left out")
    return notes
