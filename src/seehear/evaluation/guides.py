"""Whether a network that scores is one that guided, which the manifests beside clips tell."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from seehear.binders.pocket.binder import SHIPPED
from seehear.errors import SeehearError
from seehear.hashes import file_sha256
from seehear.outputs import read_manifest
from seehear.weights import SAFE_SUFFIX

_ROLE = "binder/"  # the weights that guide are listed under this name


def guidance_note(score: str, made: Sequence[Path]) -> str:
    """What to think of a score by the pocket binder, given what guided the clips.

    Args:
        score: Its name.
        made: The scored files; manifests, where there are some, lie beside them.
    """
    told = [weights for path in made if (weights := guided_by(path))]
    guided = sum(bool(weights & _pocket_binder()) for weights in told)
    if guided:
        return (
            f"{score}: this very binder guided {guided} of {len(made)} clips, as their manifests "
            "say: it tells whether guidance worked, not whether clips are good"
        )
    if len(told) == len(made):
        return f"{score}: another binder guided these clips, as their manifests say"
    return f"{score}: this binder may be the one that guided; then it is no quality"


def guided_by(made: Path) -> frozenset[str]:
    """SHA-256 of the binder's weights that guided a clip; empty where nothing says so."""
    path = made.with_suffix(".json")
    if not path.is_file():
        return frozenset()
    try:
        entries: Iterable[dict] = read_manifest(path)["weights"]
    except SeehearError:  # another system's JSON
        return frozenset()
    return frozenset(e["sha256"] for e in entries if str(e.get("name", "")).startswith(_ROLE))


@cache
def _pocket_binder() -> frozenset[str]:
    """What a manifest lists of the binder that ships."""
    return frozenset(map(file_sha256, (SHIPPED / "binder").glob(f"*{SAFE_SUFFIX}")))
