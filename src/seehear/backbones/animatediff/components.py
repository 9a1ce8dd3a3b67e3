"""Components one by one: library classes read them, with one kind of error for whatever fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging

from seehear.errors import WeightsError
from seehear.weights import SAFE_SUFFIX, Checkpoint, read_json

# What the libraries raise for files that are absent, damaged or another class's.
_READ_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    SafetensorError,
    UnpicklingError,
)


def find_network(source: str | Path, local_files_only: bool) -> Path:
    """The folder of a network that comes without a model_index.json, by path or hub name."""
    folder = Path(source)
    if not folder.is_dir():
        wanted = ["config.json", "README.md", f"diffusion_pytorch_model{SAFE_SUFFIX}"]
        try:
            folder = Path(
                snapshot_download(
                    str(source), allow_patterns=wanted, local_files_only=local_files_only
                )
            )
        except (HFValidationError, HfHubHTTPError, OSError) as error:
            where = "in the local cache" if local_files_only else "on the hub"
            raise WeightsError(
                f"{source}: expected a folder on this machine or the name of a model {where}, "
                f"found neither ({type(error).__name__}); check the spelling, or the connection"
            ) from error
    if not (folder / "config.json").is_file():
        raise WeightsError(
            f"{source}: expected a config.json in the folder, found none; give the folder that "
            "holds the network's own files"
        )
    return folder


def text_class(found: Checkpoint) -> type[PreTrainedModel]:
    """The text encoder's class, named by the index or by the encoder's own config."""
    name = found.class_name("text_encoder")
    if name is None:
        config = read_json(found.component("text_encoder") / "config.json")
        name = (config.get("architectures") or [""])[0]
    kind = getattr(transformers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, PreTrainedModel)):
        raise WeightsError(
            f"{found.source}: expected a text model of transformers as text encoder, got {name!r}"
        )
    return kind


def read_network(kind: Any, folder: Path, *, optional: tuple[str, ...] = (), **options: Any) -> Any:
    """Read a network and insist that every weight came from the file.

    The libraries only log a warning when they fill a missing weight with random numbers.
    """
    network, info = read_component(kind, folder, output_loading_info=True, **options)
    missing = [key for key in info["missing_keys"] if not key.startswith(optional)]
    if missing or info["mismatched_keys"]:
        wrong = [*sorted(missing), *(str(key) for key in info["mismatched_keys"])]
        raise WeightsError(
            f"{folder}: expected all weights of {kind.__name__} in the file, {len(wrong)} are "
            f"missing or of another shape, first {wrong[0]}; the file and config.json do not "
            "belong together"
        )
    return network


def read_component(kind: Any, folder: Path, **options: Any) -> Any:
    """Let a library class read its component, with one kind of error for whatever goes wrong."""
    try:
        with _quiet_transformers():
            return kind.from_pretrained(folder, local_files_only=True, **options)
    except _READ_ERRORS as error:
        raise WeightsError(
            f"{folder}: expected {kind.__name__} files, could not read them ({error}); copy or "
            "download that folder again"
        ) from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bar and no load report: `read_network` turns what matters in them into errors."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
