"""The coordinator for a Ray cluster: actors that load the models once and make what they get.

Ray places the actors, gives each its (part of a) GPU, begins dead ones again and moves data; the
ledger says who has what. Only this process writes files and the ledger, so the cluster needs no
common disk for outputs; inputs are read where the actors run.

Actors outlive this process: if it is killed, they finish what they are at and keep it for the
next coordinator, which inherits them. Where none comes, they end themselves.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seehear.batch.atomic_output import MakesJob, made_in, sweep
from seehear.batch.ledger import LEASE_S, MAX_ATTEMPTS, Counts, Ledger, Row, owner_name
from seehear.batch.worker import do
from seehear.errors import SeehearError, SettingsError

LOCAL = "local"  # instead of an address: a cluster of this machine's own, for as long as it takes
NAMESPACE = "seehear"  # of actors' names
PATIENCE_S = 600.0  # for which an actor that has nothing to do waits for word of a coordinator
PING_S = 60.0

Made = dict[str, bytes] | str  # the files of a job by name; or why it can't be made


class Worker:
    """Makes the files of a job and hands them over."""

    def __init__(self, make: MakesJob):
        self.make = make
        self.last: tuple[str, Made] | None = None
        self.is_busy, self.heard_s = False, time.monotonic()

    def files(self, spec: str) -> Made:
        """The files of a job by name; or why it can't be made, in a sentence."""
        self.is_busy = True
        try:
            made = self._files(spec)
            self.last = (spec, made)
            return made
        finally:
            self.is_busy, self.heard_s = False, time.monotonic()

    def left(self, make: str) -> tuple[str, Made] | None:
        """The last job and its files, for who did not give it out; None if there is none.

        Raises:
            ValueError: This actor makes otherwise than `make`, which is a representation, says.
        """
        self.ping()
        if repr(self.make) != make:
            raise ValueError(f"makes by {self.make!r}")
        return self.last

    def ping(self) -> None:
        """Somebody is there."""
        self.heard_s = time.monotonic()

    def _files(self, spec: str) -> Made:
        with tempfile.TemporaryDirectory(prefix="seehear-") as folder:
            try:
                self.make(spec, Path(folder))
            except SeehearError as error:
                return str(error)
            return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


class WorkerActor(Worker):
    """A maker in a process of Ray's, which it ends when no coordinator speaks to it any more."""

    def __init__(self, make: MakesJob):
        super().__init__(make)
        threading.Thread(target=self._end_when_forgotten, daemon=True).start()

    def _end_when_forgotten(self) -> None:
        while self.is_busy or time.monotonic() - self.heard_s < PATIENCE_S:
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
    """Make all pending jobs of a ledger with actors of a Ray cluster.

    Args:
        folder: Of outputs and ledger.
        make: Makes the files of a job; sent to the actors.
        num_workers: How many actors.
        address: As `ray.init` takes it ("auto", "ray://host:10001", ...), or "local".
        gpus_per_worker: Of each actor; 0.5 puts two on one GPU.
        on_change: Called about once a second with how far things are.

    Returns:
        How it ended.

    Raises:
        SettingsError: Ray is not installed, or there is no cluster at that address.
    """
    ray = _ray(address)
    owner = owner_name()
    ledger = Ledger(folder, is_new_allowed=False)
    crew = _ActorPool(ray, ledger, owner, make, gpus_per_worker)
    told = 0.0
    try:
        crew.adopt_actors()
        ledger.release_dead()
        sweep(folder)
        # What was given out by a coordinator that is dead: inherited actors may have it.
        given = {row.spec: row for row in ledger.rows("leased") if row.owner == owner}
        asked = {maker.left.remote(repr(make)): name for name, maker in crew.makers.items()}
        idle: list[str] = []
        running: dict[Any, tuple[str, Row]] = {}
        while True:
            while len(crew.makers) < num_workers:
                idle.append(crew.begin())
            if given and not asked:  # nobody has it
                for lost in given.values():
                    ledger.release(owner, "its actor died", lost.id)
                given.clear()
            while idle and (row := ledger.take(owner)):
                name = idle.pop()
                running[crew.makers[name].files.remote(row.spec)] = (name, row)
            if not running and not asked:
                break
            ready, _ = ray.wait([*asked, *running], timeout=1.0)
            for reference in ready:
                if reference in running:
                    name, row = running.pop(reference)
                    _take_in(ray, ledger, folder, owner, row, reference)
                else:
                    name = asked.pop(reference)
                    left = crew.left(name, reference)
                    if left and (kept := given.pop(left[0], None)):
                        _write(ledger, folder, owner, kept, left[1])
                    if len(crew.makers) > num_workers:
                        crew.dismiss(name)
                if name in crew.makers:
                    idle.append(name)
            if time.monotonic() - told > 1.0:
                told = time.monotonic()
                ledger.extend(owner, LEASE_S)
                on_change(ledger.counts())
                crew.ping(idle)
        counts = ledger.counts()
        on_change(counts)
        return counts
    finally:
        for name in list(crew.makers):
            crew.dismiss(name)
        ledger.release(owner, "was interrupted")
        sweep(folder)
        ledger.close()
        ray.shutdown()


class _ActorPool:
    """The actors of a coordinator, by names that the ledger knows in case it dies."""

    def __init__(
        self, ray: Any, ledger: Ledger, owner: str, make: MakesJob, gpus_per_worker: float
    ):
        self.ray, self.ledger, self.owner, self.make = ray, ledger, owner, make
        self.makers: dict[str, Any] = {}
        self._begun, self._pinged_s = 0, time.monotonic()
        self._actor = ray.remote(
            num_cpus=1,
            num_gpus=gpus_per_worker,
            max_restarts=-1,
            # Ray gives a job to the actor again that died of it, or beside it.
            max_task_retries=MAX_ATTEMPTS - 1,
        )(WorkerActor)

    def adopt_actors(self) -> None:
        """Take over the actors of dead coordinators that still live, and their jobs."""
        for name in self.ledger.adopt_actors(self.owner):
            try:
                self.makers[name] = self.ray.get_actor(name, namespace=NAMESPACE)
            except ValueError:  # it is gone, or of another cluster
                continue

    def begin(self) -> str:
        """Begin an actor; returns its name."""
        name = f"{self.owner} {self._begun}"
        self._begun += 1
        # Known before it exists: no moment in which it could be forgotten.
        self.ledger.record_actors(self.owner, [*self.makers, name])
        self.makers[name] = self._actor.options(
            name=name, namespace=NAMESPACE, lifetime="detached"
        ).remote(self.make)
        return name

    def left(self, name: str, reference: Any) -> tuple[str, Made] | None:
        """What an inherited actor has; one that is of no use is let go."""
        try:
            return self.ray.get(reference)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.RayTaskError):
            self.dismiss(name)  # it is dead, or makes otherwise
            return None

    def dismiss(self, name: str) -> None:
        """End an actor, if it is there."""
        if name in self.makers:
            self.ray.kill(self.makers.pop(name))
            self.ledger.record_actors(self.owner, list(self.makers))

    def ping(self, names: Sequence[str]) -> None:
        """Now and then tell actors that have nothing to do that they are not forgotten."""
        if time.monotonic() - self._pinged_s > PING_S:
            self._pinged_s = time.monotonic()
            for name in names:
                self.makers[name].ping.remote()


def _take_in(ray: Any, ledger: Ledger, folder: Path, owner: str, row: Row, reference: Any) -> None:
    try:
        made = ray.get(reference)
    except ray.exceptions.RayActorError as error:
        ledger.fail(row.id, owner, f"its actor died {MAX_ATTEMPTS} times ({type(error).__name__})")
    except ray.exceptions.RayTaskError as error:
        ledger.fail(row.id, owner, str(error.cause or error))
    else:
        _write(ledger, folder, owner, row, made)


def _write(ledger: Ledger, folder: Path, owner: str, row: Row, made: Made) -> None:
    if isinstance(made, str):
        ledger.fail(row.id, owner, made)
        return

    def write(spec: str, folder: Path) -> None:
        for name, content in made.items():
            (folder / name).write_bytes(content)

    do(ledger, row, owner, partial(made_in, folder, owner, row.spec, write))


def _ray(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'--ray needs {error.name}, which is not installed: pip install "seehear[ray]"'
        ) from error
    where: dict[str, Any] = {} if address == LOCAL else {"address": address}
    try:
        ray.init(
            include_dashboard=False if address == LOCAL else None, log_to_driver=False, **where
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SettingsError(f"--ray {address}: no Ray cluster there ({error})") from error
    return ray
