"""File naming rules of generation systems, so that their output folders can be scored directly.

Every rule follows the script with which the system writes its outputs.
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

Judged = Literal["audio", "video"]
_PREFERRED: Mapping[Judged, frozenset[str]] = {"audio": AUDIO_SUFFIXES, "video": VIDEO_SUFFIXES}
# A file name without folders, and an optional folder prefix.
_ID, _FOLDERS = r"(?P<id>[^/]+?)", r"(?:.*/)?"


@dataclass(frozen=True, kw_only=True)
class System:
    """The file naming rules of one system."""

    # Regular expressions for the path relative to the folder, without the suffix; the preferred
    # copy comes first. `id` is the clip name and `take` separates several outputs of one clip.
    patterns: tuple[str, ...]
    replacements: tuple[tuple[str, str], ...] = ()  # (pattern, text) that it applies to clip names
    is_paired: bool = True  # False for unconditional generation: outputs belong to no clip

    def output_name(self, name: str) -> str:
        """The name that the system gives to the output for a clip name."""
        for pattern, text in self.replacements:
            name = re.sub(pattern, text, name)
        return name


SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        # seehear and every system that keeps the name.
        "same": System(patterns=(_ID,)),
        # Common suffixes, with or without a number.
        "appended": System(
            patterns=(
                _ID + r"(?P<take>_sample_?\d+|_gen(?:erated)?|[_-]audio|_0|_to_audio|_with_sound)",
            )
        ),
        # `<samples>/cls_<class>/<id>_sample_<k>.wav`
        "specvqgan": System(patterns=(rf"{_FOLDERS}{_ID}_sample_(?P<take>\d+)",)),
        # `l0/<id>.wav` is the audio; `l1/` has the coarse first stage. Truncates names at a dot.
        "im2wav": System(patterns=(rf"{_FOLDERS}l0/{_ID}", _ID), replacements=((r"\..*$", ""),)),
        # `<id>_c.mp4` has the input audio, `<id>.mp4` does not; `<id>.wav` is the input audio.
        "tempotokens": System(patterns=(rf"{_FOLDERS}{_ID}_c", _ID)),
        # `<id>_CFG4.5_CG50_DPM_Solver_25_useDG_True/sample_<k>_diff.wav`; `output_<k>.mp4` is the
        # same audio with the video.
        "diff-foley": System(
            patterns=(
                rf"{_FOLDERS}{_ID}_CFG[^/]*_useDG_(?:True|False)/sample_(?P<take>\d+)_diff",
                rf"{_FOLDERS}{_ID}_CFG[^/]*_useDG_(?:True|False)/output_(?P<take>\d+)",
                rf"{_FOLDERS}{_ID}/sample_(?P<take>\d+)_diff",
            )
        ),
        # `audio/<id>.wav` and `video/<id>.mp4`, with spaces for plus signs.
        "foleycrafter": System(
            patterns=(rf"{_FOLDERS}audio/{_ID}", rf"{_FOLDERS}video/{_ID}", _ID),
            replacements=((r"\+", " "),),
        ),
        # `<id>.flac`, and `<id>.mp4` with the video.
        "mmaudio": System(patterns=(_ID,)),
        # Unconditional; file names have no meaning.
        "mm-diffusion": System(patterns=(_ID,), is_paired=False),
    }
)


@dataclass(frozen=True)
class Match:
    """A generated file and its clip."""

    path: Path
    clip: str  # clip id
    take: str  # one of several outputs for the clip
    rank: tuple[int, int]  # the copy of a take with the lowest rank is scored


def systems_named(name: str | None) -> tuple[System, ...]:
    """The rules of one system; for None, of all systems that are not unconditional.

    Raises:
        SettingsError: Unknown system.
    """
    if name is None:
        return tuple(system for system in SYSTEMS.values() if system.is_paired)
    if name not in SYSTEMS:
        raise SettingsError(f"--system: expected one of {', '.join(SYSTEMS)}, got {name!r}")
    return (SYSTEMS[name],)


def ids_by_output_name(system: System, clips: Iterable[Clip]) -> dict[str, set[str]]:
    """Clip ids by the output name of a system, from the clip id and from the file name."""
    ids: dict[str, set[str]] = {}
    for clip in clips:
        for name in (clip.id, clip.path.stem):
            ids.setdefault(system.output_name(name), set()).add(clip.id)
    return ids


def match_file(
    path: Path,
    folder: Path,
    known: Sequence[tuple[System, Mapping[str, set[str]]]],
    judged: Judged,
) -> Match | None:
    """Match a generated file with a clip by its name; None if no rule applies.

    A file with exactly the name of a clip matches that clip, except if the rules of a single
    system are used and they match several clips.

    Args:
        path: The generated file.
        folder: The rules apply to the path relative to this folder.
        known: Systems, each with its `ids_by_output_name`.
        judged: The scored modality, which decides between an audio file and a video with it.

    Raises:
        MediaError: The name matches several clips.
    """
    relative = path.relative_to(folder).with_suffix("").as_posix()
    matches: list[Match] = []
    rules = [(pattern, ids) for system, ids in known for pattern in system.patterns]
    for k, (pattern, ids_by_name) in enumerate(rules):
        if found := re.fullmatch(pattern, relative):
            rank = (path.suffix.lower() not in _PREFERRED[judged], k)
            take = found.groupdict().get("take") or ""
            ids = sorted(ids_by_name.get(found["id"], ()))
            matches += [Match(path, id, take, rank) for id in ids]
    clips = {match.clip for match in matches}
    if len(clips) > 1 and len(known) > 1 and matches[0].clip == relative:
        return matches[0]
    if len(clips) > 1:
        raise MediaError(
            f"{path}: expected the name of one clip, but it matches {' and '.join(sorted(clips))}; "
            "rename the file or pass --system"
        )
    return matches[0] if matches else None
