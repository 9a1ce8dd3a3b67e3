"""Distances and loss terms by name, and the checks that a preset can be computed and recorded.

A new distance is a function and a row of `DISTANCES`; a new loss term is a class and a row of
`TERMS`. Other packages register theirs as entry points of `seehear.losses`: a distance as a
function of two embeddings, a loss term as an object with the method `for_job`.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from seehear.dsp.events import motion_starts
from seehear.errors import SettingsError
from seehear.guidance.losses import Distance, NamesDistance, cosine_distance
from seehear.guidance.objective import LossTerm
from seehear.guidance.protocols import Backbone
from seehear.guidance.streams import Stream
from seehear.guidance.sync import SyncTerm
from seehear.guidance.windows import frames_for
from seehear.media import Image, Video
from seehear.models import plugins
from seehear.models.families import Family
from seehear.pipeline.inputs import Media, audio_condition, motion_curve, onset_curve
from seehear.pipeline.manifest import to_json
from seehear.pipeline.presets import Preset, preset_from_json
from seehear.pipeline.task import Task


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What a loss term may depend on."""

    task: Task
    media: Media | None  # input; None for a prompt
    backbones: Mapping[Stream, Backbone]
    duration_s: float  # of the output


@runtime_checkable
class MakesTerm(Protocol):
    """Builds a loss term for a job."""

    def for_job(self, weight: float, context: JobContext) -> LossTerm | None:
        """The term with its weight; None if it does not apply to the task.

        Raises:
            SettingsError: The job's media are too short for the term.
        """
        ...


class SyncFactory:
    """The sync loss, between input and generated media or between two generated streams."""

    def for_job(self, weight: float, context: JobContext) -> SyncTerm | None:
        """See `MakesTerm`. There is no term for an image, which has no motion."""
        media, task = context.media, context.task
        if task.makes_still or isinstance(media, Image):
            return None
        if isinstance(media, Video):
            return SyncTerm(starts=motion_starts(motion_curve(media)), weight=weight)
        if frames_for(context.backbones["video"], context.duration_s) < 2:
            raise SettingsError(
                f"--sync needs at least 2 video frames; {context.duration_s:.3f} s gives 1. Use a "
                "longer clip or drop --sync."
            )
        onsets = onset_curve(audio_condition(media)) if media else None
        return SyncTerm(onsets=onsets, weight=weight)


def _cosine(family: Family, preset: Preset) -> Distance:
    return cosine_distance


def _names(family: Family, preset: Preset) -> Distance:
    return NamesDistance(
        phrases=family.phrases.embeddings, target_temperature=preset.target_temperature
    )


DISTANCES: Mapping[str, Callable[[Family, Preset], Distance]] = {
    "cosine": _cosine,
    "names": _names,
}
TERMS: Mapping[str, MakesTerm] = {"sync": SyncFactory()}


def distance_of(family: Family, preset: Preset) -> Distance:
    """The distance by which the preset compares embeddings of the family's binder.

    Raises:
        SettingsError: No distance has the preset's name.
    """
    if not isinstance(preset.distance, str):
        return preset.distance
    if preset.distance in DISTANCES:
        return DISTANCES[preset.distance](family, preset)
    found = _external(preset.distance, "distance", DISTANCES)
    if isinstance(found, MakesTerm):
        raise SettingsError(f"{preset.distance!r} is a loss term, not a distance; see Preset.terms")
    return found


def terms_of(preset: Preset, context: JobContext) -> tuple[LossTerm, ...]:
    """The loss terms of a job with non-zero weight, besides the pairs of embeddings.

    Raises:
        SettingsError: No loss term has this name, or it cannot be computed for the job.
    """
    weights = {"sync": preset.sync_weight} | dict(preset.terms)
    terms = []
    for name, weight in weights.items():
        if not weight:
            continue
        factory = TERMS.get(name) or _external(name, "loss term", TERMS)
        if not isinstance(factory, MakesTerm):
            raise SettingsError(f"{name!r} is a distance, not a loss term; see Preset.distance")
        terms.append(factory.for_job(weight, context))
    return tuple(term for term in terms if term is not None)


def check_recordable(preset: Preset) -> None:
    """Refuse settings that a manifest cannot record, before sampling.

    Raises:
        SettingsError: A value has no JSON form, or changes when it is read back.
    """
    try:
        record = json.loads(json.dumps(to_json(preset), allow_nan=False))
        read = preset_from_json(record)
    except (TypeError, ValueError, KeyError) as error:
        raise SettingsError(
            f"the preset {preset.name!r} holds a value that a manifest cannot record ({error}); "
            "use plain numbers, strings and the settings classes"
        ) from error
    for name, value in vars(preset).items():
        if name == "distance" and not isinstance(value, str):
            _check_importable(value)
        elif to_json(getattr(read, name)) != to_json(value):
            raise SettingsError(
                f"{name}={value!r} of the preset {preset.name!r} changes when read back from a "
                "manifest; use plain numbers, strings and the settings classes"
            )
    if not all(0 <= weight < math.inf for weight in preset.terms.values()):
        raise SettingsError(
            f"expected finite weights of loss terms of at least 0, got {dict(preset.terms)}"
        )


def _check_importable(distance: Any) -> None:
    """A function is recorded by its import path, so it must have one."""
    path, found = to_json(distance), None
    if isinstance(path, str):
        module, _, name = path.partition(":")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError):
            found = None
    if found is not distance:
        raise SettingsError(
            f"the distance {distance!r} cannot be recorded in a manifest; define it as a function "
            "at the top level of a module, or register it as an entry point of seehear.losses"
        )


def _external(name: str, kind: str, built_in: Mapping[str, Any]) -> Any:
    if ":" in name:
        raise SettingsError(
            f"the {kind} {name!r} is a function of another package, which a manifest may not "
            "import; pass the function itself in a Preset, or register it as an entry point of "
            "seehear.losses"
        )
    external = plugins.names(plugins.LOSSES)
    if name not in external:
        known = ", ".join([*built_in, *external])
        raise SettingsError(f"no {kind} is called {name!r}; choose one of {known}")
    return plugins.find(plugins.LOSSES, name)
