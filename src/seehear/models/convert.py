"""Convert published checkpoints to folders of safetensors."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from seehear.errors import SettingsError
from seehear.media import replacing
from seehear.models.backbones.animatediff.published_motion import motion_adapter_from_original
from seehear.models.binders.imagebind.towers import MODALITIES, towers_from_state
from seehear.models.cache import SAFE_SUFFIX
from seehear.models.weights import read_state_dict


def convert(source: Path, target: Path, *, dtype: torch.dtype | None = None) -> Path:
    """Convert a published weight file to safetensors, without unused weights.

    ImageBind keeps only its vision, audio and text towers. A motion file of AnimateDiff becomes the
    folder of a diffusers MotionAdapter.

    Args:
        source: imagebind_huge.pth, a motion file, or any file of named tensors.
        target: A .safetensors file, or a folder for motion modules.
        dtype: Data type to store; None keeps the original.

    Returns:
        The path of the converted file or folder.

    Raises:
        WeightsError: The source cannot be read, or it has unexpected contents.
        SettingsError: The target must be a folder or a .safetensors file, and is not.
    """
    state = read_state_dict(source)
    if any("motion_modules." in key for key in state):
        if target.suffix:
            raise SettingsError(
                f"{target}: expected a folder for a motion adapter, got a file name"
            )
        adapter = motion_adapter_from_original(source)
        if dtype is not None:
            adapter.to(dtype=dtype)  # type: ignore[call-arg]  # a decorator hides `self`
        adapter.save_pretrained(target)
        return target
    if target.suffix != SAFE_SUFFIX:
        raise SettingsError(f"{target}: expected a file name that ends in {SAFE_SUFFIX}")
    licence = {}
    if any(key.startswith("modality_trunks.") for key in state):
        towers_from_state(
            state, heads=dict.fromkeys(MODALITIES, 1)
        )  # raises if a weight is missing
        state = {k: v for k, v in state.items() if any(f".{m}." in k for m in MODALITIES)}
        licence = {"licence": "cc-by-nc-sa-4.0"}
    target.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        k: (v if dtype is None or not v.is_floating_point() else v.to(dtype)).contiguous()
        for k, v in state.items()
    }
    with replacing(target) as temporary:
        save_file(stored, temporary, {"format": "pt", **licence})
    return target
