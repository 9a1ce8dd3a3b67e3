"""The types and ranges of a job, checked before a batch starts: job files are untrusted."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from seehear.media.folders import MAX_STEM_BYTES
from seehear.media.suffixes import AUDIO_OUTPUTS, IMAGE_OUTPUTS, VIDEO_OUTPUTS
from seehear.media.track import MAX_DUCK_DB, MAX_GAIN_DB, RATES
from seehear.pipeline.manifest_schema import MAX_SEED

MAX_NAME_BYTES, MAX_PATH_CHARACTERS, MAX_PROMPT_CHARACTERS = 255, 4096, 100_000
OUTPUT_SUFFIXES = frozenset((*VIDEO_OUTPUTS, *AUDIO_OUTPUTS, *IMAGE_OUTPUTS))
_WHOLE = re.compile(r"[+-]?[0-9]{1,400}", re.ASCII)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _encoded(text: str) -> bytes:
    """Text as a file name; a name that is not UTF-8 has surrogates, which stand for bytes."""
    if "\0" in text:
        raise ValueError("expected no NUL")
    return os.fsencode(text)


def _of_a_name(text: str) -> str:
    if not 1 <= len(_encoded(text)) <= MAX_NAME_BYTES:
        raise ValueError("expected a shorter name")
    return text


def _of_a_path(text: str) -> str:
    if not 1 <= len(text) <= MAX_PATH_CHARACTERS:
        raise ValueError("expected a shorter path")
    for part in Path(text).parts:
        _of_a_name(part)
    return text


def _of_an_output(text: str) -> str:
    """A plain name, so that no job can write outside the output folder."""
    path = Path(_of_a_name(text))
    if path.name != text or text.startswith(".") or path.suffix.lower() not in OUTPUT_SUFFIXES:
        raise ValueError("expected a plain file name")
    if len(os.fsencode(path.stem)) > MAX_STEM_BYTES:  # leaves room for the manifest
        raise ValueError("expected a shorter name")
    return text


OUTPUT = (
    f"a plain file name of at most {MAX_STEM_BYTES} bytes before one of the suffixes "
    + ", ".join(sorted(OUTPUT_SUFFIXES))
)
JobId = Annotated[str, AfterValidator(_of_a_name)]
OutputName = Annotated[str, AfterValidator(_of_an_output)]
_InputPath = Annotated[str, AfterValidator(_of_a_path)]
_Prompt = Annotated[str | None, Field(max_length=MAX_PROMPT_CHARACTERS)]
_Word = Annotated[str | None, Field(max_length=100)]
_Rate = Annotated[float | None, Field(ge=0, le=1e6)]
_Gain = Annotated[float | None, Field(ge=-MAX_GAIN_DB, le=MAX_GAIN_DB)]
_Duck = Annotated[float | None, Field(ge=0, le=MAX_DUCK_DB)]
_Seconds = Annotated[float | None, Field(gt=0, le=1e6)]
_Time = Annotated[float | None, Field(ge=0, le=1e6)]


class JobRecord(BaseModel):
    """A line of a job file. The descriptions complete "expected ... as NAME"."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    id: JobId | None = Field(None, description=f"a name of 1 to {MAX_NAME_BYTES} bytes")
    input: _InputPath | None = Field(
        None,
        description=f"a path of 1 to {MAX_PATH_CHARACTERS} characters with names of at most "
        f"{MAX_NAME_BYTES} bytes",
    )
    output: OutputName | None = Field(None, description=OUTPUT)
    task: _Word = Field(None, description="the name of a task")
    prompt: _Prompt = Field(None, description=f"text of at most {MAX_PROMPT_CHARACTERS} characters")
    audio_prompt: _Prompt = Field(None, description="text, as the prompt")
    video_prompt: _Prompt = Field(None, description="text, as the prompt")
    negative: _Prompt = Field(None, description="text, as the prompt")
    veto: _Prompt = Field(None, description="text, or the name of a media file,")
    like: _InputPath | None = Field(None, description="a path, as the input,")
    like_strength: Annotated[float | None, Field(ge=0, lt=1)] = Field(
        None, description="a number from 0 to below 1"
    )
    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED)] = Field(
        None, description=f"a whole number from 0 to {MAX_SEED}"
    )
    preset: _Word = Field(None, description="the name of a preset")
    steps: Annotated[int | None, Field(ge=1, le=10_000)] = Field(
        None, description="a whole number from 1 to 10000"
    )
    lr: _Rate = Field(None, description="a number from 0 to 1e6")
    sync: _Rate = Field(None, description="a number from 0 to 1e6")
    lufs: _Word = Field(None, description="text: a loudness in LUFS, or off")
    duration_s: _Seconds = Field(None, description="a number of seconds above 0, at most 1e6")
    mix: bool | None = Field(None, description="true or false")
    gain: _Gain = Field(None, description="a number of decibels from -60 to 60")
    duck: _Duck = Field(None, description="a number of decibels from 0 to 60")
    stereo: bool | None = Field(None, description="true or false")
    pcm: bool | None = Field(None, description="true or false")
    stems: bool | None = Field(None, description="true or false")
    audio_rate: Annotated[int | None, Field(ge=RATES[0], le=RATES[-1])] = Field(
        None, description="a whole number of hertz from 8000 to 192000"
    )
    reencode: bool | None = Field(None, description="true or false")
    upscale: Annotated[int | None, Field(ge=1, le=64)] = Field(
        None, description="a whole number from 1 to 64"
    )
    max_duration_s: _Seconds = Field(None, description="a number of seconds above 0, at most 1e6")
    shots: _InputPath | None = Field(None, description="auto, or a path, as the input,")
    from_s: _Time = Field(None, description="a number of seconds from 0 to 1e6")
    to_s: _Time = Field(None, description="a number of seconds from 0 to 1e6")


COLUMNS = tuple(JobRecord.model_fields)
_INTEGERS = ("seed", "steps", "upscale", "audio_rate")
_NUMBERS = (
    "lr", "sync", "duration_s", "max_duration_s", "gain", "duck", "like_strength", "from_s", "to_s",
)  # fmt: skip
_FLAGS = ("mix", "reencode", "stereo", "pcm", "stems")


def problem_in(values: Mapping[str, Any]) -> str | None:
    """The first value of a job with another type or range, as one sentence; None if none."""
    try:
        JobRecord.model_validate(dict(values))
    except ValidationError as error:
        name = str(error.errors(include_url=False, include_context=False)[0]["loc"][0])
        if name not in COLUMNS:
            return f"unknown column {name!r:.60}; expected one of {', '.join(COLUMNS)}"
        expected = JobRecord.model_fields[name].description
        return f"expected {expected} as {name}, got {values[name]!r:.60}; correct it"
    return None


def with_floats(values: Mapping[str, Any]) -> dict[str, Any]:
    """Checked values, with the floats of `Request` where JSON has integers."""
    return {name: float(v) if name in _NUMBERS else v for name, v in values.items()}


def value_of_cell(name: str, cell: str) -> Any:
    """The value of a cell of a CSV file; text that is no such value, for `problem_in`."""
    if name in _INTEGERS:
        return int(cell) if _WHOLE.fullmatch(cell.strip()) else cell
    if name in _NUMBERS:
        try:
            return float(cell)
        except ValueError:
            return cell
    return _BOOLEANS.get(cell.strip().lower(), cell) if name in _FLAGS else cell
