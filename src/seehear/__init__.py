"""seehear: video and audio that belong together, by aligning frozen diffusion models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seehear import errors

__version__ = "0.2.0"

if TYPE_CHECKING:
    from seehear.media import Audio, Image, Video
    from seehear.pipeline.presets import Preset
    from seehear.pipeline.result import Result
    from seehear.pipeline.studio import Studio, load

_MODULE_OF = {
    "Audio": "media.kinds",
    "Image": "media.kinds",
    "Video": "media.kinds",
    "Preset": "pipeline.presets",
    "Result": "pipeline.result",
    "Studio": "pipeline.studio",
    "load": "pipeline.studio",
}

__all__ = [
    "Audio",
    "Image",
    "Preset",
    "Result",
    "Studio",
    "Video",
    "__version__",
    "errors",
    "load",
]


def __getattr__(name: str) -> Any:
    # PyTorch and the model libraries take seconds to import: only when they are used.
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'seehear' has no attribute {name!r}")
    return getattr(import_module(f"seehear.{_MODULE_OF[name]}"), name)
