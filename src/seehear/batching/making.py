"""How one job becomes files, and how files appear: whole, or not at all."""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seehear.batching.ledger import is_alive
from seehear.batching.lists import Entry
from seehear.outputs import Result, file_sha256
from seehear.tasks import Studio, load

WORK = ".work"  # folder below the outputs; a folder in it for every owner


@runtime_checkable
class Makes(Protocol):
    """Makes the files of a job in a folder. Sent to every worker, so it holds plain values."""

    def __call__(self, spec: str, folder: Path) -> None:
        """Write all files of a job into an empty folder.

        Raises:
            SeehearError: It can't be done, and trying again would not help.
        """
        ...


@dataclass(frozen=True)
class MakesOrders:
    """Makes orders with a family of models that is loaded once, when the first job comes."""

    models: str = "pocket"
    options: Mapping[str, Any] = field(default_factory=dict)  # of `seehear.tasks.load`
    threads: int | None = 1  # of PyTorch, in each worker
    _studio: list[Studio] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, spec: str, folder: Path) -> None:
        """Make media and manifest; errors as `Order.job` and `Result.save`."""
        entry = Entry.from_plain(spec)
        result = entry.order.make(self.studio())
        entry.order.save(timeless(result), folder / entry.output)

    def studio(self) -> Studio:
        """The models, loaded when first asked for."""
        if not self._studio:
            import torch

            if self.threads is not None:
                torch.set_num_threads(self.threads)
            self._studio.append(load(self.models, **self.options))
        return self._studio[0]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_studio": []}  # models are not sent


def timeless(result: Result) -> Result:
    """A result whose manifest doesn't say how long steps took: the same job gives the same bytes.

    How long each job took is in the ledger.
    """
    volatile = ("seconds", "align_seconds")
    trace = [{k: v for k, v in step.items() if k not in volatile} for step in result.trace]
    return replace(result, trace=trace)


def made_in(folder: Path, owner: str, spec: str, make: Makes) -> str:
    """Make a job in a folder of its own, then move its files to their place.

    The manifest is moved last: whoever sees it sees the media, too.

    Returns:
        SHA-256 of the largest file that is not a manifest, or of the manifest alone.
    """
    work = work_folder(folder, owner)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        make(spec, work)
        files = sorted(work.iterdir(), key=lambda path: (path.suffix == ".json", path.name))
        media = [path for path in files if path.suffix != ".json"] or files
        digest = file_sha256(max(media, key=lambda path: path.stat().st_size)) if media else ""
        for path in files:
            path.replace(folder / path.name)
        return digest
    finally:
        shutil.rmtree(work, ignore_errors=True)


def work_folder(folder: Path, owner: str) -> Path:
    """Where an owner makes what is not finished yet."""
    return folder / WORK / owner.replace(":", "_")


def sweep(folder: Path) -> None:
    """Remove what owners who no longer live left unfinished."""
    for left in (folder / WORK).glob("*"):
        if not is_alive(":".join(left.name.rsplit("_", 2))):
            shutil.rmtree(left, ignore_errors=True)
    with contextlib.suppress(OSError):  # somebody else still has a folder in it, or it is gone
        (folder / WORK).rmdir()
