"""Parallel map over items in several processes, in order."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import torch

from seehear.errors import SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Any, Item], Result],
    shared: Any,
    items: Sequence[Item],
    workers: int = 1,
) -> Iterator[Result]:
    """Yield `function(shared, item)` for every item.

    Args:
        function: A module-level function, so that other processes can import it.
        shared: Data that all calls need, such as networks. Sent once to every process.
        items: Small objects, sent one by one.
        workers: Number of processes. 1 runs in this process. All processes together use as many
            threads as this process.

    Raises:
        SettingsError: Fewer than one worker, or a worker was killed.
    """
    if workers < 1:
        raise SettingsError(f"expected at least 1 worker, got {workers}")
    workers = min(workers, len(items))
    if workers <= 1:
        yield from (function(shared, item) for item in items)
        return
    # Spawn, since forking a process with threads can deadlock.
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    init = (function, shared, threads)
    with ProcessPoolExecutor(workers, context, initializer=_init, initargs=init) as pool:
        try:
            yield from pool.map(_call, items)
        except BrokenProcessPool as error:
            raise SettingsError(
                f"one of {workers} worker processes was killed, probably because memory ran out; "
                "use fewer workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_work: tuple[Callable[[Any, Any], Any], Any] | None = None  # of this worker's process


def _init(function: Callable[[Any, Any], Any], shared: Any, threads: int) -> None:
    global _work
    torch.set_num_threads(threads)
    _work = (function, shared)


def _call(item: Any) -> Any:
    assert _work is not None
    function, shared = _work
    return function(shared, item)
