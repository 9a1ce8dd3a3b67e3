"""Binders, one module or package each, found by file name.

A module offers `load(source=None, *, device, dtype, lean, ...)`. Packages outside register
theirs as entry points of `seehear.binders`.
"""

from pathlib import Path
from typing import Any

from seehear.guidance.protocols import Binder
from seehear.models import plugins


def load(name: str, source: str | Path | None = None, **options: Any) -> Binder:
    """Load a binder by the name of its module or entry point.

    Args:
        name: Such as "pocket" or "imagebind".
        source: File or folder of its weights; None: its own.
        **options: Of the binder's own `load`.

    Raises:
        SettingsError: No binder has that name.
        WeightsError: The weights are missing or of another kind.
    """
    module = plugins.find(plugins.BINDERS, name)
    return module.load(**options) if source is None else module.load(source, **options)
