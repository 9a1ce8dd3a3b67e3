"""Speed-up by workers, and cost of the ledger: `python -m benchmarks.batch_speed`.

Needs an idle machine of two cores: one and two workers, with one thread each, take turns.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.batch_kills import PICTURE, SEEHEAR, jobs_file
from benchmarks.results import table, write
from seehear.batch.ledger import Ledger, ListedJob, owner_name


def batch_s(jobs: Path, out: Path, workers: int, steps: int) -> float:
    """Seconds of a whole batch, including starting Python and loading."""
    began = time.monotonic()
    subprocess.run(
        [SEEHEAR, "batch", str(jobs), "-o", str(out), "--steps", str(steps), "--workers",
         str(workers), "--quiet"], check=True,
    )  # fmt: skip
    return time.monotonic() - began


def ledger_costs(folder: Path, count: int) -> dict[str, float]:
    """Seconds per job of taking and finishing, among `count` jobs, and of a status."""
    entries = [
        ListedJob(f"{k:06d}", json.dumps({"id": f"{k:06d}", "order": 20 * [k]}), f"{k:06d}.mp4")
        for k in range(count)
    ]
    ledger = Ledger(folder)
    began = time.perf_counter()
    ledger.add(entries)
    added = time.perf_counter()
    owner = owner_name()
    while row := ledger.take(owner):
        ledger.finish(row.id, owner, 1.0, "0" * 64)
    finished = time.perf_counter()
    ledger.close()
    status_began = time.perf_counter()
    subprocess.run([SEEHEAR, "batch", "status", str(folder)], check=True, capture_output=True)
    status_s = time.perf_counter() - status_began
    again = Ledger(folder)
    counted = time.perf_counter()
    again.counts()
    counted = time.perf_counter() - counted
    again.close()
    return {
        "add_s": (added - began) / count,
        "take_and_finish_s": (finished - added) / count,
        "status_s": status_s,
        "counts_s": counted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--simulated", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jobs = jobs_file(folder, options.jobs, PICTURE / "rooster.png")
        times: dict[int, list[float]] = {1: [], 2: []}
        for repeat in range(options.repeats):
            for workers in times:
                out = folder / f"{workers}_{repeat}"
                times[workers].append(batch_s(jobs, out, workers, options.steps))
        ledger = Ledger(folder / "1_0")
        job_s = ledger.counts().seconds / options.jobs
        ledger.close()
        costs = ledger_costs(folder / "simulated", options.simulated)
    raw = {
        "jobs": options.jobs, "steps": options.steps, "seconds": times, "job_s": job_s,
        "simulated": options.simulated, **costs,
    }  # fmt: skip
    raw = json.loads(json.dumps(raw))
    one, two = min(raw["seconds"]["1"]), min(raw["seconds"]["2"])
    rows = [
        ["two workers against one (starting Python and loading included)", f"{one / two:.2f} x"],
        ["one job", f"{job_s:.2f} s"],
        [f"taking and finishing a job, among {options.simulated} jobs",
         f"{1e6 * costs['take_and_finish_s']:.0f} us, {costs['take_and_finish_s'] / job_s:.3%}"],
        [f"`seehear batch status` of {options.simulated} jobs, starting Python included",
         f"{costs['status_s']:.2f} s"],
        ["status without starting Python", f"{costs['counts_s']:.3f} s"],
    ]  # fmt: skip
    text = (
        f"{options.jobs} jobs of audio for an image, 1.28 s, {options.steps} steps, one thread per "
        f"worker, best of {options.repeats}.\n\n" + table(["quantity", "measured"], rows)
    )
    write("batch_speed", "Workers and ledger", raw, text)


if __name__ == "__main__":
    main()
