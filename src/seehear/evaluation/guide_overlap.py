"""Check from the manifests of clips whether a scoring binder also guided them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from seehear.errors import SeehearError
from seehear.hashes import file_sha256
from seehear.models.cache import SAFE_SUFFIX
from seehear.pipeline.manifest import read_manifest

_ROLE = "binder/"  # prefix of the binder weights in a manifest


def guide_overlap_note(scores: str, binder: Path | None, made: Sequence[Path]) -> str:
    """Note on the scores of a binder that may have guided the clips.

    Args:
        scores: Names of the scores.
        binder: Weights of the binder: a file, or a folder of safetensors; None: unknown.
        made: The scored files. Manifests are searched in the same folders.
    """
    guides = [weights for path in made if (weights := guiding_binder_hashes(path))]
    own = _hashes(binder) if guides else frozenset()
    guided = sum(bool(weights & own) for weights in guides)
    if guided:
        return (
            f"{scores}: according to the manifests, this binder guided {guided} of {len(made)} "
            "clips; the score shows whether guidance worked, not the quality of the clips"
        )
    if own and len(guides) == len(made):
        return f"{scores}: according to the manifests, another binder guided these clips"
    return f"{scores}: this binder may have guided these clips; if so, it does not measure quality"


def guiding_binder_hashes(made: Path) -> frozenset[str]:
    """SHA-256 of the binder weights that guided a clip, from its manifest; empty without one."""
    path = made.with_suffix(".json")
    if not path.is_file():
        return frozenset()
    try:
        entries: Iterable[dict] = read_manifest(path)["weights"]
    except SeehearError:  # another system's JSON
        return frozenset()
    return frozenset(e["sha256"] for e in entries if str(e.get("name", "")).startswith(_ROLE))


def _hashes(binder: Path | None) -> frozenset[str]:
    """SHA-256 of the weight files of a binder, as in a manifest."""
    if binder is None:
        return frozenset()
    files = binder.rglob(f"*{SAFE_SUFFIX}") if binder.is_dir() else [binder]
    return frozenset(map(file_sha256, files))
