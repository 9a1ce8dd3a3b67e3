"""Models that a manifest names and that neither ship with the package nor are in the user's cache.

A manifest can come from a stranger. Before a replay downloads or opens such a model, it asks.
"""

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import snapshot_download

from seehear.models.cache import HUB_ERRORS, cache_dir, path_of
from seehear.models.catalogue import find_model
from seehear.models.families import FAMILIES, JOINT_WEIGHTS, POCKET, chosen_sources
from seehear.models.load_options import LoadOptions


def foreign_models(options: LoadOptions) -> list[str]:
    """Descriptions of the models that would be downloaded or opened from other folders.

    Args:
        options: The load options of a manifest.
    """
    return [f"{part}: {source}" for part, source in _sources(options) if not _is_known(str(source))]


def _sources(options: LoadOptions) -> Iterator[tuple[str, str | Path]]:
    row = FAMILIES.get(options.models)
    own = {name: getattr(row, name, None) for name in ("audio", "video", "motion")}
    wanted = {"audio": options.audio, "video": options.video, "motion": options.motion}
    if row is not None:
        yield from chosen_sources(wanted, own).items()
    if options.backbone is not None:
        name, _, path = options.backbone.partition("=")
        yield "backbone", path or JOINT_WEIGHTS.get(name, name)
    if options.binder is not None:
        yield "binder", str(options.binder).partition("=")[2] or options.binder
    if options.captioner is not None:
        yield "captioner", options.captioner
    if options.latent_encoders is not None:
        yield "latent_encoders", options.latent_encoders
    for kind, values in (("clip", options.clip), ("binder_options", options.binder_options)):
        yield from ((f"{kind}.{name}", v) for name, v in values.items() if isinstance(v, str))


def _is_known(source: str) -> bool:
    """Whether a model ships, or is in the user's cache or the hub's cache."""
    path = Path(source)
    if path.exists():
        inside = (POCKET.resolve(), cache_dir().resolve())
        return any(path.resolve().is_relative_to(folder) for folder in inside)
    entry = find_model(source)
    if entry is not None:
        return path_of(entry) is not None
    try:
        snapshot_download(source, local_files_only=True)
    except HUB_ERRORS:
        return False
    return True
