"""Load published weights into our networks, with a check of every key and shape."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from seehear.errors import WeightsError

Network = TypeVar("Network", bound=nn.Module)


def load_strict(
    kind: Callable[[], Network],
    state: Mapping[str, Tensor],
    path: Path,
    *,
    published: str,
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Build a frozen network with the weights of a file, without a second copy of them.

    A non-persistent buffer must be created on the device "cpu", because `kind` runs on "meta".

    Args:
        kind: Builds the network.
        state: State dict.
        path: The weight file, for the error message.
        published: Published name of the weights, for the error message.
        dtype: Data type of the network.

    Raises:
        WeightsError: Keys or shapes do not match the network.
    """
    with torch.device("meta"):  # no random initialisation and no second copy in memory
        network = kind()
    problem = _mismatch(network.state_dict(), state)
    if problem:
        raise WeightsError(
            f"{path}: expected the weights of {published}, but {problem}; copy or download it again"
        )
    network.load_state_dict(state, assign=True)
    return network.to(dtype).eval().requires_grad_(False)


def _mismatch(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """Description of the first mismatch, or None."""
    missing = [key for key in expected if key not in found]
    if missing:
        return f"{len(missing)} of {len(expected)} tensors are missing, first {missing[0]}"
    unexpected = [key for key in found if key not in expected]
    if unexpected:
        return f"{len(unexpected)} tensors are unexpected, first {unexpected[0]}"
    for key, tensor in expected.items():
        if tensor.shape != found[key].shape:
            sizes = (tuple(tensor.shape), tuple(found[key].shape))
            return f"{key} has shape {sizes[1]} instead of {sizes[0]}"
    return None
