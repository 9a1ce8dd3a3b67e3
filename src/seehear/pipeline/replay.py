"""From a manifest back to the job that it tells of, and what differs if the output does."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seehear.errors import SettingsError
from seehear.pipeline.job import Job
from seehear.pipeline.presets import Preset, preset_from_json
from seehear.pipeline.request import Request
from seehear.pipeline.run_request import job_for
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TASKS

_HASHES = ("samples_sha256", "frames_sha256")


def recorded_preset(record: Mapping[str, Any], manifest: str | Path) -> tuple[Preset, float]:
    """The preset and the duration in seconds that a manifest tells of.

    Raises:
        SettingsError: They are not such as this version writes.
    """
    try:
        settings = record["settings"]
        return preset_from_json(settings["preset"]), float(settings["duration_s"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(manifest, error) from error


def recorded_job(
    studio: Studio, record: Mapping[str, Any], source: Path | None, manifest: str | Path
) -> Job:
    """The job of a manifest. Its caption is used as it was found, not looked up again.

    Args:
        studio: The models that the manifest names.
        record: As `manifest.read_manifest` returns it.
        source: What was given; None for a sentence.
        manifest: Its name, for what an error says.

    Raises:
        SettingsError: Its settings are not such as this version writes.
        MediaError: What was given cannot be read.
    """
    preset, duration_s = recorded_preset(record, manifest)
    own = record["settings"].get("prompts", {}) if not TASKS[record["task"]].reads_file else {}
    request = Request(
        task=record["task"], source=source, prompt=record.get("caption") or "",
        audio_prompt=own.get("audio"), video_prompt=own.get("video"), seed=record["seed"],
        duration_s=duration_s, max_duration_s=math.inf,
    )  # fmt: skip
    return job_for(studio, request, preset)


def hashes_of(record: Mapping[str, Any], manifest: str | Path) -> list[str]:
    """Which hashes of a manifest a second run can be compared by.

    Raises:
        SettingsError: There is none.
    """
    found = [name for name in _HASHES if record.get(name)]
    if not found:
        raise SettingsError(f"{manifest}: has none of {_HASHES}, so nothing to compare with")
    return found


def unreadable(manifest: str | Path, error: Exception) -> SettingsError:
    """What to say of settings that this version cannot read."""
    return SettingsError(
        f"{manifest}: its settings are not such as this version of seehear writes "
        f"({type(error).__name__}: {error}); replay it with the version that wrote it"
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Which versions, threads and weights two manifests do not share, a line each."""
    for name in sorted(old["versions"].keys() | new["versions"].keys()):
        before, now = old["versions"].get(name), new["versions"].get(name)
        if before != now:
            yield f"{name}: was {before}, is {now}"
    before_of, now_of = (
        {
            entry["name"]: entry.get("sha256")
            for entry in record["weights"]
            if not entry["name"].startswith("captioner/")  # asked once, and what it said is kept
        }
        for record in (old, new)
    )
    for name in sorted(before_of.keys() | now_of.keys()):
        before, now = before_of.get(name), now_of.get(name)
        if before != now:
            yield f"weights {name}: sha256 was {_short(before)}, is {_short(now)}"


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else sha256[:12]
