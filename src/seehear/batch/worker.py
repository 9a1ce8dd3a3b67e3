"""A worker: runs jobs from the ledger, one at a time, until none is pending."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from seehear.batch.atomic_output import MakesJob, run_in_work_folder
from seehear.batch.ledger import LEASE_S, Ledger, Row, owner_name
from seehear.errors import SeehearError


def work(folder: Path, make: MakesJob) -> None:
    """Lease and run jobs until the ledger has none pending.

    If the parent process dies, the worker finishes its current job and stops.

    Args:
        folder: Folder with the outputs and the ledger.
        make: Writes the files of a job.
    """
    parent = multiprocessing.parent_process()  # None in the user's own process
    owner = owner_name()
    ledger = Ledger(folder, is_new_allowed=False)
    is_done = threading.Event()
    heartbeat = threading.Thread(target=_extend_lease, args=(folder, owner, is_done), daemon=True)
    heartbeat.start()
    try:
        while parent is None or parent.is_alive():
            row = ledger.take(owner)
            if row is None:
                break
            run_job(ledger, row, owner, partial(run_in_work_folder, folder, owner, row.spec, make))
    finally:
        is_done.set()
        heartbeat.join()
        ledger.release(owner, "was interrupted")  # no effect unless an exception left the loop
        ledger.close()


def run_job(ledger: Ledger, row: Row, owner: str, make: Callable[[], str]) -> None:
    """Run one job and record its outcome in the ledger."""
    began = time.perf_counter()
    try:
        digest = make()
    except SeehearError as error:
        ledger.fail(row.id, owner, str(error))
    except Exception as error:
        # A bug or a lack of memory fails this job; the other jobs go on.
        ledger.fail(row.id, owner, f"{type(error).__name__}: {error}")
    else:
        ledger.finish(row.id, owner, time.perf_counter() - began, digest)


def _extend_lease(folder: Path, owner: str, is_done: threading.Event) -> None:
    """Extend the lease while a job runs."""
    ledger = Ledger(folder, is_new_allowed=False)  # SQLite needs a connection per thread
    while not is_done.wait(LEASE_S / 4):
        ledger.extend(owner)
    ledger.close()
