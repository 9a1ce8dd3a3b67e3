"""The types and ranges of a manifest, checked before anything reads it: manifests are untrusted."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from seehear.models.load_options import MAX_THREADS


def _text_of_a_path(length: int) -> AfterValidator:
    """A check for text of 1 to `length` characters; pydantic refuses surrogates in a `str`."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= length:
            raise ValueError(f"expected text of 1 to {length} characters")
        return value

    return AfterValidator(check)


Name = Annotated[str, Field(min_length=1, max_length=4096)]
FilePath = Annotated[Any, _text_of_a_path(4096)]
FileName = Annotated[Any, _text_of_a_path(255)]
Text = Annotated[str, Field(max_length=100_000)]
Sha256 = Annotated[str, Field(max_length=64)]  # only compared
Seconds = Annotated[float, Field(ge=0, le=1e6)]
Number = float | str | None  # "nan" and "inf" are strings in JSON
MAX_SEED = 2**64 - 1


class _Record(BaseModel):
    """Values of exactly these types. Other keys are allowed: later versions may add some."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class InputRecord(_Record):
    """An input file."""

    file: FileName
    sha256: Sha256
    path: FilePath | None = None
    duration_s: Seconds | None = None


class OutputRecord(_Record):
    """An output file."""

    file: FileName
    sha256: Sha256


class WeightRecord(_Record):
    """A weight file."""

    name: Name
    sha256: Sha256
    licence: Text | None = None


class MatchRecord(_Record):
    """A phrase that the binder found."""

    phrase: Text
    score: float


class LoadedRecord(_Record):
    """Load options. `LoadOptions.from_json` refuses those that this version does not have."""

    audio: Name | None = None
    video: Name | None = None
    motion: Name | None = None
    binder: Name | None = None
    backbone: Name | None = None
    captioner: Name | None = None
    device: Name = "cpu"
    dtype: Name = "float32"
    commercial: bool = False
    checkpointing: bool = False
    lean: bool = False
    clip: dict[str, Any] = {}
    binder_options: dict[str, Any] = {}


class ReferenceRecord(_Record):
    """A reference; without text and input, it came from an array in Python."""

    text: Text | None = None
    input: InputRecord | None = None
    strength: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ShotRecord(_Record):
    """A shot of a video, which has audio of its own."""

    from_s: Seconds
    to_s: Seconds
    prompt: Text
    veto: ReferenceRecord | None = None
    named: list[MatchRecord] = []
    is_sure: bool | None = None
    captioned_by: Name | None = None


class TrackRecord(_Record):
    """Settings of the audio track, which `Track` checks."""

    gain_db: float = 0.0
    duck_db: float = 0.0
    is_stereo: bool = False
    is_pcm: bool = False
    sample_rate: int | None = None


class SettingsRecord(_Record):
    """Settings of a run. `presets.preset_from_json` checks the preset."""

    models: Name | None = None
    loaded: LoadedRecord | None = None
    prompt: Text | None = None
    prompts: dict[str, Text] = {}
    negative: Text | None = None
    references: dict[Literal["like", "veto"], ReferenceRecord] = {}
    named: list[MatchRecord] = []
    is_sure: bool | None = None
    captioned_by: Name | None = None
    duration_s: Seconds | None = None
    windows_s: list[list[float]] = []
    region_s: Annotated[list[Seconds], Field(min_length=2, max_length=2)] | None = None
    shots: Annotated[list[ShotRecord], Field(max_length=1000)] = []
    preset: dict[str, Any] | None = None
    mix: bool = False
    track: TrackRecord | None = None
    reencode: bool = False


class VersionsRecord(_Record):
    """What the bits of a result depend on."""

    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | None = None


class UpscaleRecord(_Record):
    """Enlargement of the saved frames."""

    factor: Annotated[int, Field(ge=1, le=64)]


class ManifestRecord(_Record):
    """A manifest of schema version 1."""

    schema_version: int
    task: Name
    inputs: list[InputRecord]
    settings: SettingsRecord
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    caption: Text | None = None
    duration_s: Seconds | None = None
    levels: dict[str, Number] = {}
    samples_sha256: Sha256 | None = None
    frames_sha256: Sha256 | None = None
    outputs: list[OutputRecord]
    weights: list[WeightRecord]
    versions: VersionsRecord
    trace: list[dict[str, Any]] = []
    upscale: UpscaleRecord | None = None


def problem_in(record: dict[str, Any]) -> str | None:
    """The first value of a manifest with another type or range, as one sentence; None if none."""
    try:
        ManifestRecord.model_validate(record)
    except ValidationError as error:
        return _first_problem(error)
    return None


def problem_in_preset(fields: Mapping[str, Any]) -> str | None:
    """The first value of a recorded preset with another type, as one sentence; None if none."""
    try:
        _preset_schema().validate_python(fields)
    except ValidationError as error:
        return _first_problem(error)
    return None


@lru_cache(maxsize=1)
def _preset_schema() -> Any:
    """The fields of `Preset` and of the settings in it, with their types."""
    from seehear.pipeline.presets import Preset  # which imports this module

    return TypeAdapter(Preset)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg'][:200].lower()}, got {first['input']!r:.60}"
