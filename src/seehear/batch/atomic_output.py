"""Run a job so that its files appear in the output folder complete or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from seehear.batch.ledger import is_alive, owner_name
from seehear.batch.ledger_check import WORK, is_owner
from seehear.hashes import file_sha256
from seehear.media.track import EFFECTS, ORIGINAL

_PREFIX = "seehear-"  # of temporary folders


@runtime_checkable
class MakesJob(Protocol):
    """Writes the files of a job to a folder. Must be picklable for the workers."""

    def __call__(self, spec: str, folder: Path) -> None:
        """Write all files of a job into an empty folder.

        Raises:
            SeehearError: The job cannot be done, and a retry would not help.
        """
        ...


def run_in_work_folder(folder: Path, owner: str, spec: str, make: MakesJob) -> str:
    """Run a job in its own work folder, then move its files to the output folder.

    The manifest is moved last, so a visible manifest implies complete media.

    Returns:
        SHA-256 of the largest media file; of the manifest if the job wrote no media.
    """
    work = work_folder(folder, owner)
    shutil.rmtree(work, ignore_errors=True)
    work.parent.mkdir(exist_ok=True)  # not its parents: the user may have deleted the folder
    work.mkdir()
    try:
        make(spec, work)
        files = sorted(work.iterdir(), key=lambda path: (path.suffix == ".json", path.name))
        media = [path for path in files if path.suffix != ".json"] or files
        # Stems are larger than the video that they are parts of.
        media = [path for path in media if not path.name.endswith((EFFECTS, ORIGINAL))] or media
        digest = file_sha256(max(media, key=lambda path: path.stat().st_size)) if media else ""
        for path in files:
            path.replace(folder / path.name)
        return digest
    finally:
        shutil.rmtree(work, ignore_errors=True)


def work_folder(folder: Path, owner: str) -> Path:
    """The folder for the unfinished files of an owner."""
    return folder / WORK / owner.replace(":", "_")


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of this process outside the output folder, with its owner in the name."""
    owner = owner_name().replace(":", "_")
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{owner}-") as folder:
        yield Path(folder)


def remove_dead_temporaries() -> None:
    """Remove the temporary folders of dead owners on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_dead(folder, folder.name.removeprefix(_PREFIX).rpartition("-")[0])


def remove_dead_work(folder: Path) -> None:
    """Remove the work folders of dead owners. Other files there are left alone."""
    for work in (folder / WORK).glob("*"):
        _remove_if_dead(work, work.name)
    with contextlib.suppress(OSError):  # not empty, or already removed
        (folder / WORK).rmdir()


def _remove_if_dead(folder: Path, name: str) -> None:
    owner = ":".join(name.rsplit("_", 2))
    if is_owner(owner) and not is_alive(owner):
        shutil.rmtree(folder, ignore_errors=True)
