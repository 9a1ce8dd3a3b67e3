"""A worker: runs jobs from the ledger, one at a time, until none is pending."""

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from seehear.batch.atomic_output import MakesJob, run_in_work_folder
from seehear.batch.ledger import (
    LEASE_S,
    Ledger,
    Row,
    disk_full_text,
    is_disk_full,
    owner_name,
)
from seehear.errors import SeehearError, SettingsError


def work(folder: Path, make: MakesJob) -> None:
    """Lease and run jobs until the ledger has none pending.

    If the parent process dies, or someone deletes the ledger, the worker finishes its current job
    and stops.

    Args:
        folder: Folder with the outputs and the ledger.
        make: Writes the files of a job.

    Raises:
        SettingsError: The disk is full, or the ledger cannot be read or written.
    """
    parent = multiprocessing.parent_process()  # None in the user's own process
    owner = owner_name()
    ledger = Ledger(folder, is_new_allowed=False)
    is_done = threading.Event()
    heartbeat = threading.Thread(target=_extend_lease, args=(folder, owner, is_done), daemon=True)
    heartbeat.start()
    try:
        ledger.give_back(owner)  # kept by an earlier call, when the disk was full
        while (parent is None or parent.is_alive()) and ledger.is_in_place():
            row = ledger.take(owner)
            if row is None:
                break
            run_job(ledger, row, owner, partial(run_in_work_folder, folder, owner, row.spec, make))
    finally:
        is_done.set()
        heartbeat.join()
        # No effect unless an exception left the loop. A ledger that cannot be written keeps the
        # lease of this process, and the next coordinator finds it dead.
        with contextlib.suppress(SettingsError):
            ledger.give_back(owner)
        ledger.close()


def run_job(ledger: Ledger, row: Row, owner: str, make: Callable[[], str]) -> None:
    """Run one job and record its outcome in the ledger.

    Raises:
        SettingsError: The disk is full. The other jobs would fail, too, so the job has no outcome.
    """
    began = time.perf_counter()
    try:
        digest = make()
    except Exception as error:
        if is_disk_full(error):
            raise SettingsError(disk_full_text(ledger.folder)) from error
        # A bug or a lack of memory fails this job; the other jobs go on.
        name = "" if isinstance(error, SeehearError) else f"{type(error).__name__}: "
        ledger.fail(row.id, owner, f"{name}{error}")
    else:
        ledger.finish(row.id, owner, time.perf_counter() - began, digest)


def _extend_lease(folder: Path, owner: str, is_done: threading.Event) -> None:
    """Extend the lease while a job runs."""
    ledger = Ledger(folder, is_new_allowed=False)  # SQLite needs a connection per thread
    while not is_done.wait(LEASE_S / 4):
        with contextlib.suppress(SettingsError):  # the worker meets the error, too
            ledger.extend(owner)
    ledger.close()
