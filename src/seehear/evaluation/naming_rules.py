"""How systems name what they make, so that their folders can be scored as they are.

Every rule was read off the script with which a system writes its outputs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.datasets import Clip
from seehear.media.suffixes import AUDIO_SUFFIXES, VIDEO_SUFFIXES

Judged = Literal["sound", "picture"]
_WANTED: Mapping[Judged, frozenset[str]] = {"sound": AUDIO_SUFFIXES, "picture": VIDEO_SUFFIXES}
# A name without folders, and folders that may come before it.
_ID, _FOLDERS = r"(?P<id>[^/]+?)", r"(?:.*/)?"


@dataclass(frozen=True, kw_only=True)
class System:
    """How one system names its outputs."""

    # Expressions for the whole path below the folder, without the suffix; the best copy first.
    # `id` is the clip's name and `take` says which of several outputs of one clip it is.
    names: tuple[str, ...]
    spelled: tuple[tuple[str, str], ...] = ()  # (expression, replacement): what it does to names
    is_paired: bool = True  # False: nothing is given, so outputs answer no clip

    def called(self, name: str) -> str:
        """What the system makes of the name of a clip."""
        for expression, replacement in self.spelled:
            name = re.sub(expression, replacement, name)
        return name


SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        # seehear itself, and anything that keeps the name.
        "same": System(names=(_ID,)),
        # What is often appended, with or without a number.
        "appended": System(
            names=(
                _ID + r"(?P<take>_sample_?\d+|_gen(?:erated)?|[_-]audio|_0|_to_audio|_with_sound)",
            )
        ),
        # `<samples>/cls_<class>/<id>_sample_<k>.wav`
        "specvqgan": System(names=(rf"{_FOLDERS}{_ID}_sample_(?P<take>\d+)",)),
        # `l0/<id>.wav` is the sound; `l1/` holds its coarse first stage. Cuts names at a dot.
        "im2wav": System(names=(rf"{_FOLDERS}l0/{_ID}", _ID), spelled=((r"\..*$", ""),)),
        # `<id>_c.mp4` has the given sound, `<id>.mp4` does not; `<id>.wav` is what was given.
        "tempotokens": System(names=(rf"{_FOLDERS}{_ID}_c", _ID)),
        # `<id>_CFG4.5_CG50_DPM_Solver_25_useDG_True/sample_<k>_diff.wav`; `output_<k>.mp4` is the
        # same sound with the picture.
        "diff-foley": System(
            names=(
                rf"{_FOLDERS}{_ID}_CFG[^/]*_useDG_(?:True|False)/sample_(?P<take>\d+)_diff",
                rf"{_FOLDERS}{_ID}_CFG[^/]*_useDG_(?:True|False)/output_(?P<take>\d+)",
                rf"{_FOLDERS}{_ID}/sample_(?P<take>\d+)_diff",
            )
        ),
        # `audio/<id>.wav` and `video/<id>.mp4`, with blanks for plus signs.
        "foleycrafter": System(
            names=(rf"{_FOLDERS}audio/{_ID}", rf"{_FOLDERS}video/{_ID}", _ID),
            spelled=((r"\+", " "),),
        ),
        # `<id>.flac`, and `<id>.mp4` with the picture.
        "mmaudio": System(names=(_ID,)),
        # Makes both from nothing; whatever its files are called.
        "mm-diffusion": System(names=(_ID,), is_paired=False),
    }
)


@dataclass(frozen=True)
class Answer:
    """A made file and the clip that it answers."""

    path: Path
    clip: str  # its id
    take: str  # which of several outputs for it
    rank: tuple[int, int]  # of copies of one take the least is scored


def rules_of(name: str | None) -> tuple[System, ...]:
    """The rules of one system, or for None of all that are given something to answer.

    Raises:
        SettingsError: No system of that name.
    """
    if name is None:
        return tuple(system for system in SYSTEMS.values() if system.is_paired)
    if name not in SYSTEMS:
        raise SettingsError(f"expected a system of {', '.join(SYSTEMS)}, got {name!r}")
    return (SYSTEMS[name],)


def names_of(system: System, clips: Iterable[Clip]) -> dict[str, set[str]]:
    """What a system calls clips, by id or by file, and their ids."""
    names: dict[str, set[str]] = {}
    for clip in clips:
        for name in (clip.id, clip.path.stem):
            names.setdefault(system.called(name), set()).add(clip.id)
    return names


def answer_of(
    path: Path,
    folder: Path,
    known: Sequence[tuple[System, Mapping[str, set[str]]]],
    judged: Judged,
) -> Answer | None:
    """Which of the known clips a made file answers, by its name; None if no rule says so.

    A file that is called exactly as a clip answers that clip, unless only one system's rules are
    given and they read the name in two ways.

    Args:
        path: Of the made file.
        folder: That its name is relative to.
        known: Systems whose rules apply, with `names_of` each.
        judged: What will be scored, which decides between a sound and a video of it.

    Raises:
        MediaError: Rules find several clips.
    """
    relative = path.relative_to(folder).with_suffix("").as_posix()
    found: list[Answer] = []
    rules = [(rule, names) for system, names in known for rule in system.names]
    for k, (rule, names) in enumerate(rules):
        if match := re.fullmatch(rule, relative):
            rank = (path.suffix.lower() not in _WANTED[judged], k)
            take = match.groupdict().get("take") or ""
            found += [Answer(path, id, take, rank) for id in sorted(names.get(match["id"], ()))]
    ids = {answer.clip for answer in found}
    if len(ids) > 1 and len(known) > 1 and found[0].clip == relative:
        return found[0]
    if len(ids) > 1:
        raise MediaError(
            f"{path}: could answer {' or '.join(sorted(ids))}; rename it, or name the system that "
            "made it"
        )
    return found[0] if found else None
