"""The coordinator for a Ray cluster: actors load the models once and run jobs.

Ray places the actors, assigns GPUs or fractions of them, restarts dead actors and transfers data.
The ledger has the owner of each job. Only the coordinator writes files and the ledger, so the
outputs need no shared disk. Inputs are read on the actors' machines.

Actors outlive a killed coordinator: they finish their current job and keep its files for the next
coordinator, which adopts them. Without a coordinator they exit.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seehear.batch.atomic_output import (
    MakesJob,
    remove_dead_temporaries,
    remove_dead_work,
    run_in_work_folder,
    temporary_folder,
)
from seehear.batch.deferred_signals import SIGNALS, signals_deferred
from seehear.batch.ledger import LEASE_S, MAX_ATTEMPTS, Counts, Ledger, Row, owner_name
from seehear.batch.worker import run_job
from seehear.errors import SeehearError, SettingsError

LOCAL = "local"  # in place of an address: a temporary cluster on this machine
NAMESPACE = "seehear"  # of the actors' names
PATIENCE_S = 600.0  # an idle actor exits after so long without a ping
PING_S = 60.0

Outcome = dict[str, bytes] | str  # the files of a job by name, or an error message


class Worker:
    """Runs jobs and returns their files."""

    def __init__(self, make: MakesJob):
        self.make = make
        self.last: tuple[str, Outcome] | None = None
        self.is_busy, self.pinged_s = False, time.monotonic()

    def files(self, spec: str) -> Outcome:
        """Run a job; returns its files by name, or an error message."""
        self.is_busy = True
        try:
            outcome = self._files(spec)
            self.last = (spec, outcome)
            return outcome
        finally:
            self.is_busy, self.pinged_s = False, time.monotonic()

    def left(self, make: str) -> tuple[str, Outcome] | None:
        """The last job and its files, for a coordinator that adopts the actor; None without one.

        Raises:
            ValueError: The actor has another `make` than the one with this repr.
        """
        self.ping()
        if repr(self.make) != make:
            raise ValueError(f"expected an actor with {make}, got {self.make!r}")
        return self.last

    def ping(self) -> None:
        """Record that a coordinator is alive."""
        self.pinged_s = time.monotonic()

    def _files(self, spec: str) -> Outcome:
        with temporary_folder() as folder:
            try:
                self.make(spec, folder)
            except SeehearError as error:
                return str(error)
            return {path.name: path.read_bytes() for path in folder.iterdir()}


class WorkerActor(Worker):
    """A worker as a Ray actor; exits when no coordinator has pinged it for `PATIENCE_S`."""

    def __init__(self, make: MakesJob):
        super().__init__(make)
        threading.Thread(target=self._exit_without_coordinator, daemon=True).start()

    def _exit_without_coordinator(self) -> None:
        while self.is_busy or time.monotonic() - self.pinged_s < PATIENCE_S:
            time.sleep(1.0)
        import ray

        ray.kill(ray.get_runtime_context().current_actor)


def run_ray(
    folder: Path,
    make: MakesJob,
    num_workers: int,
    address: str = LOCAL,
    gpus_per_worker: float = 0.0,
    on_change: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """Run all pending jobs of a ledger with actors of a Ray cluster.

    Args:
        folder: Folder with the outputs and the ledger.
        make: Writes the files of a job; pickled for the actors.
        num_workers: Number of actors.
        address: Address for `ray.init` ("auto", "ray://host:10001", ...), or "local".
        gpus_per_worker: GPUs of each actor; with 0.5, two actors share a GPU.
        on_change: Called about once a second with the current counts.

    Returns:
        The final counts.

    Raises:
        SettingsError: Ray is not installed, the address has no cluster, the disk is full, or the
            ledger cannot be read or written.
    """
    ray = _connect(address)
    owner = owner_name()
    ledger = Ledger(folder, is_new_allowed=False)
    pool = _ActorPool(ray, ledger, owner, make, gpus_per_worker)
    reported_s = 0.0
    try:
        pool.adopt_actors()
        ledger.release_dead()
        remove_dead_work(folder)
        # Jobs of dead coordinators: adopted actors may have their files.
        orphans = {row.spec: row for row in ledger.rows("leased") if row.owner == owner}
        adopted = {actor.left.remote(repr(make)): name for name, actor in pool.actors.items()}
        idle: list[str] = []
        running: dict[Any, tuple[str, Row]] = {}
        while ledger.is_in_place():
            while len(pool.actors) < num_workers:
                idle.append(pool.start())
            if orphans and not adopted:  # no adopted actor has their files
                for lost in orphans.values():
                    ledger.release(owner, "its actor died", lost.id)
                orphans.clear()
            while idle and (row := ledger.take(owner)):
                name = idle.pop()
                running[pool.actors[name].files.remote(row.spec)] = (name, row)
            if not running and not adopted:
                break
            ready, _ = ray.wait([*adopted, *running], timeout=1.0)
            for reference in ready:
                if reference in running:
                    name, row = running.pop(reference)
                    _collect(ray, ledger, folder, owner, row, reference)
                else:
                    name = adopted.pop(reference)
                    left = pool.left(name, reference)
                    if left and (orphan := orphans.pop(left[0], None)):
                        _write(ledger, folder, owner, orphan, left[1])
                    if len(pool.actors) > num_workers:
                        pool.dismiss(name)
                if name in pool.actors:
                    idle.append(name)
            if time.monotonic() - reported_s > 1.0:
                reported_s = time.monotonic()
                ledger.extend(owner, LEASE_S)
                on_change(ledger.counts())
                pool.ping(idle)
        counts = ledger.final_counts()
        on_change(counts)
        return counts
    finally:
        with signals_deferred():
            with contextlib.suppress(SettingsError):  # the next coordinator finds us dead
                for name in list(pool.actors):
                    pool.dismiss(name)
                ledger.give_back(owner)
            remove_dead_work(folder)
            ledger.close()
            ray.shutdown()
            remove_dead_temporaries()


class _ActorPool:
    """The actors of a coordinator. The ledger records their names for the next coordinator."""

    def __init__(
        self, ray: Any, ledger: Ledger, owner: str, make: MakesJob, gpus_per_worker: float
    ):
        self.ray, self.ledger, self.owner, self.make = ray, ledger, owner, make
        self.actors: dict[str, Any] = {}
        self._num_started, self._pinged_s = 0, time.monotonic()
        self._actor = ray.remote(
            num_cpus=1,
            num_gpus=gpus_per_worker,
            max_restarts=-1,
            # Ray repeats the job of an actor that died.
            max_task_retries=MAX_ATTEMPTS - 1,
        )(WorkerActor)

    def adopt_actors(self) -> None:
        """Adopt the live actors of dead coordinators, and their jobs."""
        for name in self.ledger.adopt_actors(self.owner):
            try:
                self.actors[name] = self.ray.get_actor(name, namespace=NAMESPACE)
            except ValueError:  # dead, or in another cluster
                continue

    def start(self) -> str:
        """Start an actor; returns its name."""
        name = f"{self.owner} {self._num_started}"
        self._num_started += 1
        # Recorded before it starts, so that a crash in between loses no actor.
        self.ledger.record_actors(self.owner, [*self.actors, name])
        self.actors[name] = self._actor.options(
            name=name, namespace=NAMESPACE, lifetime="detached"
        ).remote(self.make)
        return name

    def left(self, name: str, reference: Any) -> tuple[str, Outcome] | None:
        """The last job of an adopted actor; an actor that cannot be used is ended."""
        try:
            return self.ray.get(reference)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.RayTaskError):
            self.dismiss(name)  # dead, or with another `make`
            return None

    def dismiss(self, name: str) -> None:
        """End an actor, if the pool has it."""
        if name in self.actors:
            self.ray.kill(self.actors.pop(name))
            self.ledger.record_actors(self.owner, list(self.actors))

    def ping(self, names: Sequence[str]) -> None:
        """Ping idle actors every `PING_S`, so that they do not exit."""
        if time.monotonic() - self._pinged_s > PING_S:
            self._pinged_s = time.monotonic()
            for name in names:
                self.actors[name].ping.remote()


def _collect(ray: Any, ledger: Ledger, folder: Path, owner: str, row: Row, reference: Any) -> None:
    try:
        outcome = ray.get(reference)
    except ray.exceptions.RayActorError as error:
        ledger.fail(row.id, owner, f"its actor died {MAX_ATTEMPTS} times ({type(error).__name__})")
    except ray.exceptions.RayTaskError as error:
        ledger.fail(row.id, owner, str(error.cause or error))
    else:
        _write(ledger, folder, owner, row, outcome)


def _write(ledger: Ledger, folder: Path, owner: str, row: Row, outcome: Outcome) -> None:
    if isinstance(outcome, str):
        ledger.fail(row.id, owner, outcome)
        return

    def write(spec: str, folder: Path) -> None:
        for name, content in outcome.items():
            (folder / name).write_bytes(content)

    run_job(ledger, row, owner, partial(run_in_work_folder, folder, owner, row.spec, write))


def _connect(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'--ray needs {error.name}, which is not installed: pip install "seehear[ray]"'
        ) from error
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    options: dict[str, Any] = {} if address == LOCAL else {"address": address}
    try:
        ray.init(
            include_dashboard=False if address == LOCAL else None, log_to_driver=False, **options
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SettingsError(
            f"--ray {address}: expected a running Ray cluster, got none ({error})"
        ) from error
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():  # Ray replaces that of SIGTERM
            signal.signal(number, handler or signal.SIG_DFL)
    return ray
