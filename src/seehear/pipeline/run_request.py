"""Run a request with loaded models: its job, its result and its files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seehear.media import check_container, ensure_folder
from seehear.media.suffixes import VIDEO_OUTPUTS, is_media_name
from seehear.media.track import Track
from seehear.pipeline.inputs import Media, read_reference, read_source
from seehear.pipeline.job import Job, OnStep
from seehear.pipeline.manifest import to_json
from seehear.pipeline.presets import Preset
from seehear.pipeline.request import Request
from seehear.pipeline.result import Result
from seehear.pipeline.shot_list import Shot
from seehear.pipeline.steering import References
from seehear.pipeline.studio import Studio
from seehear.pipeline.task import TASKS


def job_for(
    studio: Studio,
    request: Request,
    preset: Preset | None = None,
    references: References | None = None,
    shots: Sequence[Shot] | None = None,
) -> Job:
    """Read the request's input and resolve all other settings.

    Args:
        studio: Loaded models.
        request: The request.
        preset: Of `Request.preset_settings`, if the caller has it; None: computed here.
        references: Instead of those of the request; None: read the request's.
        shots: Instead of those of the request; None: the request's.

    Raises:
        MediaError: The input cannot be read, or is too short or too long.
        SettingsError: A duration out of range, or no preset of that name.
    """
    source = request.source
    if references is None:
        references = _references_of(request)
    return studio.job(
        request.task,
        None if source is None else read_source(request.task, source, request.max_duration_s),
        prompt=(request.prompt or "") if source is None else request.prompt,
        seed=request.seed,
        preset=preset or request.preset_settings(),
        duration_s=request.duration_s,
        audio_prompt=request.audio_prompt,
        video_prompt=request.video_prompt,
        negative=request.negative or "",
        region=request.region,
        shots=request.shots if shots is None else shots,
        **references,
    )


def _references_of(request: Request) -> References:
    """The veto and the reference to resemble, read from their files."""

    def read(name: str) -> Media:
        return read_reference(Path(name), request.max_duration_s)

    veto = request.veto
    return References(
        veto=read(veto) if veto and is_media_name(veto) else veto,
        like=None if request.like is None else read(request.like),
        like_strength=request.like_strength,
    )


def run_request(studio: Studio, request: Request, on_step: OnStep | None = None) -> Result:
    """Generate the output of a request; errors as `job_for`."""
    return studio.make(job_for(studio, request), on_step)


def check_output(request: Request, target: Path) -> None:
    """Refuse an output that could not be written. Call it before sampling.

    Raises:
        MediaError: `target` cannot contain the request's video.
        SettingsError: As `Request.check`.
    """
    request.check(target.suffix)
    is_copied = TASKS[request.task].input_kind == "video" and not request.reencode
    if is_copied and request.source is not None and target.suffix.lower() in VIDEO_OUTPUTS:
        check_container(request.source, target)


def save_output(
    result: Result, target: Path, *, track: Track, is_reencoded: bool, upscale: int | None
) -> tuple[Path, Path]:
    """Write media and manifest, in a folder that is created if needed; errors as `Result.save`.

    The manifest records the settings of the track and whether the video was encoded again.
    """
    ensure_folder(target.parent)
    options: dict[str, Any] = {"mix": track.keep == "mix"}
    if is_reencoded:
        options["reencode"] = True
    recorded = {k: v for k, v in to_json(track).items() if k not in ("keep", "has_stems")}
    if track != Track(keep=track.keep, has_stems=track.has_stems):
        options["track"] = recorded
    result = replace(result, settings={**result.settings, **options})
    return result.save(target, track=track, reencode=is_reencoded, upscale=upscale)


def recorded_track(settings: Mapping[str, Any]) -> Track:
    """The settings of the track in a manifest's settings; errors as `Track`."""
    known = settings.get("track") or {}
    return Track(keep="mix" if settings.get("mix") else "replace", **known)
