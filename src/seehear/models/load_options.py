"""Which models to load and how, as plain values that a manifest can record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from seehear.errors import SettingsError

DtypeName = Literal["float32", "bfloat16", "float16", "float64"]
# Values that a manifest leaves out when they are the defaults.
_RARE = (
    "backbone", "captioner", "latent_encoders", "checkpointing", "lean", "clip", "binder_options",
)  # fmt: skip
_PATHS = ("backbone", "audio", "video", "motion", "binder", "captioner", "latent_encoders")


MAX_THREADS = 256  # CPU threads; many more end the process


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """A family, replacements for its models, and how to load them."""

    models: str = "pocket"  # a family of `seehear.models.families`
    audio: str | Path | None = None  # folder, hub name or name of `seehear models list`
    video: str | Path | None = None  # as `audio`
    motion: str | Path | None = None  # motion adapter; None if `video` contains one
    binder: str | Path | None = None  # file or folder of the binder's weights
    # NAME or NAME=PATH of a joint model, which generates audio and video together; None: none
    backbone: str | None = None
    device: str = "cpu"
    dtype: str = "float32"  # one of `DtypeName`
    commercial: bool = False  # refuse licences that forbid commercial use or are unknown
    captioner: str | Path | None = None  # None: the binder's nearest phrase
    latent_encoders: str | Path | None = None  # folder of `seehear distill`
    checkpointing: bool = False  # recompute activations in the backward pass: less memory
    lean: bool = False  # offload text encoders and the binder's encoders to the CPU after use
    clip: Mapping[str, Any] = field(default_factory=dict)  # of the video model: num_frames, fps...
    binder_options: Mapping[str, Any] = field(default_factory=dict)  # of the binder's `load`

    def __post_init__(self):
        if self.dtype not in get_args(DtypeName):
            raise SettingsError(
                f"expected a dtype of {', '.join(get_args(DtypeName))}, got {self.dtype!r}"
            )
        replaced = [name for name in ("audio", "video", "motion") if getattr(self, name)]
        if self.backbone is not None and replaced:
            raise SettingsError(
                "expected one joint model, or models for audio and video, got a backbone and "
                f"{', '.join(replaced)}; leave one of them out"
            )
        if not all(isinstance(o, Mapping) for o in (self.clip, self.binder_options)):
            raise SettingsError("expected clip and binder_options to be mappings of options")

    def to_json(self) -> dict[str, Any]:
        """The options as a manifest records them; local paths become absolute."""
        record = {}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if name == "models" or (name in _RARE and not value):
                continue
            if name in _PATHS and value is not None:
                value = str(Path(value).resolve()) if Path(value).exists() else str(value)
            record[name] = dict(value) if isinstance(value, Mapping) else value
        return record

    @classmethod
    def from_json(cls, models: str, record: Mapping[str, Any]) -> "LoadOptions":
        """The options that a manifest records.

        Raises:
            SettingsError: An option that this version does not have.
        """
        if not isinstance(record, Mapping):
            raise SettingsError(f"expected a mapping of load options, got {record!r:.60}")
        unknown = record.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise SettingsError(
                f"the models were loaded with {', '.join(sorted(unknown))}, which this version "
                "does not support; replay the run with the version that wrote the manifest"
            )
        return cls(models=models, **record)
