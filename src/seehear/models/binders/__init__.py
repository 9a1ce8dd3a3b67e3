"""Binders, one module or package each, found by file name.

A module defines `load(source=None, *, device, dtype, lean, ...)`. Other packages register binders
as entry points of `seehear.binders`.
"""

from pathlib import Path
from typing import Any

from seehear.guidance.protocols import Binder
from seehear.models import plugins
from seehear.models.weights import matching_parts


def load(name: str, source: str | Path | None = None, **options: Any) -> Binder:
    """Load a binder by the name of its module or entry point.

    Args:
        name: For example "pocket" or "imagebind".
        source: File or folder of its weights; None is the binder's default.
        **options: Options of the binder's `load`.

    Raises:
        SettingsError: Unknown name.
        WeightsError: The weights are missing or have another format.
    """
    module = plugins.find(plugins.BINDERS, name)
    if source is None:
        return module.load(**options)
    with matching_parts(source):
        return module.load(source, **options)
