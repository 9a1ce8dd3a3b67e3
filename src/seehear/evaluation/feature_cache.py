"""What networks said about files, kept on disk: a file is looked at once, however it is called.

An entry is found by the content of the file, the weights of the network and the settings, so
nothing stale can come back: another file, another network or another setting is another entry.
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

FORMAT = 1  # counts up when what is kept means something else

Kept = Mapping[str, Tensor]


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features, one small safetensors file each."""

    folder: Path

    def __post_init__(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{self.folder}: cannot keep features there ({error}); choose another folder"
            ) from error

    def recalled(self, about: Mapping[str, Any], compute: Callable[[], Kept]) -> Kept:
        """What was computed for exactly this, or else what is computed now, and kept.

        Args:
            about: Plain data that decides the result: content, network, settings.
            compute: Makes named tensors. What it raises is raised, and nothing is kept.
        """
        text = json.dumps({"format": FORMAT, **about}, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        path = self.folder / key[:2] / f"{key}.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError):
            pass  # not there, or damaged: computed again and replaced
        found = {name: value.detach().cpu().contiguous() for name, value in compute().items()}
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            save_file(found, temporary)
        return found


def default_folder() -> Path:
    """The user's cache folder, where the system wants it to be."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("seehear")) / "features"


def fingerprint(network: object) -> str:
    """SHA-256 of what decides a network's answers: its class, its weights and its plain settings.

    Works for modules and for plain objects that hold modules, or such objects, whatever their
    names.
    """
    digest = hashlib.sha256(f"{type(network).__module__}.{type(network).__qualname__}".encode())
    held = [("", network)] if isinstance(network, nn.Module) else []
    held += sorted(_public(network).items())
    for name, value in held:
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
    """The name under which a memory keeps what a network says; without one nobody asks for it."""
    return "" if memory is None else fingerprint(network)


def _public(network: object) -> dict[str, Any]:
    """Attributes without those that PyTorch keeps in every module."""
    common = vars(nn.Module()).keys() if isinstance(network, nn.Module) else ()
    return {k: v for k, v in getattr(network, "__dict__", {}).items() if k not in common}


def _is_plain(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | bytes | bool | int | float | torch.dtype)
