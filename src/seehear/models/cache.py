"""Local copies of models: the cache folder, paths of checkpoints, and whether they are complete."""

import json
import os
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from seehear.errors import WeightsError
from seehear.models.catalogue import ModelEntry

# Errors of the hub and of its HTTP library, from whose errors the hub's own ones inherit.
HUB_ERRORS: tuple[type[Exception], ...] = (
    HFValidationError,
    HfHubHTTPError,
    *(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)),
)
SAFE_SUFFIX = ".safetensors"
# Read with weights_only=True, which loads tensors only and runs no code.
PICKLE_SUFFIXES = (".bin", ".pth", ".pt", ".ckpt")
# Files to download from a repository, without previews and weights in other formats.
CHECKPOINT_FILES = ("model_index.json", "README.md", "*/*.json", "*/*.txt", f"*/*{SAFE_SUFFIX}")
# Half-precision copies, weights for further training, and components that are never used.
NOT_FETCHED = ("*.fp16.*", "*.non_ema.*", "safety_checker/*", "feature_extractor/*")
CAPTIONER_FILES = ("*.json", "*.txt", "*.jinja", "README.md", f"*{SAFE_SUFFIX}")
NETWORK_FILES = ("config.json", "README.md", f"diffusion_pytorch_model{SAFE_SUFFIX}")


def read_json(path: Path) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        WeightsError: The file cannot be read or does not contain a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise WeightsError(f"{path}: expected JSON, could not read it ({error})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def weight_files(folder: Path) -> list[Path]:
    """The weight files in a folder: safetensors if there are any, else pickles."""
    for suffixes in ((SAFE_SUFFIX,), PICKLE_SUFFIXES):
        found = sorted(path for path in folder.iterdir() if path.suffix in suffixes)
        if found:
            return found
    return []


def cache_dir() -> Path:
    """Cache folder for files that are not on the hub: $SEEHEAR_HOME, or ~/.cache/seehear."""
    return Path(os.environ.get("SEEHEAR_HOME") or Path.home() / ".cache" / "seehear")


def path_of(entry: ModelEntry) -> Path | None:
    """Local path of a checkpoint; None if it has not been downloaded."""
    if entry.is_file:
        target = cache_dir() / entry.name / entry.file_name
        return target if target.is_file() else None
    try:
        # The folder in the hub's cache can be left over from an interrupted download.
        folder = Path(snapshot_download(entry.source, local_files_only=True))
    except HUB_ERRORS:
        return None
    return folder if is_whole(folder) else None


def is_whole(folder: Path) -> bool:
    """Whether a folder has the weights of all networks that its index lists.

    Args:
        folder: A folder with a model_index.json and components, or with the files of one network.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        return _has_weights(folder)
    # A component is [library, class]; [None, None] stands for a missing one.
    named = [k for k, v in read_json(index).items() if isinstance(v, list) and v[0]]
    components = [folder / name for name in named if f"{name}/*" not in NOT_FETCHED]
    return all(
        part.is_dir() and (_has_weights(part) or not (part / "config.json").is_file())
        for part in components
    )


def _has_weights(folder: Path) -> bool:
    """Whether a network's weights exist, including all shards of an index."""
    shards = {
        name
        for path in folder.glob("*.index.json")
        for name in read_json(path).get("weight_map", {}).values()
    }
    return bool(weight_files(folder)) and all((folder / name).is_file() for name in shards)
