"""Batches of local processes or Ray whose workers and coordinators are killed at random moments.

`python -m benchmarks.batch_kills processes ray --jobs 200 --kills 20`
The final files are compared with those of an undisturbed run.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.results import saved, table, write
from seehear.batch.ledger import Ledger
from seehear.pipeline.result import file_sha256

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images"
SEEHEAR = str(Path(sys.executable).with_name("seehear"))
RAY_MARK = "ray::Maker"  # what Ray calls the process of an actor
RAY = str(Path(sys.executable).with_name("ray"))


def jobs_file(folder: Path, count: int, picture: Path) -> Path:
    """A list of short i2a jobs that differ in the seed, which comes from the name."""
    lines = [
        json.dumps({"id": f"{k:04d}", "task": "i2a", "input": str(picture), "duration_s": 1.28})
        for k in range(count)
    ]
    path = folder / "jobs.jsonl"
    path.write_text("\n".join(lines))
    return path


def command(jobs: Path, out: Path, engine: str) -> list[str]:
    how = ["--ray", "auto"] if engine == "ray" else []
    return [SEEHEAR, "batch", str(jobs), "-o", str(out), "--steps", "4", "--workers", "2",
            "--prompt", "", "--quiet", *how]  # fmt: skip


def done(out: Path) -> int:
    if not (out / "ledger.sqlite").exists():
        return 0
    ledger = Ledger(out)
    count = ledger.counts().done
    ledger.close()
    return count


def workers_of(coordinator: psutil.Process, engine: str) -> list[psutil.Process]:
    if engine == "processes":  # forks of a child of the coordinator
        return [worker for child in coordinator.children() for worker in child.children()]
    chosen = []
    for process in psutil.process_iter():
        try:
            if RAY_MARK in " ".join(process.cmdline()):
                chosen.append(process)
        except psutil.Error:
            continue
    return chosen


def disturbed(jobs: Path, out: Path, engine: str, count: int, kills: int, seed: int) -> dict:
    """Run a batch to its end under kills; returns the number of killed processes by role."""
    rng = random.Random(seed)
    plan = ["worker"] * kills + ["coordinator"] * kills
    rng.shuffle(plan)
    killed = {"worker": 0, "coordinator": 0}
    coordinator = subprocess.Popen(command(jobs, out, engine))
    before = done(out)
    while plan and done(out) < count - 2:
        # Wait for progress since the last kill, or the batch would never end.
        while done(out) == before and coordinator.poll() is None:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1.5))
        before = done(out)
        if coordinator.poll() is not None:
            coordinator = subprocess.Popen(command(jobs, out, engine))
            continue
        victims = [psutil.Process(coordinator.pid)]
        if plan[-1] == "worker":
            victims = workers_of(victims[0], engine)
            if not victims:
                continue
        try:
            rng.choice(victims).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
        killed[plan[-1]] += 1
        if plan.pop() == "coordinator":
            coordinator.wait()
            coordinator = subprocess.Popen(command(jobs, out, engine))
        print(f"{engine}: {killed}, {before} of {count} done", flush=True)
    coordinator.wait()
    while done(out) < count:  # jobs left by the last kill
        subprocess.run(command(jobs, out, engine), check=True)
        time.sleep(1)
    return killed


def files(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): file_sha256(path)
        for path in sorted(out.rglob("*"))
        if path.is_file() and "ledger.sqlite" not in path.name
    }


def measured(engine: str, options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jobs = jobs_file(folder, options.jobs, options.picture)
        plain = folder / "plain"
        subprocess.run(command(jobs, plain, "processes"), check=True)
        if engine == "ray":
            start = [RAY, "start", "--head", "--num-cpus=2", "--object-store-memory=200000000",
                     "--disable-usage-stats", "--include-dashboard=false"]  # fmt: skip
            subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
        try:
            out = folder / "disturbed"
            began = time.monotonic()
            killed = disturbed(jobs, out, engine, options.jobs, options.kills, options.seed)
            seconds = time.monotonic() - began
        finally:
            if engine == "ray":
                subprocess.run([RAY, "stop", "--force"], check=False, stdout=subprocess.DEVNULL)
        ledger = Ledger(out)
        rows = list(ledger.rows())
        ledger.close()
        ours, theirs = files(out), files(plain)
        return {
            "jobs": options.jobs,
            "killed": killed,
            "seconds": seconds,
            "attempts": sum(row.attempts for row in rows),
            "lost_jobs": sum(row.attempts for row in rows) - options.jobs,
            "failed": sum(row.state == "failed" for row in rows),
            "files": len(ours),
            "files_that_differ": sum(ours.get(name) != theirs[name] for name in theirs),
            "files_too_many": len(ours.keys() - theirs.keys()),
        }


def tables(raw: dict) -> str:
    rows = [
        [engine, r["jobs"], r["killed"]["worker"], r["killed"]["coordinator"],
         r["files_that_differ"], r["files_too_many"], r["lost_jobs"], f"{r['seconds']:.0f}"]
        for engine, r in raw["engines"].items()
    ]  # fmt: skip
    header = ["engine", "jobs", "workers killed", "coordinators killed", "files that differ",
              "extra files", "jobs restarted", "seconds"]  # fmt: skip
    return (
        "Audio for an image, 1.28 s, 4 steps. SIGKILL at random moments. After the death of a "
        "coordinator the same command is run again. Files, manifests included, are compared with "
        "those of an undisturbed run. Jobs that Ray itself restarts are not counted.\n\n"
        + table(header, rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+", choices=["processes", "ray"])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20, help="of workers, and of coordinators")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=PICTURE / "rooster.png")
    options = parser.parse_args()
    for engine in options.engines:
        found = measured(engine, options)
        raw = saved("batch_kills", options.jobs)
        engines = raw.get("engines", {}) | {engine: found}
        raw = {"count": options.jobs, "engines": engines}
        write("batch_kills", "Batches with killed processes", raw, tables(raw))


if __name__ == "__main__":
    main()
