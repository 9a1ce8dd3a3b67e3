"""Plug-ins by name: modules of our own packages, and entry points of other packages.

Another package registers, for example,

    [project.entry-points."seehear.backbones"]
    my_model = "my_package.my_model"

for a module with the interface described in `seehear.models.backbones`.
"""

import pkgutil
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from seehear.errors import SettingsError

BACKBONES, BINDERS = "seehear.backbones", "seehear.binders"
CAPTIONERS, LOSSES = "seehear.captioners", "seehear.losses"
# Group to the package whose modules are plug-ins of the group.
_PACKAGES = {BACKBONES: "seehear.models.backbones", BINDERS: "seehear.models.binders"}


def external(group: str) -> dict[str, EntryPoint]:
    """Entry points that other packages register for a group, by name."""
    return {entry.name: entry for entry in entry_points(group=group)}


def names(group: str) -> tuple[str, ...]:
    """Names of all plug-ins of a group: our modules first, then those of other packages."""
    ours = _ours(group)
    return (*ours, *(name for name in external(group) if name not in ours))


def find(group: str, name: str) -> Any:
    """Import a plug-in: one of our modules, or the object that another package registers.

    Raises:
        SettingsError: No plug-in of the group has that name, or it cannot be imported.
    """
    if name in _ours(group):
        return import_module(f"{_PACKAGES[group]}.{name}")
    entry = external(group).get(name)
    if entry is None:
        raise SettingsError(
            f"expected a plug-in of {group} ({', '.join(names(group))}), got {name!r}; choose one "
            "of these, or install the package that registers it"
        )
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"the plug-in {name!r} of {group} cannot be imported from {entry.value} ({error}); "
            "install its package again"
        ) from error


def _ours(group: str) -> tuple[str, ...]:
    if group not in _PACKAGES:
        return ()
    package = import_module(_PACKAGES[group])
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))
