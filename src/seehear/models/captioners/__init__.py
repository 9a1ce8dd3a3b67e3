"""Captioners: a text from an image or from audio.

The nearest phrase in the binder's space (`phrase_bank`) needs no extra weights. The others are
transformers models, chosen by `model_type` in their config.json.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import torch

from seehear.errors import WeightsError
from seehear.guidance.protocols import CaptionsAudio, CaptionsImages
from seehear.models import plugins
from seehear.models.cache import CAPTIONER_FILES, read_json
from seehear.models.catalogue import find_model
from seehear.models.weights import download, matching_parts

Captioner = CaptionsImages | CaptionsAudio
# Modules of this package by `model_type`. They are imported on use, because they import much of
# transformers.
_BY_TYPE: Mapping[str, str] = {
    "blip": "blip",
    "qwen2_vl": "qwen_vl",
    "qwen2_5_vl": "qwen_vl",
    "qwen3_vl": "qwen_vl",
    "qwen2_audio": "qwen_audio",
}


def load(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    lean: bool = False,
    local_files_only: bool = False,
) -> Captioner:
    """Load a captioner.

    Args:
        source: A folder, a hub name, a name of `seehear models list` such as "blip", or the name
            of an entry point of `seehear.captioners`: a module with `load(*, device, dtype, lean)`.
        device: Device of the network.
        dtype: Data type of the network.
        lean: Offload the network to the CPU after every caption.
        local_files_only: Never use the network.

    Raises:
        WeightsError: There is no such model, or it is not a captioner.
    """
    if is_external(source):
        module = plugins.find(plugins.CAPTIONERS, str(source))
        return module.load(device=device, dtype=dtype, lean=lean)
    folder = folder_of(source, local_files_only=local_files_only)
    kind = str(read_json(folder / "config.json").get("model_type"))
    if kind not in _BY_TYPE:
        raise WeightsError(
            f"{source}: expected a captioner with the model_type {', '.join(_BY_TYPE)}, got "
            f"{kind!r:.60}; pass another model with --captioner"
        )
    module = import_module(f"{__name__}.{_BY_TYPE[kind]}")
    with matching_parts(source):
        return module.load(folder, device=device, dtype=dtype, lean=lean)


def is_external(source: str | Path) -> bool:
    """Whether another package registers a captioner with this name."""
    return not Path(source).exists() and str(source) in plugins.external(plugins.CAPTIONERS)


def folder_of(source: str | Path, *, local_files_only: bool = False) -> Path:
    """Folder of a captioner, downloaded if necessary; arguments and errors as in `load`."""
    folder = Path(source)
    if folder.is_dir():
        return folder
    entry = find_model(source)
    name = entry.source if entry else str(source)
    return download(name, CAPTIONER_FILES, local_files_only=local_files_only)
