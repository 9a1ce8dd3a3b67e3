"""Backbones, one module or package each, found by file name.

A module defines `STREAM` ("audio" or "video"), `PIPELINES` (the values of `_class_name` in
model_index.json that it supports) and `load(source, *, device, dtype, checkpointing, lean, ...)`.
`load` of a video backbone also has the argument `num_frames`; 1 generates images. Other packages
register backbones as entry points of `seehear.backbones`.

The module of a joint model has `STREAMS`, a tuple, in place of `STREAM`, and its `load` returns a
`JointModel` with a method `stream`.
"""

from pathlib import Path
from typing import Any

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.protocols import Backbone, JointModel
from seehear.guidance.streams import Stream
from seehear.models import plugins
from seehear.models.cache import read_json
from seehear.models.weights import download, matching_parts


def load(source: str | Path, stream: Stream, **options: Any) -> Backbone:
    """Load a checkpoint with the backbone that supports its pipeline class.

    Args:
        source: A folder with model_index.json, or a hub name.
        stream: The stream that the model must generate.
        **options: Options of the backbone's `load`.

    Raises:
        WeightsError: The checkpoint is missing, generates another stream, or has a pipeline class
            that no backbone supports, or settings that no model can be built from.
    """
    module = plugins.find(plugins.BACKBONES, name_for(source))
    if stream != module.STREAM:
        raise WeightsError(
            f"{source}: expected a model that generates {stream}, this one generates "
            f"{module.STREAM}; pass it with --{module.STREAM}"
        )
    with matching_parts(source):
        return module.load(source, **options)


def load_joint(name: str, source: str | Path, **options: Any) -> JointModel:
    """Load a joint model, which generates several streams together.

    Args:
        name: The name of its module; "-" stands for "_".
        source: A weight file or a folder of that model.
        **options: Options of the module's `load`.

    Raises:
        SettingsError: No joint model has that name.
        WeightsError: The weights are missing or not in the expected format.
    """
    known = joint_names()
    if name not in known:
        raise SettingsError(
            f"expected the name of a joint model ({', '.join(known)}), or NAME=PATH, got {name!r}"
        )
    with matching_parts(source):
        return plugins.find(plugins.BACKBONES, name.replace("-", "_")).load(source, **options)


def joint_names() -> tuple[str, ...]:
    """Names of the joint models: of the modules with `STREAMS` instead of `STREAM`."""
    found = ((n, plugins.find(plugins.BACKBONES, n)) for n in plugins.names(plugins.BACKBONES))
    return tuple(name.replace("_", "-") for name, module in found if hasattr(module, "STREAMS"))


def name_for(source: str | Path) -> str:
    """The name of the backbone for a checkpoint, by `_class_name` in its model_index.json.

    Raises:
        WeightsError: The checkpoint is missing, or no backbone supports its pipeline class.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), ("model_index.json",))
    index = folder / "model_index.json"
    if not index.is_file():
        raise WeightsError(
            f"{source}: expected a model_index.json in the folder, found none; "
            "pass the folder that contains unet/, vae/ and so on"
        )
    kind = read_json(index).get("_class_name")
    known: list[str] = []
    for name in plugins.names(plugins.BACKBONES):
        pipelines = getattr(plugins.find(plugins.BACKBONES, name), "PIPELINES", ())
        if kind in pipelines:
            return name
        known += pipelines
    raise WeightsError(
        f"{source}: expected a checkpoint of {', '.join(sorted(known))}, model_index.json has "
        f"{kind!r:.60}; pass another checkpoint, or install a package with a backbone for it"
    )
