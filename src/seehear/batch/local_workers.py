"""The coordinator for one machine: begins processes, begins them again when they die."""

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from seehear.batch.atomic_output import MakesJob, sweep
from seehear.batch.ledger import Counts, Ledger, owner_name
from seehear.batch.worker import work
from seehear.errors import SettingsError

POLL_S = 0.2
MAX_DEATHS_IN_A_ROW = 5  # of workers, without a job done in between
PRELOADED = "seehear.batch.make_request"  # what takes long to import and nearly every worker needs


def begin_importing() -> None:
    """Begin to import what workers need, beside this process and before it does the same.

    Workers are forks of one fresh process that has imported, and has done nothing else, so there
    are no threads and no locks to copy half-way. Called early, this hides the seconds that the
    imports take behind those of the caller; where it is not called, the first worker waits. Does
    nothing on systems that cannot fork.
    """
    if not _can_fork():
        return
    from multiprocessing import forkserver

    # Otherwise a module that asks for a GPU while it is imported spoils it for the forks.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    forkserver.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


def _context() -> Any:  # what the kinds of contexts have in common lacks Process, for type checkers
    begin_importing()
    return multiprocessing.get_context("forkserver" if _can_fork() else "spawn")


def _can_fork() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


def run_processes(
    folder: Path,
    make: MakesJob,
    num_workers: int,
    on_change: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """Make all pending jobs of a ledger with processes of this machine.

    What a killed worker had is made again by another one. If this process itself is killed, its
    workers finish what they are at and stop; called again it goes on where it was.

    Args:
        folder: Of outputs and ledger.
        make: Makes the files of a job; sent to the workers.
        num_workers: How many processes. 1 makes everything in this process itself.
        on_change: Called about once a second with how far things are.

    Returns:
        How it ended.

    Raises:
        SettingsError: Workers die as soon as they begin.
    """
    ledger = Ledger(folder, is_new_allowed=False)
    ledger.release_dead()
    sweep(folder)
    try:
        if num_workers == 1:
            _work_here(folder, make, ledger, on_change)
        else:
            _supervise(folder, make, num_workers, ledger, on_change)
        counts = ledger.counts()
        on_change(counts)
        return counts
    finally:
        sweep(folder)
        ledger.close()


def _work_here(
    folder: Path, make: MakesJob, ledger: Ledger, on_change: Callable[[Counts], None]
) -> None:
    def telling(spec: str, folder: Path) -> None:
        on_change(ledger.counts())
        make(spec, folder)

    work(folder, telling)


def _supervise(
    folder: Path,
    make: MakesJob,
    num_workers: int,
    ledger: Ledger,
    on_change: Callable[[Counts], None],
) -> None:
    context = _context()
    workers: dict[str, BaseProcess] = {}
    deaths, done_before, told = 0, ledger.counts().done, 0.0
    try:
        while True:
            for owner, process in list(workers.items()):
                if process.is_alive():
                    continue
                process.join()
                del workers[owner]
                if process.exitcode != 0:
                    ledger.release(owner, f"its worker died with exit code {process.exitcode}")
                    deaths += 1
            counts = ledger.counts()
            if counts.done > done_before:
                deaths, done_before = 0, counts.done
            if deaths >= MAX_DEATHS_IN_A_ROW * num_workers:
                raise SettingsError(
                    f"{folder}: {deaths} workers died one after the other and no job was done; "
                    "is there enough memory for so many? Lower --workers"
                )
            for _ in range(min(num_workers - len(workers), counts.pending)):
                process = context.Process(target=work, args=(folder, make))
                process.start()
                assert process.pid is not None
                workers[owner_name(process.pid)] = process
            if time.monotonic() - told > 1.0:
                told = time.monotonic()
                on_change(counts)
            # Jobs that somebody else has are waited for only by whoever has them.
            if not workers and not counts.pending:
                return
            time.sleep(POLL_S)
    except BaseException:
        for owner, process in workers.items():
            process.kill()
            process.join()
            ledger.release(owner)
        raise
