"""Seconds by what takes them, measured around functions of others."""

import time
from collections import defaultdict
from typing import Any


class Clock:
    """Adds up the seconds of what it watches, by name."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Count the seconds of `owner.function` from now on under a name."""
        watched = getattr(owner, function)

        def timed(*args, **kwargs):
            began = time.perf_counter()
            try:
                return watched(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - began

        setattr(owner, function, timed)

    def take(self) -> dict[str, float]:
        """The seconds since the last call."""
        taken = dict(self.seconds)
        self.seconds.clear()
        return taken
