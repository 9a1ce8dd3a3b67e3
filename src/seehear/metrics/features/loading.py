"""Published weights into networks of our own: every key and every shape is checked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from seehear.errors import WeightsError

Network = TypeVar("Network", bound=nn.Module)


def load_strict(
    kind: Callable[[], Network], state: Mapping[str, Tensor], path: Path, *, published: str
) -> Network:
    """A network with the weights of a file, frozen, in float32.

    Args:
        kind: Builds the network.
        state: Its named tensors.
        path: The file they come from, for the error.
        published: What the file is called where it comes from, also for the error.

    Raises:
        WeightsError: Keys or shapes are not the network's.
    """
    with torch.device("meta"):  # nothing is drawn, and nothing held twice
        network = kind()
    problem = _mismatch(network.state_dict(), state)
    if problem:
        raise WeightsError(f"{path}: expected the weights of {published}, {problem}")
    network.load_state_dict(state, assign=True)
    return network.float().eval().requires_grad_(False)


def _mismatch(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """The first thing that keeps weights from fitting, None if they fit."""
    missing = [key for key in wanted if key not in found]
    if missing:
        return f"{len(missing)} of {len(wanted)} tensors are missing, the first {missing[0]}"
    strange = [key for key in found if key not in wanted]
    if strange:
        return f"{len(strange)} tensors do not belong there, the first {strange[0]}"
    for key, tensor in wanted.items():
        if tensor.shape != found[key].shape:
            sizes = (tuple(tensor.shape), tuple(found[key].shape))
            return f"{key} should have the shape {sizes[0]} and has {sizes[1]}"
    return None
