"""The manifest beside every output: settings, seed, versions, hashes and the trace, as JSON."""

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.hashes import file_sha256
from seehear.media import replacing
from seehear.pipeline.manifest_schema import problem_in

SCHEMA_VERSION = 1
_VERSIONED = ("seehear", "torch", "diffusers", "transformers", "numpy", "av", "soundfile")
# Keys that `read_manifest` requires; other keys may be added without a new schema version.
MAX_BYTES = 64_000_000
_REQUIRED: dict[str, type] = {
    "task": str,
    "inputs": list,
    "settings": dict,
    "seed": int,
    "versions": dict,
    "weights": list,
    "outputs": list,
}


def manifest(
    *,
    task: str,
    settings: Mapping[str, Any],
    seed: int,
    inputs: Sequence[Mapping[str, Any]] = (),
    weights: Sequence[Mapping[str, Any]] = (),
    trace: Sequence[Mapping[str, Any]] = (),
    caption: str | None = None,
    duration_s: float | None = None,
    levels: Mapping[str, float] | None = None,
    samples_sha256: str | None = None,
    frames_sha256: str | None = None,
    outputs: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The record of a run: inputs, settings, seed, weights, versions, trace and outputs."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "task": task,
        "inputs": inputs,
        "settings": settings,
        "seed": seed,
        "caption": caption,
        "duration_s": duration_s,
        "levels": levels or {},
        "samples_sha256": samples_sha256,
        "frames_sha256": frames_sha256,
        "outputs": outputs,
        "weights": weights,
        "versions": versions(),
        "trace": trace,
    }
    return {key: to_json(value) for key, value in record.items()}


def versions() -> dict[str, Any]:
    """Versions that the bits of a result may depend on, besides settings and weights."""
    found: dict[str, Any] = {}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        # The number of threads changes the order of summation.
        "threads": torch.get_num_threads(),
    }


def describe_input(path: str | Path, duration_s: float | None = None) -> dict[str, Any]:
    """One entry of a manifest's inputs: name and path, content hash, length in seconds."""
    path = Path(path)
    return {
        "file": path.name,
        "path": str(path.absolute()),
        "sha256": file_sha256(path),
        "duration_s": duration_s,
    }


def locate_input(entry: Mapping[str, Any], manifest_path: str | Path) -> Path:
    """Find an input of a manifest, at its recorded path or beside the manifest.

    Raises:
        MediaError: It is in neither place, or its content has changed.
    """
    candidates = [
        Path(entry.get("path") or entry["file"]),
        Path(manifest_path).parent / entry["file"],
    ]
    found = [path for path in candidates if path.is_file()]
    for path in found:
        if file_sha256(path) == entry["sha256"]:
            return path
    if found:
        raise MediaError(
            f"{found[0]}: its content differs from the input of {manifest_path} (expected sha256 "
            f"{entry['sha256'][:12]}..., got {file_sha256(found[0])[:12]}...); restore the file"
        )
    raise MediaError(
        f"{manifest_path}: its input {entry['file']} is neither at {candidates[0]} nor beside "
        "the manifest; put it there"
    )


def samples_sha256(waveform: Float[Tensor, "channels samples"]) -> str:
    """SHA-256 of the samples as little-endian float32, channel by channel."""
    samples = waveform.detach().cpu().float().numpy().astype("<f4")
    return hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()


def frames_sha256(frames: UInt8[Tensor, "n 3 height width"]) -> str:
    """SHA-256 of the frames' bytes: frame by frame, red, green, blue, row by row."""
    return hashlib.sha256(np.ascontiguousarray(frames.cpu().numpy()).tobytes()).hexdigest()


def to_json(value: Any) -> Any:
    """Convert settings, traces and similar values to JSON data.

    Numbers that are not finite become the strings "inf", "-inf" and "nan".

    Raises:
        TypeError: The value has no JSON form.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_json(item) for item in items]
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return to_json(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, FunctionType | type):
        return f"{value.__module__}:{value.__qualname__}"
    raise TypeError(f"expected a value with a JSON form, got {type(value).__name__}: {value!r}")


def write_json(path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a record as indented JSON; the file appears only when complete.

    Raises:
        MediaError: The folder is missing or the file cannot be written.
    """
    text = json.dumps(to_json(record), indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        # A file name that is no UTF-8 has surrogates, and their replacement is JSON's escape.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Read and check a manifest that `Result.save` wrote.

    Raises:
        SettingsError: The file is missing, not JSON or of another schema version, or a key is
            missing or has the wrong type.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error}); expected the .json beside an output"
        ) from error
    if len(content) > MAX_BYTES:
        raise SettingsError(
            f"{path}: expected a manifest of at most {MAX_BYTES // 10**6} MB, the .json beside an "
            "output, got a larger file"
        )
    try:
        record = json.loads(content.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"{path}: expected a manifest in JSON, the .json beside an output; {error}"
        ) from error
    if not isinstance(record, dict) or "schema_version" not in record:
        raise SettingsError(f"{path}: is JSON, but not a manifest of seehear (no schema_version)")
    if record["schema_version"] != SCHEMA_VERSION:
        raise SettingsError(
            f"{path}: expected schema version {SCHEMA_VERSION}, got "
            f"{record['schema_version']!r:.60}; replay it with the version of seehear that wrote it"
        )
    for key, kind in _REQUIRED.items():
        if key not in record:
            raise SettingsError(f"{path}: the manifest lacks {key!r}; it was cut or edited")
        if not isinstance(record[key], kind) or isinstance(record[key], bool):
            raise SettingsError(
                f"{path}: expected {key!r} to be a {kind.__name__}, got {record[key]!r:.60}"
            )
    problem = problem_in(record)
    if problem is not None:
        raise SettingsError(f"{path}: the manifest was damaged or edited: {problem}")
    return record
