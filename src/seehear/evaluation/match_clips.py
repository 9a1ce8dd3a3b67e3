"""Match generated clips with real clips by file name."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import MediaError
from seehear.evaluation.datasets import Clip, read_list
from seehear.evaluation.datasets.folder import clips as clips_of_folder
from seehear.evaluation.naming_rules import (
    Judged,
    Match,
    System,
    ids_by_output_name,
    match_file,
    systems_named,
)
from seehear.media.suffixes import AUDIO_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Pair:
    """A generated clip and its real clip."""

    id: str  # the clip id, with the take if there are several
    clip: Clip
    made: Path

    @property
    def real(self) -> Path:
        """The file of the real clip."""
        return self.clip.path


@dataclass(frozen=True)
class Failure:
    """A clip that could not be scored, and the reason."""

    id: str
    reason: str


def real_clips(real: Path) -> list[Clip]:
    """The clips of a folder or of a CSV list.

    Raises:
        MediaError: `real` is neither, or has no clips.
    """
    found = list(read_list(real) if real.suffix.lower() == ".csv" else clips_of_folder(real))
    if not found:
        raise MediaError(f"{real}: expected clips, got an empty list")
    return found


def pairs_of(
    real: Path, made: Path, *, system: str | None = None, judged: Judged = "audio"
) -> tuple[list[Pair], list[Failure]]:
    """Match generated clips with real clips by name. All takes of a clip are kept.

    Args:
        real: Folder of real media (`<id>.mp4`, `<id>.wav`, ...), or a CSV list.
        made: Folder of generated media, named as the real files or by the rules of a system.
        system: One of `SYSTEMS`; None: all systems with an input. Outputs of an unconditional
            system are paired with the real clips in order, up to the smaller count.
        judged: The scored modality, which decides between an audio file and a video with the
            same audio.

    Returns:
        Pairs by id, and a failure for every clip without a match and every ambiguous name.

    Raises:
        MediaError: A folder is missing or has no media.
        SettingsError: Unknown system.
    """
    systems, clips = systems_named(system), real_clips(real)
    files = _made_files(made)
    if not all(rule.is_paired for rule in systems):
        top = sorted((path for path in files if path.parent == made), key=_natural)
        return [Pair(c.id, c, path) for c, path in zip(clips, top, strict=False)], []
    matches, failures = _matches(files, made, real, clips, systems, judged)
    takes, unclear = _takes(matches)
    pairs = []
    for clip in clips:
        found = takes.get(clip.id, [])
        names = [f"{clip.id} (take {k})" for k in range(len(found))] if found[1:] else [clip.id]
        pairs += [Pair(name, clip, a.path) for name, a in zip(names, found, strict=False)]
        if not found and clip.id not in {failure.id for failure in unclear}:
            reason = f"{clip.path}: no generated file in {made} has its name"
            failures.append(Failure(clip.id, reason))
    return pairs, failures + unclear


def _matches(
    files: Sequence[Path],
    made: Path,
    real: Path,
    clips: Sequence[Clip],
    systems: Sequence[System],
    judged: Judged,
) -> tuple[list[Match], list[Failure]]:
    """The clip of every file. In subfolders, files that match no rule are ignored."""
    known = [(system, ids_by_output_name(system, clips)) for system in systems]
    matches, failures = [], []
    for path in files:
        try:
            match = match_file(path, made, known, judged)
        except MediaError as error:
            failures.append(Failure(path.stem, str(error)))
            continue
        if match is not None:
            matches.append(match)
        elif path.parent == made:
            reason = f"{path}: no clip named {path.stem} in {real}, and no naming rule applies"
            failures.append(Failure(path.stem, reason))
    return matches, failures


def _takes(matches: Sequence[Match]) -> tuple[dict[str, list[Match]], list[Failure]]:
    """The best copy of every take, by clip. Two copies of equal rank are a failure."""
    copies = defaultdict(list)
    for match in matches:
        copies[match.clip, match.take].append(match)
    takes, failures = defaultdict(list), []
    for (clip, _), found in copies.items():
        best = min(match.rank for match in found)
        first, *others = [match for match in found if match.rank == best]
        if others:
            files = " and ".join(str(match.path) for match in (first, *others))
            failures.append(
                Failure(clip, f"{files}: both match the same take of {clip}; remove one")
            )
        else:
            takes[clip].append(first)
    return takes, failures


def _made_files(folder: Path) -> list[Path]:
    """Audio and video files of a folder and its subfolders, sorted.

    Raises:
        MediaError: The folder is missing or has no such file.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of clips, got no such folder")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES and path.name[0] != "."
    ]
    if not found:
        raise MediaError(f"{folder}: expected generated clips (.wav, .mp4, ...), got none")
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key for natural order: 2 before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
