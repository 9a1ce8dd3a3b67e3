"""Reads tests/data/golden: the README there says what the arrays are and whence they come."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import pre_tokenizers
from torch import Tensor

from seehear.models.binders.imagebind import ImageBind, ImageBindConfig
from seehear.models.binders.imagebind.tokenizer import Tokenizer
from seehear.models.binders.imagebind.towers import ImageBindTowers, towers_from_state

FOLDER = Path(__file__).parent / "data" / "golden"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@cache
def arrays(name: str) -> dict[str, Tensor]:
    with np.load(FOLDER / name) as file:
        return {key: torch.from_numpy(file[key]) for key in file}


def settings(name: str) -> dict:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def bytes_of(entry: dict) -> Tensor:
    """The pictures of an entry, uint8, created again by its recipe."""
    shape = tuple(entry["shape"])
    generator = np.random.default_rng(entry["seed"])
    small = (*shape[:-2], 7, 7)
    coarse = np.frombuffer(generator.bytes(int(np.prod(small))), np.uint8).reshape(small)
    fine = np.frombuffer(generator.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    blocks = coarse.astype(np.int64).repeat(32, axis=-2).repeat(32, axis=-1)
    u8 = np.clip(blocks + (fine % 65).astype(np.int64) - 32, 0, 255).astype(np.uint8)
    assert hashlib.sha256(u8.tobytes()).hexdigest() == entry["sha256_u8"]
    return torch.from_numpy(u8)


def pixels(entry: dict) -> Tensor:
    """The normalised pictures of an entry, float64."""
    unit = bytes_of(entry).double() / 255
    shape = [1] * unit.ndim
    shape[entry["channel_axis"]] = 3
    mean, std = (torch.tensor(v, dtype=torch.float64).view(shape) for v in (MEAN, STD))
    return (unit - mean) / std


def imagebind_state() -> dict[str, Tensor]:
    state = load_file(FOLDER / "imagebind" / "state_dict.safetensors")
    table = arrays("imagebind/text_table.npz")
    embedding = torch.zeros(tuple(table["shape"].tolist()), dtype=torch.float64)
    embedding[table["ids"]] = table["rows"].double()
    return state | {"modality_preprocessors.text.token_embedding.weight": embedding}


def imagebind_heads() -> dict[str, int]:
    config = settings("imagebind/config.json")
    return {m: config[m]["heads"] for m in ("vision", "audio", "text")}


@cache
def imagebind_towers() -> ImageBindTowers:
    return towers_from_state(imagebind_state(), heads=imagebind_heads(), dtype=torch.float64)


def write_letters(folder: Path) -> Path:
    """A folder in CLIP's vocabulary format that knows single letters and no merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += [f"unused {i}" for i in range(49_406 - len(tokens))]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def imagebind(
    clip_duration_s: float, num_clips: int, tokenizer: Tokenizer | None = None
) -> ImageBind:
    config = ImageBindConfig(
        clip_duration_s=clip_duration_s, num_clips=num_clips, num_video_clips=2, crop="squash"
    )
    return ImageBind(
        imagebind_towers(), config, tokenizer, mel_bank=arrays("imagebind/tables.npz")["mel_bank"]
    )
