"""Ctrl-C and SIGTERM end a command: unfinished files are removed, and one line is printed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


class Stopped(SystemExit):
    """A signal asked the process to end. Not an `Exception`, so that no job fails because of it."""


@dataclass
class Stop:
    """The signal that a command got, if any."""

    number: int | None = None

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 for Ctrl-C, 143 for SIGTERM."""
        assert self.number is not None
        return 128 + self.number

    def text(self) -> str:
        """One line for the user."""
        assert self.number is not None
        how = "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name
        return f"seehear: stopped by {how}"


_stops: list[Stop] = []  # of the commands that run: one, or none


def raise_if_stopped() -> None:
    """Raise `Stopped` again, where a library replaced it by an error of its own."""
    if _stops and _stops[-1].number is not None:
        raise Stopped(_stops[-1].exit_code)


@contextmanager
def stops_not_hidden() -> Iterator[None]:
    """Raise `Stopped` in place of any error that a library made of it."""
    try:
        yield
    except Exception:
        raise_if_stopped()
        raise


@contextmanager
def stopping_on_signals() -> Iterator[Stop]:
    """Raise `Stopped` on SIGINT and SIGTERM, unless they are ignored or have other handlers."""
    stop, handlers = Stop(), dict[Any, Any]()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.number = number
        raise Stopped(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                handlers[number] = signal.signal(number, on_signal)
    _stops.append(stop)
    try:
        yield stop
    finally:
        _stops.remove(stop)
        for number, handler in handlers.items():
            signal.signal(number, handler)
