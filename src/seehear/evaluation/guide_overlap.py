"""Whether a network that scores is one that guided, which the manifests beside clips tell."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from seehear.errors import SeehearError
from seehear.hashes import file_sha256
from seehear.models.cache import SAFE_SUFFIX
from seehear.pipeline.manifest import read_manifest

_ROLE = "binder/"  # the weights that guide are listed under this name


def guide_overlap_note(scores: str, binder: Path | None, made: Sequence[Path]) -> str:
    """What to think of scores by a binder, given what guided the clips.

    Args:
        scores: Their names.
        binder: Its weights: a file, or a folder of safetensors; None: nobody knows.
        made: The scored files; manifests, where there are some, lie beside them.
    """
    told = [weights for path in made if (weights := guiding_binder_hashes(path))]
    own = _hashes(binder) if told else frozenset()
    guided = sum(bool(weights & own) for weights in told)
    if guided:
        return (
            f"{scores}: this very binder guided {guided} of {len(made)} clips, as their manifests "
            "say: it tells whether guidance worked, not whether clips are good"
        )
    if own and len(told) == len(made):
        return f"{scores}: another binder guided these clips, as their manifests say"
    return f"{scores}: this binder may be the one that guided; then it is no quality"


def guiding_binder_hashes(made: Path) -> frozenset[str]:
    """SHA-256 of the binder's weights that guided a clip; empty where nothing says so."""
    path = made.with_suffix(".json")
    if not path.is_file():
        return frozenset()
    try:
        entries: Iterable[dict] = read_manifest(path)["weights"]
    except SeehearError:  # another system's JSON
        return frozenset()
    return frozenset(e["sha256"] for e in entries if str(e.get("name", "")).startswith(_ROLE))


def _hashes(binder: Path | None) -> frozenset[str]:
    """What a manifest lists of a binder."""
    if binder is None:
        return frozenset()
    files = binder.rglob(f"*{SAFE_SUFFIX}") if binder.is_dir() else [binder]
    return frozenset(map(file_sha256, files))
