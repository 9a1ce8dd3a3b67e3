"""The table of tasks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from seehear.guidance.losses import A2V, JOINT, V2A, Pair
from seehear.guidance.protocols import Stream
from seehear.media.encode import CONTAINERS
from seehear.media.suffixes import AUDIO_SUFFIXES, PICTURE_SUFFIXES, VIDEO_SUFFIXES
from seehear.media.write import PICTURE_FORMATS, SOUND_FORMATS
from seehear.models.families import Part

PAIRS: dict[str, tuple[Pair, ...]] = {
    "v2a": V2A, "i2a": V2A, "a2v": A2V, "a2i": A2V, "joint": JOINT
}  # fmt: skip


TAKES: Mapping[str, frozenset[str]] = {  # suffixes of the files in a folder that a task starts from
    "v2a": VIDEO_SUFFIXES,
    "i2a": PICTURE_SUFFIXES,
    "a2v": AUDIO_SUFFIXES,
    "a2i": AUDIO_SUFFIXES,
}
_VIDEOS, _SOUNDS = tuple(sorted(CONTAINERS)), tuple(SOUND_FORMATS)
WRITES: Mapping[str, tuple[str, ...]] = {  # suffixes that a task's output can have
    "v2a": (*_VIDEOS, *_SOUNDS),
    "i2a": _SOUNDS,
    "a2v": _VIDEOS,
    "a2i": tuple(PICTURE_FORMATS),
    "joint": _VIDEOS,
}


TaskName = Literal["v2a", "i2a", "a2v", "a2i", "joint"]
# What each task makes, and with which of the family's models.
MAKES: dict[str, dict[Stream, Part]] = {
    "v2a": {"audio": "audio"},
    "i2a": {"audio": "audio"},
    "a2v": {"video": "video"},
    "a2i": {"video": "picture"},
    "joint": {"audio": "audio", "video": "video"},
}


def suffix_for(task: TaskName, source: Path | None) -> str:
    """The suffix of an output where nobody says: a clip keeps its own if a new sound fits in."""
    if task == "v2a":
        assert source is not None
        # Matroska holds nearly every codec.
        return source.suffix if source.suffix.lower() in CONTAINERS else ".mkv"
    return {"i2a": ".wav", "a2i": ".png"}.get(task, ".mp4")
