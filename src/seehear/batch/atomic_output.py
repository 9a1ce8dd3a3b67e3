"""How one job becomes files, and how files appear: whole, or not at all."""

import contextlib
import shutil
from pathlib import Path
from typing import Protocol, runtime_checkable

from seehear.batch.ledger import is_alive
from seehear.hashes import file_sha256

WORK = ".work"  # folder below the outputs; a folder in it for every owner


@runtime_checkable
class MakesJob(Protocol):
    """Makes the files of a job in a folder. Sent to every worker, so it holds plain values."""

    def __call__(self, spec: str, folder: Path) -> None:
        """Write all files of a job into an empty folder.

        Raises:
            SeehearError: It can't be done, and trying again would not help.
        """
        ...


def made_in(folder: Path, owner: str, spec: str, make: MakesJob) -> str:
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
