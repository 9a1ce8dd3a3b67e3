"""seehear: video and sound that belong together, by aligning frozen diffusion models."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seehear.pipeline.studio import load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # PyTorch and the model libraries take seconds to import: only when they are asked for.
    if name == "load":
        from seehear.pipeline.studio import load

        return load
    raise AttributeError(f"module 'seehear' has no attribute {name!r}")
