"""On-disk feature cache.

The key of an entry is a hash of the file content, the network weights and the settings. Renamed
files keep their entries, and a change of file, network or settings gives a new entry.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seehear.errors import SettingsError
from seehear.media import replacing

FORMAT = 1  # increase when the meaning of cached values changes

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features, one small safetensors file each."""

    folder: Path

    def __post_init__(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{self.folder}: expected a folder for the feature cache ({error}); choose "
                "another one"
            ) from error

    def get_or_compute(
        self, key_data: Mapping[str, Any], compute: Callable[[], Tensors]
    ) -> Tensors:
        """Load the entry of a key, or compute and store it.

        Args:
            key_data: JSON data that determines the result: content, network, settings.
            compute: Returns named tensors. If it raises, nothing is stored.
        """
        text = json.dumps({"format": FORMAT, **key_data}, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / key[:2] / f"{key}.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError):
            pass  # missing or damaged: computed again and replaced
        tensors = {name: value.detach().cpu().contiguous() for name, value in compute().items()}
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            save_file(tensors, temporary)
        return tensors


def default_folder() -> Path:
    """The platform's user cache folder for features."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("seehear")) / "features"


def fingerprint(network: object) -> str:
    """SHA-256 of the class, weights and plain settings of a network.

    Works for modules and for plain objects whose attributes are modules or such objects.
    """
    digest = hashlib.sha256(f"{type(network).__module__}.{type(network).__qualname__}".encode())
    members = [("", network)] if isinstance(network, nn.Module) else []
    members += sorted(_public(network).items())
    for name, value in members:
        digest.update(f"\0{name}".encode())
        if isinstance(value, nn.Module):
            digest.update(repr(value).encode())
            for key, tensor in sorted(value.state_dict().items()):
                digest.update(f"\0{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(
                    tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
                )
        elif _is_plain(value):
            digest.update(repr(value).encode())
        elif any(isinstance(inner, nn.Module) for inner in _public(value).values()):
            digest.update(fingerprint(value).encode())
    return digest.hexdigest()


def cache_key(network: object, memory: FeatureCache | None) -> str:
    """The fingerprint of a network, or "" without a cache, where it is not needed."""
    return "" if memory is None else fingerprint(network)


def _public(network: object) -> dict[str, Any]:
    """Attributes of an object without those that every PyTorch module has."""
    common = vars(nn.Module()).keys() if isinstance(network, nn.Module) else ()
    return {k: v for k, v in getattr(network, "__dict__", {}).items() if k not in common}


def _is_plain(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | bytes | bool | int | float | torch.dtype)
