"""The same function over many items, by several processes, in the order of the items."""

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
        function: Of the top level of a module, so that other processes find it.
        shared: What all calls need, such as networks; sent to every process once.
        items: Small things.
        workers: Processes; 1 works here and starts none. Together they use as many threads as this
            process does.

    Raises:
        SettingsError: No worker, or one that was ended from outside.
    """
    if workers < 1:
        raise SettingsError(f"expected at least 1 worker, got {workers}")
    workers = min(workers, len(items))
    if workers <= 1:
        yield from (function(shared, item) for item in items)
        return
    # Forked copies of a process with threads can hang, so new ones are started.
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    begin = (function, shared, threads)
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=begin) as pool:
        try:
            yield from pool.map(_call, items)
        except BrokenProcessPool as error:
            raise SettingsError(
                f"one of {workers} workers was ended from outside, most likely for want of memory; "
                "take fewer"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_work: tuple[Callable[[Any, Any], Any], Any] | None = None  # of this worker's process


def _begin(function: Callable[[Any, Any], Any], shared: Any, threads: int) -> None:
    global _work
    torch.set_num_threads(threads)
    _work = (function, shared)


def _call(item: Any) -> Any:
    assert _work is not None
    function, shared = _work
    return function(shared, item)
