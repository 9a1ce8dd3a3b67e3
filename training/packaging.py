"""Put trained models into the package: half precision, clean configs, an index."""

import json
from pathlib import Path

from training.world.pictures import CACHE

POCKET = CACHE.parent / "src" / "seehear" / "data" / "pocket"


def finished(folder: Path, index: dict) -> None:
    """Write the index of a checkpoint whose components are saved, and list its weights."""
    for path in folder.glob("*/config.json"):  # the libraries note the folder they read from
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for path in sorted(folder.rglob("*.safetensors")):
        print(path.relative_to(folder), f"{path.stat().st_size / 1e6:.2f} MB")
