"""The pocket binder, which ships with the package; `binder.py` documents its embeddings."""

from seehear.models.binders.pocket.binder import PocketBinder, load

__all__ = ["PocketBinder", "load"]
