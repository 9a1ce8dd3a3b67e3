"""A worker: takes one job after the other from the ledger until none is left."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from seehear.batch.atomic_output import MakesJob, made_in
from seehear.batch.ledger import LEASE_S, Ledger, Row, owner_name
from seehear.errors import SeehearError


def work(folder: Path, make: MakesJob) -> None:
    """Take and make jobs until the ledger has none to give.

    Once the process that began this one is gone, the job at hand is finished and no other is begun.

    Args:
        folder: Of outputs and ledger.
        make: What makes the files of a job.
    """
    parent = multiprocessing.parent_process()  # None in a process that the user began
    owner = owner_name()
    ledger = Ledger(folder, is_new_allowed=False)
    is_over = threading.Event()
    pulse = threading.Thread(target=_pulse, args=(folder, owner, is_over), daemon=True)
    pulse.start()
    try:
        while parent is None or parent.is_alive():
            row = ledger.take(owner)
            if row is None:
                break
            do(ledger, row, owner, partial(made_in, folder, owner, row.spec, make))
    finally:
        is_over.set()
        pulse.join()
        ledger.release(owner, "was interrupted")  # nothing, unless something broke out above
        ledger.close()


def do(ledger: Ledger, row: Row, owner: str, make: Callable[[], str]) -> None:
    """Make one job and write down what came of it."""
    began = time.perf_counter()
    try:
        digest = make()
    except SeehearError as error:
        ledger.fail(row.id, owner, str(error))
    except Exception as error:
        # A bug, or a machine out of memory: no reason to lose the other jobs of the night.
        ledger.fail(row.id, owner, f"{type(error).__name__}: {error}")
    else:
        ledger.finish(row.id, owner, time.perf_counter() - began, digest)


def _pulse(folder: Path, owner: str, is_over: threading.Event) -> None:
    """Keep the lease alive while a long job is made. SQLite wants a connection per thread."""
    ledger = Ledger(folder, is_new_allowed=False)
    while not is_over.wait(LEASE_S / 4):
        ledger.extend(owner)
    ledger.close()
