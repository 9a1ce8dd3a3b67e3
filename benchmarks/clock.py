"""Seconds by what takes them, of functions and of whole commands."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from seehear.diagnostics.dry_run import peak_resident_bytes

# Run by a small process in between: a child's peak counts what its parent held when it began.
WATCH = """
import json, resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


class CommandCost(NamedTuple):
    """What a command took, starting Python included."""

    seconds: float
    cpu_seconds: float  # of all its processes
    peak_mb: float


def run_seehear(arguments: list[str]) -> CommandCost:
    """Run a command in a process of its own."""
    command = [str(Path(sys.executable).with_name("seehear")), *arguments]
    watched = [sys.executable, "-c", WATCH, *command]
    output = subprocess.run(watched, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, cpu_seconds, peak_kb = json.loads(output)
    return CommandCost(seconds, cpu_seconds, peak_kb / 1024)


def run_child(module: str, *words: str) -> dict[str, Any]:
    """Run a benchmark in a process of its own, whose peak memory is its alone.

    Returns:
        What its last line of output says, in JSON.
    """
    command = [sys.executable, "-m", module, *words]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


Read = Callable[[str], None]  # ends a stage of a step, with its name


def measured_step(make: Callable[[], Callable[[Read], None]]) -> dict[str, Any]:
    """Seconds by stage, and GB of weights and at the peak, of a step in this process.

    Args:
        make: Makes the models and returns the step, which calls its argument after each stage.
    """
    before = peak_resident_bytes()
    assert before is not None
    run = make()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the weights
    weights = psutil.Process().memory_info().rss
    times: dict[str, float] = {}
    began = time.perf_counter()

    def read(name: str) -> None:
        nonlocal began
        times[name] = time.perf_counter() - began
        began = time.perf_counter()

    run(read)
    peak = peak_resident_bytes()
    assert peak is not None
    return {
        "seconds": times,
        "peak_gb": (peak - before) / 1e9,
        "weights_gb": (weights - before) / 1e9,
    }


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
