"""The job that a manifest records, and the differences between two manifests."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seehear.errors import SettingsError
from seehear.pipeline.job import Job
from seehear.pipeline.manifest import locate_input
from seehear.pipeline.presets import Preset, preset_from_json
from seehear.pipeline.request import Request
from seehear.pipeline.run_request import job_for
from seehear.pipeline.shot_list import Shot
from seehear.pipeline.steering import ReferenceName, References
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TASKS

_HASHES = ("samples_sha256", "frames_sha256")


def recorded_preset(record: Mapping[str, Any], manifest: str | Path) -> tuple[Preset, float]:
    """The preset and the duration in seconds that a manifest records.

    Raises:
        SettingsError: They are not in the format of this version.
    """
    try:
        settings = record["settings"]
        return preset_from_json(settings["preset"]), float(settings["duration_s"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(manifest, error) from error


def recorded_job(
    studio: Studio, record: Mapping[str, Any], source: Path | None, manifest: str | Path
) -> Job:
    """The job that a manifest records. Its caption is the prompt; no captioner runs.

    Args:
        studio: The models that the manifest names.
        record: As `manifest.read_manifest` returns it.
        source: The input file; None for a prompt.
        manifest: Its name for error messages.

    Raises:
        SettingsError: Its settings are not in the format of this version.
        MediaError: The input cannot be read.
    """
    preset, duration_s = recorded_preset(record, manifest)
    from_s, to_s = record["settings"].get("region_s") or (None, None)
    own = record["settings"].get("prompts", {}) if not TASKS[record["task"]].reads_file else {}
    request = Request(
        task=record["task"], source=source, prompt=record.get("caption") or "",
        audio_prompt=own.get("audio"), video_prompt=own.get("video"),
        negative=record["settings"].get("negative"), seed=record["seed"],
        duration_s=duration_s, from_s=from_s, to_s=to_s, max_duration_s=math.inf,
    )  # fmt: skip
    references = _references(record["settings"].get("references", {}), manifest)
    shots = [_shot(entry, manifest) for entry in record["settings"].get("shots") or ()]
    return job_for(studio, request, preset, references, shots or None)


def _shot(recorded: Mapping[str, Any], manifest: str | Path) -> Shot:
    """A shot that a manifest records; errors as `_references`."""
    veto = recorded.get("veto")
    return Shot(
        start_s=float(recorded["from_s"]),
        end_s=float(recorded["to_s"]),
        prompt=recorded["prompt"],
        veto=None if veto is None else _reference("veto", veto, manifest),
    )


def _references(
    recorded: Mapping[ReferenceName, Mapping[str, Any]], manifest: str | Path
) -> References:
    """The references that a manifest records; errors as `locate_input`."""
    found = References()
    for name, reference in recorded.items():
        found[name] = _reference(name, reference, manifest)
    found["like_strength"] = recorded.get("like", {}).get("strength", 0.0)
    return found


def _reference(
    name: ReferenceName, recorded: Mapping[str, Any], manifest: str | Path
) -> str | Path:
    """The text or the file of a reference."""
    if recorded.get("input"):
        return locate_input(recorded["input"], manifest)
    if recorded.get("text") and name == "veto":
        return str(recorded["text"])
    raise SettingsError(
        f"{manifest}: expected the {name} of a file or a text, got one with arrays in Python; "
        "repeat it in Python"
    )


def hashes_of(record: Mapping[str, Any], manifest: str | Path) -> list[str]:
    """Names of the hashes in a manifest that a second run is compared by.

    Raises:
        SettingsError: The manifest has no hash.
    """
    found = [name for name in _HASHES if record.get(name)]
    if not found:
        raise SettingsError(f"{manifest}: expected one of {', '.join(_HASHES)}, got neither")
    return found


def unreadable(manifest: str | Path, error: Exception) -> SettingsError:
    """The error for settings that this version cannot read."""
    return SettingsError(
        f"{manifest}: its settings are not in the format of this version of seehear "
        f"({type(error).__name__}: {error!s:.200}); replay it with the version that wrote it"
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The versions, threads and weights that differ between two manifests, one line each."""
    for name in sorted(old["versions"].keys() | new["versions"].keys()):
        before, now = old["versions"].get(name), new["versions"].get(name)
        if before != now:
            yield f"{name}: was {before}, is {now}"
    before_of, now_of = (
        {
            entry["name"]: entry.get("sha256")
            for entry in record["weights"]
            if not entry["name"].startswith("captioner/")  # a replay uses the recorded caption
        }
        for record in (old, new)
    )
    for name in sorted(before_of.keys() | now_of.keys()):
        before, now = before_of.get(name), now_of.get(name)
        if before != now:
            yield f"weights {name}: sha256 was {_short(before)}, is {_short(now)}"


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else sha256[:12]
