"""librosa, imported by one process at a time.

Numba compiles librosa's vectorised functions during the import and caches each in two files. Two
processes that compile at the same time can leave files that do not belong together. Every later
process that reads them then ends with a segmentation fault (numba issue 10128).
"""

from contextlib import AbstractContextManager, nullcontext

from filelock import FileLock

from seehear.models.cache import cache_dir


def _import_lock() -> AbstractContextManager[object]:
    """A lock between processes, or no lock where the cache folder is read-only."""
    path = cache_dir() / "librosa.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return nullcontext()
    return FileLock(path)


with _import_lock():
    import librosa

    # librosa loads its modules at the first use of a name.
    _ = librosa.onset.onset_detect, librosa.resample

__all__ = ["librosa"]
