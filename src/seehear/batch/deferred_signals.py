"""Ctrl-C and SIGTERM during steps that must not be left halfway."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Handle SIGINT and SIGTERM after the block. It must be short: start or end workers.

    A block of the thread's signals would not do: another thread of the process gets them, and
    Python runs the handler in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    handlers: dict[Any, Any] = {}
    for number in SIGNALS:
        handlers[number] = signal.signal(number, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if caught:
            signal.raise_signal(caught[0])
