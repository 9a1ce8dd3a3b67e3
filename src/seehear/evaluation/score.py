"""One look at every clip, then every metric of the task with its interval."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.columns import Columns, Material, check, frames_of, mean_score
from seehear.evaluation.folders import Failure, Pair, pairs_of
from seehear.evaluation.measures import Loaded, load_measure
from seehear.evaluation.report import Report, Score
from seehear.media import Audio, Video, probe, read_audio, read_video
from seehear.metrics import av_align as alignment
from seehear.metrics.bind import paired_cosine
from seehear.metrics.features.protocol import ReadsText
from seehear.protocols import Binder

TASKS = ("v2a", "i2a", "a2v", "joint")
SAMPLE_RATE = 16_000  # of what AV-align and the binder hear
MAX_FPS = 60.0
SILENCE = 1e-4  # peak below which a track is silent


@dataclass
class _Rows:
    """What is kept of every clip besides the columns of networks."""

    ids: list[str] = field(default_factory=list)
    av_align: list[float] = field(default_factory=list)
    av_bind: list[float] = field(default_factory=list)


def evaluated(
    task: str,
    real: Path,
    made: Path,
    *,
    features: Sequence[Loaded] | None = None,
    prompts: Mapping[str, str] | None = None,
    binder: Binder | None = None,
    on_clip: Callable[[int, int], None] | None = None,
) -> Report:
    """Score every clip of a folder against its real counterpart.

    Args:
        task: Of `TASKS`. For v2a and i2a sounds are judged, for a2v pictures, for joint pictures,
            and sounds by networks that only hear.
        real: Folder of real media.
        made: Folder of generated media; see `pairs_of` for names.
        features: The networks that judge, by `load_measure`; None: the pocket judge, which ships.
        prompts: What real clips show, by the file's name without suffix, for networks that read.
        binder: For the bind score, if it is wanted; most likely the one that guided.
        on_clip: Called after every clip with how many are done, of how many.

    Raises:
        SettingsError: There is no such task, or a network that cannot judge what it makes.
        MediaError: A folder is missing, or no clip of it can be scored.
    """
    if task not in TASKS:
        raise SettingsError(f"expected one of the tasks {', '.join(TASKS)}, got {task!r}")
    by_network = [
        Columns(loaded, reads=bool(prompts)) for loaded in features or (load_measure("judge"),)
    ]
    for columns in by_network:
        check(columns, sounds=task != "a2v", pictures=task in ("a2v", "joint"))
    if prompts and not any(isinstance(c.loaded.network, ReadsText) for c in by_network):
        raise SettingsError(
            "--prompts: none of these networks reads; add --features clap or imagebind"
        )
    pairs, failures = pairs_of(real, made)
    rows = _Rows()
    for k, pair in enumerate(pairs):
        try:
            _look(task, pair, (prompts or {}).get(pair.real.stem), by_network, binder, rows)
        except MediaError as error:
            failures.append(Failure(pair.id, str(error)))
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
        notes=tuple(_notes(rows, by_network)),
    )


def _look(
    task: str,
    pair: Pair,
    prompt: str | None,
    by_network: Sequence[Columns],
    binder: Binder | None,
    rows: _Rows,
) -> None:
    """Read a pair, and keep features. Nothing is kept of a pair that fails."""
    real_video = None if task == "i2a" else _video(pair.real)
    made_video = _video(pair.made)
    # Networks ask for the rates that they take; a rate is read once.
    real_sound, made_sound = (cache(partial(_sound, path)) for path in (pair.real, pair.made))
    videos, sounds = None, None
    if task in ("v2a", "i2a"):
        real_sound(SAMPLE_RATE)  # is it silent?
        hears, video = made_sound, made_video or real_video
    else:
        if real_video is None or made_video is None:
            raise MediaError(f"{pair.made}: expected a video, and one to compare with")
        videos, video = (real_video, made_video), made_video
        hears = made_sound if task == "joint" else real_sound
    if task != "a2v":
        sounds = (real_sound, made_sound)
    sound = hears(SAMPLE_RATE)
    material = Material(
        name=str(pair.made), sounds=sounds, videos=videos, sound=hears, video=video, prompt=prompt
    )
    looked = [columns.look(material) for columns in by_network]
    aligned = math.nan
    if video is not None and len(video.frames) > 1 and task != "i2a":
        waveform = sound.waveform.mean(0)
        found = alignment.av_align(video.frames, video.frames_per_s, waveform, SAMPLE_RATE)
        aligned = found.score
    bound = math.nan
    if binder is not None and video is not None:
        with torch.no_grad():
            e_v = binder.embed_video(frames_of(video))
            e_a = binder.embed_audio(sound.waveform.mean(0, keepdim=True), SAMPLE_RATE)
        bound = float(paired_cosine(e_v, e_a))
    rows.ids.append(pair.id)
    for columns, row in zip(by_network, looked, strict=True):
        columns.rows.append(row)
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


def _sound(path: Path, sample_rate: int) -> Audio:
    sound = read_audio(path, sample_rate)
    if float(sound.waveform.abs().max()) < SILENCE:
        raise MediaError(f"{path}: is silent; there is nothing to score")
    return sound


def _scores(rows: _Rows, by_network: Sequence[Columns]) -> list[Score]:
    found = [score for columns in by_network for score in columns.scores()]
    found += mean_score("AV-align", rows.av_align)
    return found + mean_score("AV-bind", rows.av_bind)


def _clips(rows: _Rows, by_network: Sequence[Columns]) -> dict[str, dict[str, float]]:
    clips: dict[str, dict[str, float]] = {name: {} for name in rows.ids}
    for columns in by_network:
        for name, values in zip(rows.ids, columns.of_clips(), strict=True):
            clips[name].update(values)
    for k, name in enumerate(rows.ids):
        clips[name].update({"AV-align": rows.av_align[k], "AV-bind": rows.av_bind[k]})
    return clips


def _notes(rows: _Rows, by_network: Sequence[Columns]) -> Sequence[str]:
    notes = [note for columns in by_network for note in columns.notes()]
    if any(not math.isnan(value) for value in rows.av_bind):
        notes.append("AV-bind: this binder may be the one that guided; then it is no quality")
    unknown = sum(math.isnan(value) for value in rows.av_align)
    if 0 < unknown < len(rows.ids):
        notes.append(f"AV-align: {unknown} clips neither move nor sound and are left out")
    return notes
