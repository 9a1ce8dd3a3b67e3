"""Backbones, one module or package each, found by file name.

A module offers `STREAM`, "audio" or "video"; `PIPELINES`, the values of `_class_name` in
model_index.json that it reads; and `load(source, *, device, dtype, checkpointing, lean, ...)`. A
video backbone also takes `num_frames`, where 1 makes stills. Packages
outside register theirs as entry points of `seehear.backbones`.
"""

from pathlib import Path
from typing import Any

from seehear.errors import WeightsError
from seehear.guidance.protocols import Backbone
from seehear.guidance.streams import Stream
from seehear.models import plugins
from seehear.models.cache import read_json
from seehear.models.weights import download


def load(source: str | Path, stream: Stream, **options: Any) -> Backbone:
    """Load a checkpoint with the backbone that reads its kind of pipeline.

    Args:
        source: A folder with model_index.json, or a hub name.
        stream: What it has to generate.
        **options: Of the backbone's own `load`.

    Raises:
        WeightsError: The checkpoint is missing, generates something else, or is of a kind that no
            backbone reads.
    """
    module = plugins.find(plugins.BACKBONES, name_for(source))
    if stream != module.STREAM:
        raise WeightsError(
            f"{source}: expected a model that generates {stream}, this one generates "
            f"{module.STREAM}; give it as --{module.STREAM}"
        )
    return module.load(source, **options)


def name_for(source: str | Path) -> str:
    """The name of the backbone that reads a checkpoint, by `_class_name` in model_index.json.

    Raises:
        WeightsError: The checkpoint is missing, or no backbone reads its kind.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), ("model_index.json",))
    index = folder / "model_index.json"
    if not index.is_file():
        raise WeightsError(
            f"{source}: expected a model_index.json in the folder, found none; "
            "give the folder that holds unet/, vae/ and so on"
        )
    kind = read_json(index).get("_class_name")
    known: list[str] = []
    for name in plugins.names(plugins.BACKBONES):
        pipelines = getattr(plugins.find(plugins.BACKBONES, name), "PIPELINES", ())
        if kind in pipelines:
            return name
        known += pipelines
    raise WeightsError(
        f"{source}: expected a checkpoint of {', '.join(sorted(known))}, model_index.json says "
        f"{kind!r}; give another checkpoint, or install a package with a backbone for it"
    )
