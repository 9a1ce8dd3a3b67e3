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
    """Turn a published file into safetensors, without a pickle and without what is not needed.

    ImageBind loses the towers that are not used; one of AnimateDiff's motion files becomes the
    folder of a diffusers MotionAdapter.

    Args:
        source: imagebind_huge.pth, a motion file, or any file of named tensors.
        target: A .safetensors file, or for motion modules a folder.
        dtype: What to store; None: as it is.

    Returns:
        What was written.

    Raises:
        WeightsError: The source cannot be read, or holds something else than its name says.
        SettingsError: The target is of the wrong kind.
    """
    state = read_state_dict(source)
    if any("motion_modules." in key for key in state):
        if target.suffix:
            raise SettingsError(f"{target}: expected the name of a folder for a motion adapter")
        adapter = motion_adapter_from_original(source)
        if dtype is not None:
            adapter.to(dtype=dtype)  # type: ignore[call-arg]  # a decorator hides `self`
        adapter.save_pretrained(target)
        return target
    if target.suffix != SAFE_SUFFIX:
        raise SettingsError(f"{target}: expected a name that ends in {SAFE_SUFFIX}")
    licence = {}
    if any(key.startswith("modality_trunks.") for key in state):
        towers_from_state(state, heads=dict.fromkeys(MODALITIES, 1))  # is anything missing?
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
