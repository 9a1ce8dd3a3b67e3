"""Find checkpoints, read their weights without running code, and look up their licences."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from seehear.errors import SeehearError, WeightsError, is_library_failure
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

# Set to 1 to allow components outside the parent folder of a checkpoint.
SHARED_OUTSIDE = "SEEHEAR_SHARED_OUTSIDE"
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder in diffusers' layout: `model_index.json` and one sub-folder per component."""

    source: str  # the path or hub name that the user gave
    folder: Path
    index: dict[str, Any] = field(repr=False)  # the parsed model_index.json

    def component(self, name: str) -> Path:
        """The folder of one component. Checkpoints can share components.

        An entry `"_shared": {"text_encoder": "../text"}` in model_index.json replaces the
        sub-folder by a path relative to the checkpoint's folder. The path must stay inside the
        parent of that folder, unless the environment variable SEEHEAR_SHARED_OUTSIDE is 1.

        Raises:
            WeightsError: The index does not list the component, its folder does not exist, or
                `_shared` points outside.
        """
        shared = self.shared()
        folder = self._resolved(shared.get(name, name))
        if name in shared and not _may_share(folder, self.folder):
            raise WeightsError(
                f"{self.source}: expected the shared component {name!r} inside "
                f"{self.folder.resolve().parent}, got {shared[name]!r:.200}; if you trust this "
                f"checkpoint, set {SHARED_OUTSIDE}=1"
            )
        if name not in self.index and name not in shared:
            listed = ", ".join(key for key in self.index if not key.startswith("_")) or "nothing"
            raise WeightsError(
                f"{self.source}: expected a component {name!r} in model_index.json, got "
                f"{listed:.200}; check that this is not a checkpoint of another model"
            )
        if not folder.is_dir():
            raise WeightsError(
                f"{self.source}: expected the component {name!r} in {folder}, which does not "
                "exist; copy or download the whole checkpoint again"
            )
        return folder

    def _resolved(self, name: str) -> Path:
        try:
            folder = (self.folder / name).resolve()
            folder.is_dir()  # raises an OSError if a part of the path is too long
        except (OSError, ValueError) as error:  # ValueError: a NUL or a surrogate
            raise WeightsError(
                f"{self.source}: expected _shared in model_index.json to map components to paths, "
                f"got {name!r:.60} ({getattr(error, 'strerror', None) or error!s:.60})"
            ) from error
        return folder

    def shared(self) -> dict[str, str]:
        """Paths of the components in other folders, relative to the checkpoint's folder."""
        shared = self.index.get("_shared", {})
        if not isinstance(shared, dict) or not all(isinstance(p, str) for p in shared.values()):
            raise WeightsError(
                f"{self.source}: expected _shared in model_index.json to map components to paths, "
                f"got {shared!r:.60}"
            )
        return shared

    def class_name(self, name: str) -> str | None:
        """The class of a component in model_index.json; None if it is not listed."""
        entry = self.index.get(name)
        match entry:
            case [_, str(class_name)]:
                return class_name
        return None

    def hashes(self, components: Iterable[str]) -> dict[str, str]:
        """SHA-256 of every weight file of the named components, by `component/file`."""
        return {
            f"{name}/{path.name}": file_sha256(path)
            for name in components
            for path in weight_files(self.component(name))
        }

    def licence(self) -> str | None:
        """The `license` tag of the model card (README.md); None without one."""
        return licence_of(self.folder)


def _may_share(component: Path, checkpoint: Path) -> bool:
    is_inside = component.is_relative_to(checkpoint.resolve().parent)
    return is_inside or os.environ.get(SHARED_OUTSIDE) == "1"


def find_checkpoint(source: str | Path, *, local_files_only: bool = False) -> Checkpoint:
    """Find a checkpoint by folder or hub name; download it from the hub if necessary.

    Args:
        source: A folder with a model_index.json, or a name such as "cvssp/audioldm-s-full-v2".
        local_files_only: Never use the network; find hub names in the local cache only.

    Raises:
        WeightsError: There is no such folder or hub name, or the folder has no readable
            model_index.json.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), CHECKPOINT_FILES, local_files_only=local_files_only)
    path = folder / "model_index.json"
    if not path.is_file():
        raise WeightsError(
            f"{source}: expected a model_index.json in the folder, found none; "
            "pass the folder that contains unet/, vae/ and so on"
        )
    return Checkpoint(source=str(source), folder=folder, index=read_json(path))


def needs_matching_parts(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method of a backbone: errors of its networks become a WeightsError.

    Components are checked one by one when they are read. Settings that do not fit together, or a
    tokenizer without a padding token, raise errors of many types when the networks run.
    """

    @wraps(method)
    def checked(*args: P.args, **options: P.kwargs) -> R:
        with matching_parts(getattr(args[0], "checkpoint", None)):
            return method(*args, **options)

    return checked


@contextmanager
def matching_parts(checkpoint: Checkpoint | str | Path | None) -> Iterator[None]:
    """Turn errors of components that do not work together into a WeightsError.

    Args:
        checkpoint: The checkpoint, or its folder or name. None: a model that was not loaded from
            one keeps its errors.
    """
    try:
        yield
    except (SeehearError, OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except BaseException as error:
        if checkpoint is None or not is_library_failure(error):
            raise
        source = checkpoint.source if isinstance(checkpoint, Checkpoint) else checkpoint
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{source}: expected components that work together, could not use them "
            f"({type(error).__name__}: {reason}); compare the config.json files with those of the "
            "original checkpoint"
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a .safetensors file or from a pickle of tensors only.

    Raises:
        WeightsError: The file is missing or damaged, has another format, or contains other objects
            than tensors.
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
    # torch.load raises several unrelated errors for damaged files and forbidden pickles.
    except BaseException as error:
        if not is_library_failure(error):
            raise
        raise WeightsError(
            f"{path}: expected a file of named tensors, could not read it "
            f"({type(error).__name__}); download it again"
        ) from error
    for wrapper in ("state_dict", "model"):  # training scripts often nest the state dict
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: expected a flat dictionary of tensors, got other values")
    return state


def licence_of(folder: Path) -> str | None:
    """The `license` tag in the front matter of a model card; None without one."""
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
    """The licence in the header of a safetensors file; None without one."""
    if path.suffix != SAFE_SUFFIX:
        return None
    with safe_open(path, "pt") as file:
        return ((file.metadata() or {}).get("licence") or "").lower() or None


def find_network(source: str | Path, local_files_only: bool) -> Path:
    """The folder of a single network without a model_index.json, by path or hub name.

    Raises:
        WeightsError: There is no such folder or hub name, or it has no config.json.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = download(str(source), NETWORK_FILES, local_files_only=local_files_only)
    if not (folder / "config.json").is_file():
        raise WeightsError(
            f"{source}: expected a config.json in the folder, found none; pass the folder of the "
            "network itself"
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
    """Download files of a hub repository; an interrupted download is resumed.

    Args:
        name: Name of the repository.
        files: Patterns of file names. If a network (the repository or a component) has no
            safetensors, its pickles are downloaded as well.
        revision: A commit, branch or tag; None is the newest.
        folder: Folder for plain files; None is the hub's cache.
        local_files_only: Never use the network.

    Raises:
        WeightsError: The repository is neither on the hub nor in the cache.
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
    """Convert errors of the hub to a WeightsError."""
    try:
        yield
    except HUB_ERRORS as error:
        where = "in the local cache" if local_files_only else "on the hub"
        raise WeightsError(
            f"{name}: expected a local folder or the name of a model {where}, found neither "
            f"({type(error).__name__}); check the spelling and the connection"
        ) from error
