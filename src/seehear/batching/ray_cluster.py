"""The coordinator for a Ray cluster: actors that load the models once and make what they get.

Ray places the actors, gives each its (part of a) GPU, begins dead ones again and moves data; the
ledger says who has what. Only this process writes files and the ledger, so the cluster needs no
common disk for outputs; inputs are read where the actors run.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from seehear.batching.ledger import LEASE_S, MAX_ATTEMPTS, Counts, Ledger, Row, owner_name
from seehear.batching.making import Makes, made_in, sweep
from seehear.batching.worker import do
from seehear.errors import SeehearError, SettingsError

LOCAL = "local"  # instead of an address: a cluster of this machine's own, for as long as it takes


class Maker:
    """What an actor does: make the files of a job and hand them over."""

    def __init__(self, make: Makes):
        self.make = make

    def files(self, spec: str) -> dict[str, bytes] | str:
        """The files of a job by name; or why it can't be made, in a sentence."""
        with tempfile.TemporaryDirectory(prefix="seehear-") as folder:
            try:
                self.make(spec, Path(folder))
            except SeehearError as error:
                return str(error)
            return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def run_ray(
    folder: Path,
    make: Makes,
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
    ledger.release_dead()
    sweep(folder)
    actor = ray.remote(
        num_cpus=1,
        num_gpus=gpus_per_worker,
        max_restarts=-1,
        # Ray gives a job to the actor again that died of it, or beside it.
        max_task_retries=MAX_ATTEMPTS - 1,
    )(Maker)
    idle = [actor.remote(make) for _ in range(num_workers)]
    running: dict[Any, tuple[Any, Row]] = {}
    told = 0.0
    try:
        while True:
            while idle and (row := ledger.take(owner)):
                maker = idle.pop()
                running[maker.files.remote(row.spec)] = (maker, row)
            if not running:
                break
            ready, _ = ray.wait(list(running), timeout=1.0)
            for reference in ready:
                maker, row = running.pop(reference)
                _take_in(ray, ledger, folder, owner, row, reference)
                idle.append(maker)
            if time.monotonic() - told > 1.0:
                told = time.monotonic()
                ledger.extend(owner, LEASE_S)
                on_change(ledger.counts())
        counts = ledger.counts()
        on_change(counts)
        return counts
    finally:
        ledger.release(owner, "was interrupted")
        sweep(folder)
        ledger.close()
        ray.shutdown()


def _take_in(ray: Any, ledger: Ledger, folder: Path, owner: str, row: Row, reference: Any) -> None:
    try:
        made = ray.get(reference)
    except ray.exceptions.RayActorError as error:
        ledger.fail(row.id, owner, f"its actor died {MAX_ATTEMPTS} times ({type(error).__name__})")
        return
    except ray.exceptions.RayTaskError as error:
        ledger.fail(row.id, owner, str(error.cause or error))
        return
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
