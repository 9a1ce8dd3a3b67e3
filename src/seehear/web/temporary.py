"""The server's temporary folder, which a later server removes if this one is killed."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "seehear-web-"
_LOCK = "server.lock"  # locked while its server runs; says that a server made the folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder for uploads and outputs, deleted at the end of the block.

    Removes the folders of servers that were killed.
    """
    _remove_leftovers(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        files = Path(folder).resolve() / "files"
        files.mkdir()
        unnamed = Path(folder) / "new"
        with _locked(unnamed, os.O_CREAT | os.O_EXCL):
            unnamed.rename(Path(folder) / _LOCK)  # it is never seen without its lock
            yield files


def _remove_leftovers(place: Path) -> None:
    """Remove folders of this user's servers that no longer run. Others are left alone."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # still running, or removed by another server
            _check_ours(folder, stat.S_ISDIR)
            _check_ours(folder / _LOCK, stat.S_ISREG)
            with _locked(folder / _LOCK):
                shutil.rmtree(folder)


def _check_ours(path: Path, is_kind: Callable[[int], bool]) -> None:
    """Raise OSError if a path is a link, of another kind or of another user."""
    found = path.lstat()
    if not is_kind(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(f"{path}: was not made by a server of this user")


@contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[None]:
    """Hold the lock of a server, which ends with its process. Raises OSError if another has it."""
    number = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | flags, 0o600)
    try:
        _lock(number)
        yield
    finally:
        os.close(number)


def _lock(number: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: open files cannot be removed there
        return
    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
