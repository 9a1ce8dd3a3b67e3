"""The server that starts decoding processes for `seehear.media.isolated`.

It imports the decoders once and forks for every call, which takes milliseconds. It only imports, so
it has no threads and holds no locks that a fork would copy. Every call has two processes: the
decoder, and a guard that kills it at the deadline or when the caller is gone.
"""

import gc
import json
import logging
import os
import pickle
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import PIL.Image

from seehear.errors import SeehearError
from seehear.media.messages import Message, receive_bytes, send_message

_MAX_REQUEST = 2**34  # bytes; the request comes from our own process


def serve(control_number: int, preloaded: Sequence[str]) -> None:
    """Fork a guard for every pair of sockets that arrives; ends with the caller's process.

    Args:
        control_number: File descriptor of the socket to the caller.
        preloaded: Modules to import.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the caller, and so this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    for module in preloaded:
        import_module(module)
    PIL.Image.init()  # imports its parsers
    gc.freeze()  # a collection in a child would copy the pages of all objects
    control = socket.socket(fileno=control_number)
    while True:
        signs, numbers, _, _ = socket.recv_fds(control, 1, 2)
        if not signs:
            return
        replies, status = (socket.socket(fileno=number) for number in numbers)
        if os.fork() == 0:
            control.close()
            _run_and_exit(_guard, replies, status)
        replies.close()
        status.close()


def _run_and_exit(function, *arguments) -> None:
    """Call a function in a forked process, which never returns to the caller's loop."""
    try:
        function(*arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _guard(replies: socket.socket, status: socket.socket) -> None:
    """Run the decoder and report how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header = receive_bytes(status, _MAX_REQUEST)
    request = receive_bytes(status, _MAX_REQUEST)
    if header is None or request is None:  # the caller is gone
        return
    limits = json.loads(header)
    alive, alive_in_decoder = os.pipe()  # closed when the decoder ends, in whatever way
    decoder = os.fork()
    if decoder == 0:
        os.close(alive)
        status.close()
        _run_and_exit(_decode, replies, request, limits)
    os.close(alive_in_decoder)
    replies.close()
    ready, _, _ = select.select([alive, status.fileno()], [], [], limits["seconds"])
    if alive not in ready:
        os.kill(decoder, signal.SIGKILL)
    _, code = os.waitpid(decoder, 0)
    ended = {"is_late": not ready, "signal": os.WTERMSIG(code) if os.WIFSIGNALED(code) else None}
    with suppress(OSError):  # the caller is gone
        status.sendall(json.dumps(ended).encode() + b"\n")


def _decode(replies: socket.socket, request: bytes, limits: dict) -> None:
    """Call the requested function and send its result, or what it yields, or its error."""
    _silence_libraries()
    _limit(limits["max_bytes"], limits["seconds"])
    log = _Warnings()
    logging.getLogger("seehear").addHandler(log)
    logging.getLogger("seehear").propagate = False
    try:
        module, name, arguments, options = pickle.loads(request)
        function = attrgetter(name)(import_module(module))
        result = function(*arguments, **options)
        if isinstance(result, Iterator):
            for item in result:
                send_message(replies, Message(result=item))
            result = None  # the end
        message = Message(result=result, warnings=tuple(log.texts))
    except ConnectionError:  # the caller is gone
        return
    except Exception as error:
        if not isinstance(error, SeehearError | MemoryError):
            traceback.print_exc()  # a bug; the caller gets only its type and text
        message = Message(error=(type(error).__name__, str(error)), warnings=tuple(log.texts))
    with suppress(ConnectionError):
        send_message(replies, message)


def _silence_libraries() -> None:
    """Write only our own lines to stderr: libtiff prints one for each damaged part of a file."""
    sys.stderr = os.fdopen(os.dup(2), "w")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def _limit(max_bytes: int, seconds: float) -> None:
    """Limit the memory of this process beyond what it has, its processor time and core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The guard keeps the deadline; this is for a decoder whose guard was killed.
    most = int(seconds * (os.cpu_count() or 1)) + 10
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    pages = Path("/proc/self/statm")
    if pages.exists():  # Linux; other systems do not enforce the limit
        present = int(pages.read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (present + max_bytes, present + max_bytes))


class _Warnings(logging.Handler):
    """Collects log messages, which the caller logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
