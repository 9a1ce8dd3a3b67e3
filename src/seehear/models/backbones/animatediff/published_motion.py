"""Convert the AnimateDiff authors' motion files (e.g. `mm_sd_v15.ckpt`) to a MotionAdapter.

Source of the key names: the published files of Guo et al. 2023, arXiv:2307.04725. Versions 1 to 3
differ in the number of positions and in whether there is a mid-block module.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import MotionAdapter
from torch import Tensor

from seehear.errors import WeightsError
from seehear.models.weights import read_state_dict

# Patterns of the published names, and their replacements in diffusers' names.
_RENAMED = (
    (re.compile(r"^module\."), ""),
    (re.compile(r"\.temporal_transformer\."), "."),
    (re.compile(r"\.attention_blocks\.0\.pos_encoder\."), ".pos_embed."),
    (re.compile(r"\.attention_blocks\.0\."), ".attn1."),
    (re.compile(r"\.attention_blocks\.1\."), ".attn2."),
    (re.compile(r"\.norms\.0\."), ".norm1."),
    (re.compile(r"\.norms\.1\."), ".norm2."),
    (re.compile(r"\.ff_norm\."), ".norm3."),
)
# The second attention repeats the position table; diffusers keeps only one.
_LEFT_OUT = re.compile(r"attention_blocks\.1\.pos_encoder\.")
HEADS = 8  # attention heads of all published modules


def motion_adapter_from_original(path: Path, *, heads: int = HEADS) -> MotionAdapter:
    """Read a motion file and check that its weights match the adapter.

    Args:
        path: A .ckpt or .safetensors file. Code in it is never run.
        heads: Number of attention heads, which cannot be inferred from the weights.

    Raises:
        WeightsError: The file is not readable or has other contents.
    """
    found = renamed(read_state_dict(path))
    try:
        with torch.device("meta"):
            adapter = MotionAdapter(**_sizes(found), motion_num_attention_heads=heads)
        adapter.load_state_dict(found, assign=True)
    except (RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{path}: expected AnimateDiff's motion modules ({type(error).__name__}: {error}); "
            "pass mm_sd_v14, v15 or v15_v2.ckpt, v3_sd15_mm.ckpt, or a diffusers adapter"
        ) from error
    return adapter


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The motion weights by their diffusers names; all other weights are dropped."""
    found = {}
    for key, tensor in state.items():
        if "motion_modules." not in key or _LEFT_OUT.search(key):
            continue
        for pattern, name in _RENAMED:
            key = pattern.sub(name, key)
        found[key] = tensor
    return found


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The adapter's configuration, inferred from its weights."""
    norm = re.compile(r"^down_blocks\.(\d+)\.motion_modules\.(\d+)\.norm\.weight$")
    widths: dict[int, int] = {}
    layers = 0
    for key, tensor in state.items():
        if match := norm.match(key):
            widths[int(match[1])] = len(tensor)
            layers = max(layers, int(match[2]) + 1)
    positions = next(t.shape[1] for key, t in state.items() if key.endswith("pos_embed.pe"))
    return {
        "block_out_channels": tuple(widths[block] for block in sorted(widths)),
        "motion_layers_per_block": layers,
        "motion_max_seq_length": positions,
        "use_motion_mid_block": any(key.startswith("mid_block.") for key in state),
        "motion_norm_num_groups": min(32, *widths.values()),
    }
