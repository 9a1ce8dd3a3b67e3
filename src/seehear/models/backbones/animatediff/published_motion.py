"""AnimateDiff's own motion files (`mm_sd_v15.ckpt` and the like) as a diffusers MotionAdapter.

Source of the key names: the published files of Guo et al. 2023, arXiv:2307.04725. Versions 1 to 3
differ in how many positions they have and in whether there is a module in the middle.
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

# Published names and what diffusers calls the same weights.
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
# The second attention has the same table of positions: diffusers keeps one.
_LEFT_OUT = re.compile(r"attention_blocks\.1\.pos_encoder\.")
HEADS = 8  # of every published module


def motion_adapter_from_original(path: Path, *, heads: int = HEADS) -> MotionAdapter:
    """Read a motion file and check that every weight has found its place.

    Args:
        path: A .ckpt or .safetensors file; no code in it is run.
        heads: Attention heads, which the weights do not tell.

    Raises:
        WeightsError: The file is not readable or holds something else.
    """
    found = renamed(read_state_dict(path))
    try:
        with torch.device("meta"):
            adapter = MotionAdapter(**_sizes(found), motion_num_attention_heads=heads)
        adapter.load_state_dict(found, assign=True)
    except (RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{path}: expected AnimateDiff's motion modules ({type(error).__name__}: {error}); "
            "give mm_sd_v14, v15 or v15_v2.ckpt, v3_sd15_mm.ckpt, or an adapter of diffusers"
        ) from error
    return adapter


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Motion weights by diffusers' names; whatever else the file holds is left out."""
    found = {}
    for key, tensor in state.items():
        if "motion_modules." not in key or _LEFT_OUT.search(key):
            continue
        for pattern, name in _RENAMED:
            key = pattern.sub(name, key)
        found[key] = tensor
    return found


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The adapter's options, read off its weights."""
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
