"""Which files belong together: real clips, and what systems made for them."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import MediaError
from seehear.evaluation.datasets import Clip, read_list
from seehear.evaluation.datasets.folder import clips as clips_of_folder
from seehear.evaluation.naming_rules import Answer, Judged, System, answer_of, names_of, rules_of
from seehear.media.suffixes import AUDIO_SUFFIXES, VIDEO_SUFFIXES

_TAKE = re.compile(r" \(take \d+\)$")


@dataclass(frozen=True)
class Pair:
    """A made clip and the real one that it answers."""

    id: str  # the clip's, with the take where there are several
    clip: Clip
    made: Path

    @property
    def real(self) -> Path:
        """The real video, or whatever else the clip is."""
        return self.clip.path


@dataclass(frozen=True)
class Failure:
    """A clip that could not be scored, and why."""

    id: str
    reason: str


def clip_of(id: str) -> str:
    """The clip that a pair's id belongs to, whichever take it is."""
    return _TAKE.sub("", id)


def real_clips(real: Path) -> list[Clip]:
    """The clips of a folder, or of a list in CSV.

    Raises:
        MediaError: It is neither, or without clips.
    """
    found = list(read_list(real) if real.suffix.lower() == ".csv" else clips_of_folder(real))
    if not found:
        raise MediaError(f"{real}: expected clips, the list is empty")
    return found


def pairs_of(
    real: Path, made: Path, *, system: str | None = None, judged: Judged = "sound"
) -> tuple[list[Pair], list[Failure]]:
    """Match made clips with real ones by their names; several takes of one clip all count.

    Args:
        real: Folder of real media (`<id>.mp4`, `<id>.wav`, ...), or a list in CSV.
        made: Folder of generated media, named as the real ones or as systems derive names.
        system: Of `SYSTEMS`; None: any that gives outputs the names of clips. One that is given
            nothing has its outputs set beside the real clips in order, as many as both have.
        judged: What is scored, which decides between a sound and a video with the same sound.

    Returns:
        Pairs by id, and a failure for every clip without partner and every name that is not clear.

    Raises:
        MediaError: A folder is missing or holds no media.
        SettingsError: There is no such system.
    """
    systems, clips = rules_of(system), real_clips(real)
    files = _made_files(made)
    if not all(rule.is_paired for rule in systems):
        top = sorted((path for path in files if path.parent == made), key=_natural)
        return [Pair(c.id, c, path) for c, path in zip(clips, top, strict=False)], []
    answers, failures = _answers(files, made, real, clips, systems, judged)
    takes, unclear = _takes(answers)
    pairs = []
    for clip in clips:
        found = takes.get(clip.id, [])
        names = [f"{clip.id} (take {k})" for k in range(len(found))] if found[1:] else [clip.id]
        pairs += [Pair(name, clip, a.path) for name, a in zip(names, found, strict=False)]
        if not found and clip.id not in {failure.id for failure in unclear}:
            reason = f"{clip.path}: nothing was made for it in {made}"
            failures.append(Failure(clip.id, reason))
    return pairs, failures + unclear


def _answers(
    files: Sequence[Path],
    made: Path,
    real: Path,
    clips: Sequence[Clip],
    systems: Sequence[System],
    judged: Judged,
) -> tuple[list[Answer], list[Failure]]:
    """What every file answers. Below the folder, files that no rule knows are no clips."""
    known = [(system, names_of(system, clips)) for system in systems]
    answers, failures = [], []
    for path in files:
        try:
            answer = answer_of(path, made, known, judged)
        except MediaError as error:
            failures.append(Failure(path.stem, str(error)))
            continue
        if answer is not None:
            answers.append(answer)
        elif path.parent == made:
            reason = f"{path}: there is no {path.stem} in {real}, nor another clip that it could be"
            failures.append(Failure(path.stem, reason))
    return answers, failures


def _takes(answers: Sequence[Answer]) -> tuple[dict[str, list[Answer]], list[Failure]]:
    """The best copy of every take, by clip; two that are equally good are a failure."""
    copies = defaultdict(list)
    for answer in answers:
        copies[answer.clip, answer.take].append(answer)
    takes, failures = defaultdict(list), []
    for (clip, _), found in copies.items():
        best = min(answer.rank for answer in found)
        first, *others = [answer for answer in found if answer.rank == best]
        if others:
            files = " and ".join(str(answer.path) for answer in (first, *others))
            failures.append(Failure(clip, f"{files}: both would be the same take of {clip}"))
        else:
            takes[clip].append(first)
    return takes, failures


def _made_files(folder: Path) -> list[Path]:
    """Sounds and videos of a folder and below, sorted.

    Raises:
        MediaError: It is missing or holds none.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of clips, there is none")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES and path.name[0] != "."
    ]
    if not found:
        raise MediaError(f"{folder}: expected made clips (.wav, .mp4, ...), found none")
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts 2 before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
