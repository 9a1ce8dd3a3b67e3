"""Folders of this project's small networks: sizes in config.json, weights in model.safetensors."""

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from safetensors.torch import save_file
from torch import nn

from seehear.errors import WeightsError
from seehear.models.cache import read_json

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MAX_SIZE = 65_536  # of numbers in config.json


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Sizes of a network; the fields of subclasses are whole numbers."""


Sizes = TypeVar("Sizes", bound=NetworkSizes)


def save_network(network: nn.Module, sizes: NetworkSizes, folder: Path, **metadata: str) -> None:
    """Write config.json and model.safetensors, in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(sizes), indent=2) + "\n")
    state = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE, {"format": "pt", **metadata})


def read_sizes(
    folder: Path, kind: type[Sizes], is_consistent: Callable[[Sizes], bool], condition: str
) -> Sizes:
    """The sizes in config.json, which can come from a stranger.

    Args:
        folder: Written by `save_network`.
        kind: The class of the sizes.
        is_consistent: Whether sizes within the limits describe a network.
        condition: The same in words, for the error message.

    Raises:
        WeightsError: Missing or unknown sizes, or not whole numbers from 1 to 65536, or not
            consistent.
    """
    record = read_json(folder / CONFIG_FILE)
    names = {field.name for field in fields(kind)}
    required = {field.name for field in fields(kind) if field.default is MISSING}
    is_fine = required <= record.keys() <= names and all(
        type(value) is int and 0 < value <= MAX_SIZE for value in record.values()
    )
    sizes = kind(**record) if is_fine else None
    if sizes is None or not is_consistent(sizes):
        raise WeightsError(
            f"{folder / CONFIG_FILE}: expected whole numbers from 1 to {MAX_SIZE} for "
            f"{', '.join(sorted(names))}, {condition}, got {str(record)[:200]}; copy or download "
            "the folder again"
        )
    return sizes
