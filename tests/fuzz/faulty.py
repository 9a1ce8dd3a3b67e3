"""Cases with known faults, for the test of the runner."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


def cases(seed: int) -> Iterator[bytes]:
    """One byte each: 0, 1, 2, ..."""
    yield from (bytes([index]) for index in range(256))


def check(data: bytes, folder: Path) -> None:
    """Case 1 raises, case 2 is slow, case 3 crashes; the others pass."""
    if data == b"\x01":
        raise ZeroDivisionError("case 1")
    if data == b"\x02":
        time.sleep(1.5)
    if data == b"\x03":
        os.kill(os.getpid(), signal.SIGSEGV)
