"""Decode untrusted files in child processes, so that a crash or a hang costs one file.

Within `isolated`, the functions of `seehear.media` that read files run in a child process with a
deadline and a limit on memory. `seehear.media.fork_server` starts the children.
"""

import atexit
import functools
import json
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from seehear.errors import MediaError
from seehear.media.messages import read_message, send_bytes

logger = logging.getLogger("seehear.media")
P = ParamSpec("P")
R = TypeVar("R")
# The server imports these once; its children are forks of it and start in milliseconds.
PRELOADED = tuple(f"seehear.media.{name}" for name in ("read", "images", "frames", "cuts", "mux"))
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from seehear.media.fork_server import serve; serve(int(sys.argv[1]), sys.argv[3:])"
)
_ERRORS = {error.__name__: error for error in (MediaError, ValueError, TypeError)}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one call may cost before its process is killed."""

    seconds: float = 1200.0
    max_bytes: int = 4 * 2**30  # of memory; an hour of stereo audio at 48 kHz takes 3 GB


_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)  # None: this process


@contextmanager
def isolated(limits: Limits | None = None) -> Iterator[None]:
    """Run the reading functions that this thread calls within the block in child processes."""
    token = _limits.set(limits or Limits())
    try:
        yield
    finally:
        _limits.reset(token)


def limits_here() -> Limits | None:
    """The limits within `isolated`; None where reading functions run in this process.

    On systems without fork they always do.
    """
    return _limits.get() if can_fork() else None


def can_fork() -> bool:
    """Whether this system can start child processes for decoding."""
    return hasattr(os, "fork")


def isolatable(function: Callable[P, R]) -> Callable[P, R]:
    """A reading function that runs in a child process within `isolated`.

    Its first argument is the path that errors name.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        limits = limits_here()
        if limits is None:
            return function(*args, **kwargs)
        return in_child_process(call, *args, limits=limits, **kwargs)

    return call


def in_child_process(
    function: Callable[..., R], *arguments: Any, limits: Limits, **options: Any
) -> R:
    """Call a function in a child process.

    Args:
        function: Of a module. It returns media of `seehear.media.kinds`, JSON data or None.
        arguments: The first one names the file in errors.
        limits: Deadline and memory.
        options: Keyword arguments.

    Raises:
        MediaError: The child crashed, was killed, or exceeded a limit.
        Exception: The error that the function raised; those of unusual types as RuntimeError.
    """
    with closing(_results(function, arguments, options, limits)) as results:
        return next(results)


def stream_from_child_process(
    function: Callable[..., Iterator[R]], *arguments: Any, limits: Limits, **options: Any
) -> Iterator[R]:
    """Iterate over what a generator function yields in a child process, one item in memory.

    The deadline includes the time that the caller takes. Arguments and errors as
    `in_child_process`.
    """
    with closing(_results(function, arguments, options, limits)) as results:
        yield from iter(lambda: next(results), None)


def too_slow(path: str | Path, limit_s: float) -> MediaError:
    """The error for a file that is not decoded in time."""
    return MediaError(
        f"{path}: expected a file that is decoded within {limit_s:g} s, but it took longer; export "
        "it again, make it smaller or raise the limit"
    )


def _results(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    limits: Limits,
) -> Generator[Any, None, None]:
    """The results that a child sends, in turn; raises its error, or why it ended."""
    name = str(arguments[0]) if arguments else function.__name__
    # By name, because decorators may have wrapped the function of the module.
    request = pickle.dumps((function.__module__, function.__qualname__, arguments, options))
    replies, status = _SERVER.fork(limits, request)
    with closing(replies), closing(status):
        while (message := read_message(replies, limits.max_bytes)) is not None:
            for warning in message.warnings:
                logger.warning("%s", warning)
            if message.error is not None:
                raise _error_here(name, message.error, limits)
            yield message.result
        ended = json.loads(status.makefile("rb").readline() or b"{}")
    if ended.get("is_late"):
        raise too_slow(name, limits.seconds)
    raise MediaError(
        f"{name}: expected media that can be decoded, but the decoder "
        f"{_death(ended.get('signal'), limits)}; export the file again"
    )


def _error_here(name: str, error: tuple[str, str], limits: Limits) -> Exception:
    """The error that a child sent as its type and text."""
    kind, text = error
    if kind == "MemoryError":
        return MediaError(
            f"{name}: expected a file that is decoded in {limits.max_bytes / 2**30:g} GB of "
            "memory, but it needs more; scale it down or cut it"
        )
    return _ERRORS[kind](text) if kind in _ERRORS else RuntimeError(f"{kind}: {text}")


def _death(number: int | None, limits: Limits) -> str:
    """How a child ended without a result."""
    if number is None:
        return "ended early"
    if number in (signal.SIGKILL, signal.SIGABRT):
        return (
            f"was killed (signal {number}), probably because it needs more than "
            f"{limits.max_bytes / 2**30:g} GB of memory"
        )
    return f"crashed (signal {number})"


def begin_importing() -> None:
    """Start the server, which imports the decoders in the background. Does nothing without fork."""
    if can_fork():
        _SERVER.begin()


class _Server:
    """The process that forks the children; started on first use and again after its death."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen | None = None
        self._owner = 0  # the process that started it
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start the process if it is not running."""
        with self._lock:
            self._begin()

    def end(self) -> None:
        """End the process, if this process has started it."""
        if self._owner == os.getpid():
            self._end()

    def fork(self, limits: Limits, request: bytes) -> tuple[socket.socket, socket.socket]:
        """Start a child. Returns the socket of its reply and the socket of its exit status."""
        (replies, child_replies), (status, child_status) = socket.socketpair(), socket.socketpair()
        with closing(child_replies), closing(child_status):
            self._pass_on(child_replies, child_status)
        header = json.dumps({"seconds": limits.seconds, "max_bytes": limits.max_bytes})
        try:
            send_bytes(status, header.encode())
            send_bytes(status, request)
        except OSError:  # the child is dead, which its status tells
            logger.debug("a decoder ended before it had its request", exc_info=True)
        return replies, status

    def _pass_on(self, *sockets: socket.socket) -> None:
        """Send the child's ends of the sockets to the server."""
        numbers = [end.fileno() for end in sockets]
        with self._lock:
            for is_last in (False, True):
                control = self._begin()
                try:
                    socket.send_fds(control, [b"."], numbers)
                    return
                except OSError:  # the server was killed
                    self._end()
                    if is_last:
                        raise

    def _begin(self) -> socket.socket:
        """The control socket of the running server; the caller holds the lock."""
        if self._owner != os.getpid():  # a fork must not share its parent's socket
            self._control = None
        if self._process is not None and self._control is not None:
            if self._process.poll() is None:
                return self._control
            self._end()
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-c", _START, str(theirs.fileno()), json.dumps(sys.path)]
        with closing(theirs):
            self._process = subprocess.Popen(
                [*command, *PRELOADED],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Threads of a server would not be copied by a fork; its children need no GPU.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            )
        self._owner = os.getpid()
        return self._control

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()  # the server ends with it
        if self._process is not None:
            self._process.wait()
        self._control = self._process = None


_SERVER = _Server()
atexit.register(_SERVER.end)
