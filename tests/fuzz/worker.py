"""Run cases of one kind in this process and write a line of JSON for each."""

import json
import logging
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TextIO

import torch

from seehear.errors import SeehearError

ADDRESS_SPACE = 12 << 30


def main(kind: str, seed: int, first: int, end: int) -> None:
    """Write {"begin": index} before every case and its result after it."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    report = _own_output()
    module = import_module(f"tests.fuzz.{kind}")
    for index, data in enumerate(islice(module.cases(seed), first, end), first):
        _write(report, begin=index)
        with tempfile.TemporaryDirectory() as folder:
            _reset_peak()  # else the peak of the case before would hide this one's
            began, before, trace = time.monotonic(), _peak_mb(), None
            try:
                module.check(data, Path(folder))
            except SeehearError:
                pass
            except BaseException:
                trace = traceback.format_exc()[-2000:]
            _write(
                report,
                index=index,
                seconds=time.monotonic() - began,
                mb=max(0, _peak_mb() - before),
                trace=trace,
            )


def _own_output() -> TextIO:
    """The standard output of this process; what libraries print goes nowhere."""
    report = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return report


def _write(report: TextIO, **values: object) -> None:
    report.write(json.dumps(values) + "\n")
    report.flush()


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_mb() -> int:
    """The largest memory of this process since the last `_reset_peak`, where Linux tells it."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
