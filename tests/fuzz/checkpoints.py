"""Mutations of the files of small checkpoints: JSON, tokenizers and the headers of weights."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

import torch
from tests.fuzz.mutate import check_message, mutated_bytes, mutated_json
from tests.small_family import write_small, write_small_video

from seehear.errors import SeehearError
from seehear.guidance.protocols import Backbone
from seehear.models import backbones

HEADER_BYTES = 4096  # of a weight file


def cases(seed: int) -> Iterator[bytes]:
    """Mutated files of a checkpoint; the first line is the path of the file."""
    rng, files = Random(seed), _files()
    while True:
        name, data = rng.choice(files)
        if name.endswith(".json") and rng.random() < 0.8:
            changed = mutated_json(json.loads(data), rng)
        else:
            changed = mutated_bytes(data[:HEADER_BYTES], rng) + data[HEADER_BYTES:]
        yield name.encode() + b"\n" + changed


def check(data: bytes, folder: Path) -> None:
    """Load a checkpoint with one changed file; the other files are links."""
    name, _, content = data.partition(b"\n")
    kind, _, inner = name.decode().partition("/")
    shutil.copytree(_checkpoints(), folder / "models", copy_function=os.symlink)
    path = folder / "models" / kind / inner
    path.unlink()
    path.write_bytes(content)
    try:
        model = backbones.load(folder / "models" / kind, kind, local_files_only=True)
        _use(model)
    except SeehearError as error:
        check_message(str(error))


def _use(model: Backbone) -> None:
    """One denoising step of a short clip."""
    level = model.levels(2)[0]
    y = model.embed_prompt(["rain on a roof"])
    z = model.prior(0.2, 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.decode(model.predict(z, level, y, 2.0).x0)


@lru_cache(maxsize=1)
def _checkpoints() -> Path:
    """A folder with a small checkpoint for audio and one for video."""
    folder = Path(tempfile.mkdtemp(prefix="seehear-fuzz-"))
    write_small(folder)
    write_small_video(folder)
    return folder


@lru_cache(maxsize=1)
def _files() -> tuple[tuple[str, bytes], ...]:
    root = _checkpoints()
    return tuple(
        (path.relative_to(root).as_posix(), path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] in ("audio", "video")
    )
