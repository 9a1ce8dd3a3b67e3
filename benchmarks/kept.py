"""Batches of earlier runs of a benchmark, so that a row of a table can grow or continue."""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from seehear.guidance.streams import Stream
from seehear.hashes import file_sha256
from seehear.models.catalogue import Part
from seehear.models.families import Family

Made = dict[Stream, Tensor]


@dataclass(frozen=True)
class Kept:
    """A folder of batches; those of other code, weights or settings are never found in it."""

    folder: Path
    made_by: str

    @classmethod
    def of(cls, folder: Path | None, family: Family, parts: Sequence[Part]) -> "Kept | None":
        """The batches of this code and these weights; None without a folder."""
        if folder is None:
            return None
        weights = [weight["sha256"] for weight in family.weights(parts)]
        return cls(folder, digest([torch.__version__, *weights, *map(file_sha256, code())]))

    def batch(self, of: object, make: Callable[[], tuple[Made, float]]) -> tuple[Made, float]:
        """A batch and the seconds that it took, from the folder if it is there.

        Args:
            of: All that decides it: settings, words, tensors, and dataclasses and lists of them.
            make: Makes it.
        """
        path = self.folder / f"{digest([self.made_by, of])}.safetensors"
        if not path.exists():
            made, seconds = make()
            self.folder.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            save_file(
                {stream: media.contiguous() for stream, media in made.items()},
                new,
                {"seconds": repr(seconds)},
            )
            new.rename(path)  # never half a batch
        with safe_open(path, "pt") as file:
            streams = file.keys()
            return {s: file.get_tensor(s) for s in streams}, float(file.metadata()["seconds"])


def code() -> list[Path]:
    """The files of all that is loaded of seehear, but for metrics, which come afterwards."""
    files = {
        Path(module.__file__)
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "seehear"
        and not name.startswith("seehear.metrics")
        and module.__file__
    }
    return [*sorted(files), Path(__file__).with_name("sampler.py")]


def digest(value: object) -> str:
    """SHA-256 of a value by its content."""
    found = hashlib.sha256()
    for part in _bytes_of(value):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def _bytes_of(value: object) -> Iterator[bytes]:
    yield type(value).__name__.encode()
    if isinstance(value, Tensor):
        yield str((value.dtype, tuple(value.shape))).encode()
        yield value.contiguous().numpy().tobytes()
    elif is_dataclass(value):
        for field in fields(value):
            yield from _bytes_of(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _bytes_of(sorted(value.items()))
    elif isinstance(value, list | tuple):
        yield str(len(value)).encode()
        for item in value:
            yield from _bytes_of(item)
    else:
        yield repr(value).encode()
