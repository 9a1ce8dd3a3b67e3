"""Put trained models into the package: half precision, clean configs, an index, hashes.

`python -m training.packaging` writes the hashes again, after heads, ear, eye or judge were trained.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from seehear.hashes import file_sha256
from training.world.pictures import CACHE

POCKET = CACHE.parent / "src" / "seehear" / "data" / "pocket"

# The licence as software reads it; the card itself is that of the whole family.
CARD = "---\nlicense: apache-2.0\n---\n\nPart of the pocket family of seehear: see ../README.md.\n"


def save_half(model: Any, folder: Path) -> None:
    """Save a network in float16, which backbones convert, without the folder it was read from."""
    model.half().save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def save_scaled(vae: AutoencoderKL, sample: Tensor, folder: Path) -> None:
    """Save an autoencoder with the factor that scales the latents of `sample` to unit variance."""
    with torch.no_grad():
        latents = torch.cat([vae.encode(part).latent_dist.mode() for part in sample.split(16)])
    vae.register_to_config(scaling_factor=float(1 / latents.std()))
    vae.save_pretrained(folder)


def finished(folder: Path, index: dict) -> None:
    """Write the index of a checkpoint whose components are saved, and list its weights."""
    (folder / "README.md").write_text(CARD)
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for path in sorted(folder.rglob("*.safetensors")):
        print(path.relative_to(folder), f"{path.stat().st_size / 1e6:.2f} MB")
    list_hashes()


def list_hashes() -> None:
    """Write the SHA-256 of every shipped weight file, as `sha256sum` would."""
    paths = sorted(POCKET.rglob("*.safetensors"))
    rows = [f"{file_sha256(path)}  {path.relative_to(POCKET).as_posix()}\n" for path in paths]
    (POCKET / "SHA256SUMS").write_text("".join(rows))


if __name__ == "__main__":
    list_hashes()
