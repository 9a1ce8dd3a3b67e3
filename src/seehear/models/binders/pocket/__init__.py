"""The pocket binder, which ships with the package: see `binder.py` for how it embeds."""

from seehear.models.binders.pocket.binder import PocketBinder, load

__all__ = ["PocketBinder", "load"]
