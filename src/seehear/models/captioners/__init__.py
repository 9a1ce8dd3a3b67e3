"""From a picture or a sound to words. The binder's nearest phrase needs no further weights;
the others are networks of transformers, told apart by their own config.json.
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
from seehear.models.weights import download

Captioner = CaptionsImages | CaptionsAudio
# Modules of this package, imported when wanted: they bring much of transformers.
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
        source: A folder, a name on the hub, a name of `seehear models list` such as "blip", or
            that of an entry point of `seehear.captioners`, a module with
            `load(*, device, dtype, lean)`.
        device: Where to put it.
        dtype: What it computes in.
        lean: It leaves the device after every sentence.
        local_files_only: Never use the network.

    Raises:
        WeightsError: There is no such model, or it is none that describes.
    """
    if is_external(source):
        module = plugins.find(plugins.CAPTIONERS, str(source))
        return module.load(device=device, dtype=dtype, lean=lean)
    folder = folder_of(source, local_files_only=local_files_only)
    kind = str(read_json(folder / "config.json").get("model_type"))
    if kind not in _BY_TYPE:
        raise WeightsError(
            f"{source}: expected a model of the kinds {', '.join(_BY_TYPE)}, which describe "
            f"pictures or sounds, got {kind!r}"
        )
    module = import_module(f"{__name__}.{_BY_TYPE[kind]}")
    return module.load(folder, device=device, dtype=dtype, lean=lean)


def is_external(source: str | Path) -> bool:
    """Whether another package registers a captioner of that name."""
    return not Path(source).exists() and str(source) in plugins.external(plugins.CAPTIONERS)


def folder_of(source: str | Path, *, local_files_only: bool = False) -> Path:
    """Where a captioner's files lie, fetched if need be; arguments and errors as `load`."""
    folder = Path(source)
    if folder.is_dir():
        return folder
    entry = find_model(source)
    name = entry.source if entry else str(source)
    return download(name, CAPTIONER_FILES, local_files_only=local_files_only)
