"""The tasks, one row each: what a task reads, generates, compares and writes.

The command line, the web interface, job files, the evaluation and the report use this table, so
that a new task is a new row. It imports neither PyTorch nor a media library.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seehear.guidance.streams import A2V, JOINT, JOINT_MODEL, V2A, Pair, Stream
from seehear.media.suffixes import (
    AUDIO_OUTPUTS,
    AUDIO_SUFFIXES,
    IMAGE_OUTPUTS,
    IMAGE_SUFFIXES,
    VIDEO_OUTPUTS,
    VIDEO_SUFFIXES,
)
from seehear.models.catalogue import Part

TaskName = Literal["v2a", "i2a", "a2v", "a2i", "joint", "joint-model"]
ScoredTask = Literal["v2a", "i2a", "a2v", "joint"]  # tasks that `seehear eval` scores
# "reference": audio, an image or a video that the output shall resemble, or none
InputKind = Literal["video", "image", "audio", "text", "reference"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that differs between the tasks, as data."""

    name: TaskName
    input_kind: InputKind  # kind of the input
    makes: Mapping[Stream, Part]  # generated streams and the model of the family for each
    pairs: tuple[Pair, ...]  # embeddings that guidance compares, Eqs. 14 to 16
    reads: frozenset[str]  # suffixes of its inputs in a folder
    writes: tuple[str, ...]  # suffixes of its outputs
    suffix: str | None  # default of an output; None: the input's, if it can hold audio
    title: str  # heading in the web interface
    summary: str  # in a report: "audio for a video"
    example: str | None = None  # file of the examples to start from
    command: str = ""  # its command; empty: its name
    needs_joint_model: bool = False  # one model generates both streams
    has_duration: bool = False  # the caller chooses the duration of the output

    @property
    def makes_audio(self) -> bool:
        """Whether audio is generated."""
        return "audio" in self.makes

    @property
    def makes_video(self) -> bool:
        """Whether frames are generated, one or more."""
        return "video" in self.makes

    @property
    def makes_still(self) -> bool:
        """Whether the output is one image."""
        return self.makes.get("video") == "image"

    @property
    def reads_file(self) -> bool:
        """Whether a run starts from a file rather than from a prompt."""
        return self.input_kind not in ("text", "reference")

    def suffix_for(self, source: Path | None) -> str:
        """The default suffix of an output. A video keeps its suffix if audio can be added.

        Otherwise the output is a Matroska file, which can contain nearly every codec. Only .mov
        supports GIF and DV.
        """
        if self.suffix is not None:
            return self.suffix
        assert source is not None
        if source.suffix.lower() in VIDEO_OUTPUTS:
            return source.suffix
        return ".mov" if source.suffix.lower() in (".gif", ".dv") else ".mkv"


_ROWS = (
    Task(
        name="v2a",
        input_kind="video",
        makes={"audio": "audio"},
        pairs=V2A,
        reads=VIDEO_SUFFIXES,
        writes=(*VIDEO_OUTPUTS, *AUDIO_OUTPUTS),
        suffix=None,
        title="Audio for a video",
        summary="audio for a video",
        example="rooster.mp4",
    ),
    Task(
        name="i2a",
        input_kind="image",
        makes={"audio": "audio"},
        pairs=V2A,
        reads=IMAGE_SUFFIXES,
        writes=AUDIO_OUTPUTS,
        suffix=".wav",
        title="Audio for an image",
        summary="audio for an image",
        example="rooster.jpg",
        has_duration=True,
    ),
    Task(
        name="a2v",
        input_kind="audio",
        makes={"video": "video"},
        pairs=A2V,
        reads=AUDIO_SUFFIXES,
        writes=VIDEO_OUTPUTS,
        suffix=".mp4",
        title="Video for audio",
        summary="a video for audio",
        example="dog.wav",
    ),
    Task(
        name="a2i",
        input_kind="audio",
        makes={"video": "image"},
        pairs=A2V,
        reads=AUDIO_SUFFIXES,
        writes=IMAGE_OUTPUTS,
        suffix=".png",
        title="Image for audio",
        summary="an image for audio",
        example="dog.wav",
    ),
    Task(
        name="joint",
        input_kind="text",
        makes={"audio": "audio", "video": "video"},
        pairs=JOINT,
        reads=frozenset(),
        writes=VIDEO_OUTPUTS,
        suffix=".mp4",
        title="Video and audio from a prompt",
        summary="a video and its audio",
        has_duration=True,
    ),
    Task(
        name="joint-model",
        input_kind="reference",
        makes={"audio": "audio", "video": "video"},
        pairs=JOINT_MODEL,
        reads=AUDIO_SUFFIXES | IMAGE_SUFFIXES | VIDEO_SUFFIXES,
        writes=VIDEO_OUTPUTS,
        suffix=".mp4",
        title="Video and audio from one joint model",
        summary="a video and its audio by a joint model",
        command="joint",
        needs_joint_model=True,
        has_duration=True,
    ),
)
TASKS: Mapping[str, Task] = {task.name: task for task in _ROWS}
