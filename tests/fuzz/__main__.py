"""Run mutations with limits of memory and time per case: python -m tests.fuzz --count 10000."""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from tests.fuzz import KINDS

ROOT = Path(__file__).parents[2]
PATHS = [str(ROOT / "src"), str(ROOT), str(ROOT / "tests")]  # that the kinds import from
START_S = 180.0  # to import the libraries and to write the originals


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A case that is not answered by a result or a SeehearError, within the limits."""

    kind: str
    seed: int
    index: int
    reason: str


def main() -> int:
    """Parse the command line, run the kinds and print the findings; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="limit of a case")
    parser.add_argument("--mb", type=int, default=1000, help="limit of a case")
    parser.add_argument("--out", type=Path, help="folder for the inputs of findings")
    options = parser.parse_args()
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"expected kinds of {', '.join(KINDS)}, got {', '.join(sorted(unknown))}")
    found = []
    for kind in options.kinds or KINDS:
        began = time.monotonic()
        findings = run(kind, options.seed, options.count, seconds=options.seconds, mb=options.mb)
        for finding in findings:
            print(f"{kind} {finding.index}: {finding.reason}", flush=True)
            if options.out is not None:
                _keep(finding, options.out)
        found += findings
        print(
            f"{kind}: {options.count} cases, seed {options.seed}: {len(findings)} findings in "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
    return 1 if found else 0


def run(kind: str, seed: int, count: int, *, seconds: float, mb: int) -> list[Finding]:
    """Run cases in child processes. A crash or a hang costs one case."""
    findings, first = [], 0
    while first < count:
        last = None
        for line in _lines(kind, seed, first, count, seconds):
            if "begin" in line:
                last = line["begin"]
            elif "index" in line:
                first, last = line["index"] + 1, None
                reason = _reason(line, seconds, mb)
                if reason:
                    findings.append(Finding(kind=kind, seed=seed, index=first - 1, reason=reason))
            else:
                place = first if last is None else last
                findings.append(Finding(kind=kind, seed=seed, index=place, reason=line["ended"]))
                first = place + 1
    return findings


def _reason(line: dict[str, Any], seconds: float, mb: int) -> str | None:
    if line["trace"]:
        return line["trace"]
    if line["seconds"] > seconds:
        return f"took {line['seconds']:.1f} s"
    return f"took {line['mb']} MB" if line["mb"] > mb else None


def _lines(kind: str, seed: int, first: int, end: int, seconds: float) -> Iterator[dict[str, Any]]:
    """What a worker writes; at last {"ended": reason} if it crashed or had to be killed."""
    command = [sys.executable, "-m", "tests.fuzz.worker", kind, str(seed), str(first), str(end)]
    paths = [*PATHS, os.environ.get("PYTHONPATH", "")]
    worker = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"},
    )
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_forward, args=(worker.stdout, lines), daemon=True)
    reader.start()
    wait_s = START_S
    try:
        while (text := lines.get(timeout=wait_s)) is not None:
            wait_s = 6 * seconds  # a slow case is reported with its time
            yield json.loads(text)
        if worker.wait() != 0:
            yield {"ended": f"the process ended with {worker.returncode}"}
    except queue.Empty:
        worker.kill()
        yield {"ended": f"no answer for {wait_s:.0f} s"}
    finally:
        worker.kill()
        worker.wait()
        reader.join()


def _forward(stream: Any, lines: "queue.Queue[str | None]") -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _keep(finding: Finding, folder: Path) -> None:
    """Write the input of a finding."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.path[:0] = PATHS
    cases = import_module(f"tests.fuzz.{finding.kind}").cases(finding.seed)
    data = next(islice(cases, finding.index, None))
    (folder / f"{finding.kind}_{finding.seed}_{finding.index}").write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
