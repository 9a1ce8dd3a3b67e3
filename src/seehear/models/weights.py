"""Where weights come from: find a checkpoint, read it without running code, name its licence."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from seehear.errors import WeightsError
from seehear.hashes import file_sha256
from seehear.models.cache import (
    CHECKPOINT_FILES,
    HUB_ERRORS,
    NETWORK_FILES,
    NOT_FETCHED,
    PICKLE_SUFFIXES,
    SAFE_SUFFIX,
    read_json,
    weight_files,
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder in diffusers' layout: `model_index.json` and one sub-folder per component."""

    source: str  # as the user named it
    folder: Path
    index: dict[str, Any] = field(repr=False)  # the parsed model_index.json

    def component(self, name: str) -> Path:
        """The folder of one component, which several checkpoints may share.

        An entry `"_shared": {"text_encoder": "../text"}` in model_index.json, relative to the
        checkpoint's folder, takes the component from there instead of from the sub-folder.

        Raises:
            WeightsError: the index does not list the component, or its folder is not there.
        """
        shared = self.index.get("_shared", {})
        folder = (self.folder / shared.get(name, name)).resolve()
        if name not in self.index and name not in shared:
            listed = ", ".join(key for key in self.index if not key.startswith("_")) or "nothing"
            raise WeightsError(
                f"{self.source}: expected a component {name!r} in model_index.json, which lists "
                f"{listed}; is this a checkpoint of another model?"
            )
        if not folder.is_dir():
            raise WeightsError(
                f"{self.source}: expected the component {name!r} in {folder}, which does not "
                "exist; copy or download the whole checkpoint again"
            )
        return folder

    def class_name(self, name: str) -> str | None:
        """The class that model_index.json gives for a component, None if it gives none."""
        entry = self.index.get(name)
        return entry[1] if isinstance(entry, list) and len(entry) == 2 else None

    def hashes(self, components: Iterable[str]) -> dict[str, str]:
        """SHA-256 of every weight file of the named components, by `component/file`."""
        return {
            f"{name}/{path.name}": file_sha256(path)
            for name in components
            for path in weight_files(self.component(name))
        }

    def licence(self) -> str | None:
        """What the model card (README.md) says under `license`, None if it does not say."""
        return licence_of(self.folder)


def find_checkpoint(source: str | Path, *, local_files_only: bool = False) -> Checkpoint:
    """Find a checkpoint in a folder or, by its hub name, in the cache or on the hub.

    Args:
        source: A folder with a model_index.json, or a name such as "cvssp/audioldm-s-full-v2".
        local_files_only: Never use the network; a hub name must be in the cache already.

    Raises:
        WeightsError: neither a folder nor a name that the hub or the cache knows, or a folder
            without a readable model_index.json.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), CHECKPOINT_FILES, local_files_only=local_files_only)
    path = folder / "model_index.json"
    if not path.is_file():
        raise WeightsError(
            f"{source}: expected a model_index.json in the folder, found none; "
            "give the folder that holds unet/, vae/ and so on"
        )
    return Checkpoint(source=str(source), folder=folder, index=read_json(path))


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a .safetensors file or from a pickle that holds tensors only.

    Raises:
        WeightsError: the file is missing, of another kind, damaged or holds more than tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: expected a weight file, found none; check the path")
    try:
        if path.suffix == SAFE_SUFFIX:
            return load_file(path)
        if path.suffix not in PICKLE_SUFFIXES:
            kinds = ", ".join((SAFE_SUFFIX, *PICKLE_SUFFIXES))
            raise WeightsError(f"{path}: expected one of {kinds}, got {path.suffix or 'no suffix'}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    # torch.load reports damaged files and forbidden pickles by several unrelated errors.
    except Exception as error:
        raise WeightsError(
            f"{path}: expected a file of named tensors, could not read it "
            f"({type(error).__name__}); download it again"
        ) from error
    for wrapper in ("state_dict", "model"):  # as training scripts wrap it
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: expected a plain dictionary of tensors")
    return state


def licence_of(folder: Path) -> str | None:
    """The `license` line in the front matter of a model card, None where there is none."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    for line in lines[1:]:
        key, _, value = line.partition(":")
        if line.strip() == "---":
            break
        if key.strip() == "license":
            return value.strip().strip("\"'") or None
    return None


def licence_in(path: Path) -> str | None:
    """The licence that a safetensors file names in its own header, None if it names none."""
    if path.suffix != SAFE_SUFFIX:
        return None
    with safe_open(path, "pt") as file:
        return ((file.metadata() or {}).get("licence") or "").lower() or None


def find_network(source: str | Path, local_files_only: bool) -> Path:
    """The folder of a network that comes without a model_index.json, by path or hub name.

    Raises:
        WeightsError: There is no such folder or name, or no config.json in it.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), NETWORK_FILES, local_files_only=local_files_only)
    if not (folder / "config.json").is_file():
        raise WeightsError(
            f"{source}: expected a config.json in the folder, found none; give the folder that "
            "holds the network's own files"
        )
    return folder


def download(
    name: str,
    files: Sequence[str],
    *,
    revision: str | None = None,
    folder: Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Fetch files of a hub repository, going on where an earlier download stopped.

    Args:
        name: Of the repository.
        files: Patterns. A network without safetensors is taken as it is: one that is the whole
            repository, or one of its components.
        revision: A commit, branch or tag; None: the newest.
        folder: Where to put plain files; None: the hub's own cache.
        local_files_only: Never use the network.

    Raises:
        WeightsError: Neither the hub nor the cache has it.
    """
    common: dict[str, Any] = {
        "revision": revision,
        "local_dir": folder,
        "local_files_only": local_files_only,
        "ignore_patterns": list(NOT_FETCHED),
    }
    with _hub_errors(name, local_files_only):
        found = Path(snapshot_download(name, allow_patterns=list(files), **common))
        lacking = [path.parent.name for path in found.glob("*/config.json")]
        lacking = [part for part in lacking if not list((found / part).glob(f"*{SAFE_SUFFIX}"))]
        pickles = [f"{part}/*.bin" for part in lacking]
        if (found / "config.json").is_file() and not list(found.glob(f"*{SAFE_SUFFIX}")):
            pickles.append("pytorch_model*.bin")
        if pickles:
            snapshot_download(name, allow_patterns=pickles, **common)
    return found


@contextmanager
def _hub_errors(name: str, local_files_only: bool) -> Iterator[None]:
    """Whatever keeps the hub from finding a name becomes one sentence."""
    try:
        yield
    except HUB_ERRORS as error:
        where = "in the local cache" if local_files_only else "on the hub"
        raise WeightsError(
            f"{name}: expected a folder on this machine or the name of a model {where}, found "
            f"neither ({type(error).__name__}); check the spelling, or the connection"
        ) from error
