"""The coordinator for one machine: starts worker processes and replaces dead ones."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from seehear.batch.atomic_output import MakesJob, remove_dead_work
from seehear.batch.deferred_signals import SIGNALS, signals_deferred
from seehear.batch.ledger import Counts, Ledger, is_alive, owner_name
from seehear.batch.worker import work
from seehear.errors import SeehearError, SettingsError

POLL_S = 0.2
MAX_DYING_S = 10.0
MAX_DEATHS_IN_A_ROW = 5  # without a finished job in between
PRELOADED = "seehear.batch.make_request"  # slow to import, and nearly every worker needs it


def begin_importing() -> None:
    """Start the fork server, which imports the workers' modules in the background.

    Workers are forks of this server. It only imports, so it has no threads and holds no locks that
    a fork would copy. Call this early to overlap the imports with the caller's own; otherwise the
    first worker waits for them. Does nothing on systems that cannot fork.
    """
    if not _can_fork():
        return
    from multiprocessing import forkserver

    # Without this, a module that checks for a GPU on import initialises CUDA, which forks cannot
    # use.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    forkserver.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


def _context() -> Any:  # Any: the common base type of the contexts lacks Process
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
    """Run all pending jobs of a ledger with processes of this machine.

    Another worker repeats the job of a killed worker. If this process is killed, its workers
    finish their current jobs and stop; the next call continues with the remaining jobs. If an
    exception ends it, as on a signal, its workers end at once and their jobs are pending again.
    If someone deletes the ledger, it returns early.

    Args:
        folder: Folder with the outputs and the ledger.
        make: Writes the files of a job; pickled for the workers.
        num_workers: Number of processes. 1 runs all jobs in this process.
        on_change: Called about once a second with the current counts.

    Returns:
        The final counts.

    Raises:
        SettingsError: Many workers died in a row without a finished job, the disk is full, or the
            ledger cannot be read or written.
    """
    ledger = Ledger(folder, is_new_allowed=False)
    ledger.release_dead()
    remove_dead_work(folder)
    try:
        if num_workers == 1:
            _work_in_this_process(folder, make, ledger, on_change)
        else:
            _supervise(folder, make, num_workers, ledger, on_change)
        counts = ledger.final_counts()
        on_change(counts)
        return counts
    finally:
        remove_dead_work(folder)
        ledger.close()


def _work_in_this_process(
    folder: Path, make: MakesJob, ledger: Ledger, on_change: Callable[[Counts], None]
) -> None:
    def make_and_report(spec: str, folder: Path) -> None:
        on_change(ledger.counts())
        make(spec, folder)

    work(folder, make_and_report)


def _supervise(
    folder: Path,
    make: MakesJob,
    num_workers: int,
    ledger: Ledger,
    on_change: Callable[[Counts], None],
) -> None:
    context = _context()
    workers: dict[str, _WorkerProcess] = {}
    deaths, done_before, reported_s = 0, ledger.counts().done, 0.0
    try:
        while ledger.is_in_place():
            for owner, worker in list(workers.items()):
                if worker.process.is_alive():
                    continue
                worker.process.join()
                del workers[owner]
                if problem := worker.problem():
                    raise SettingsError(problem)
                if (code := worker.process.exitcode) != 0:
                    ledger.release(owner, f"its worker died with exit code {code}")
                    deaths += 1
            counts = ledger.counts()
            if counts.done > done_before:
                deaths, done_before = 0, counts.done
            if deaths >= MAX_DEATHS_IN_A_ROW * num_workers:
                raise SettingsError(
                    f"{folder}: {deaths} workers died in a row without a finished job; lower "
                    "--workers if memory is short"
                )
            for _ in range(min(num_workers - len(workers), counts.pending)):
                with signals_deferred():  # so that no started worker is forgotten
                    worker = _started(context, folder, make)
                    workers[worker.owner] = worker
            if time.monotonic() - reported_s > 1.0:
                reported_s = time.monotonic()
                on_change(counts)
            # Jobs leased by another coordinator are not waited for.
            if not workers and not counts.pending:
                return
            time.sleep(POLL_S)
    finally:
        with signals_deferred():
            for owner, worker in workers.items():
                worker.end()
                with contextlib.suppress(SettingsError):  # the next coordinator finds it dead
                    ledger.give_back(owner)


@dataclass(frozen=True)
class _WorkerProcess:
    owner: str
    process: BaseProcess
    problems: Connection  # its message, if it cannot go on

    def end(self) -> None:
        """Kill the process and wait until it is dead."""
        self.process.kill()
        self.process.join()  # returns at once if the signal has ended the fork server
        killed_s = time.monotonic()
        while is_alive(self.owner) and time.monotonic() - killed_s < MAX_DYING_S:
            time.sleep(0.01)

    def problem(self) -> str | None:
        """Why a dead worker could not go on; None if it was killed or had nothing to do."""
        try:
            return self.problems.recv() if self.problems.poll() else None
        except EOFError:
            return None


def _started(context: Any, folder: Path, make: MakesJob) -> _WorkerProcess:
    problems, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work_as_child, args=(folder, make, sender))
    process.start()
    sender.close()  # the child has its own
    return _WorkerProcess(owner_name(process.pid), process, problems)


def _work_as_child(folder: Path, make: MakesJob, problems: Connection) -> None:
    for number in SIGNALS:  # they reach the coordinator, too, which ends its workers
        signal.signal(number, signal.SIG_IGN)
    try:
        work(folder, make)
    except SeehearError as error:
        problems.send(str(error))
        sys.exit(1)
