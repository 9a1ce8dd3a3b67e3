"""Cost of several takes of one clip on the command line.

`python -m benchmarks.takes` (about five minutes of CPU time). Every command runs in its own process
on one thread. CPU time includes the start of Python and the loading of the models.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.clock import CommandCost, run_seehear
from benchmarks.results import table, write

CLIP = Path(__file__).resolve().parents[1] / "examples" / "rooster.mp4"
PRESETS = ("default", "fast")
TAKES = (1, 4, 8)


def cost_of(preset: str, takes: int, folder: Path) -> CommandCost:
    """One `seehear v2a` with a number of takes."""
    out = folder / f"{preset}_{takes}.mp4"
    options = ["--preset", preset, "--takes", str(takes), "--threads", "1", "--seed", "0"]
    return run_seehear(["v2a", str(CLIP), "-o", str(out), *options])


def main() -> None:
    """Measure, and write docs/results/takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    options = parser.parse_args()
    raw: dict[str, dict] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for preset in options.presets:
            costs = {n: cost_of(preset, n, Path(folder)) for n in TAKES}
            raw[preset] = {str(n): cost._asdict() for n, cost in costs.items()}
            for n, cost in costs.items():
                ratio, memory = (
                    f"{cost.cpu_seconds / costs[1].cpu_seconds:.2f}",
                    f"{cost.peak_mb / costs[1].peak_mb:.2f}",
                )
                rows.append((f"`{preset}`", n, f"{cost.cpu_seconds:.1f}", ratio, memory))
    text = (
        "`seehear v2a examples/rooster.mp4` with `--takes`, on one thread. CPU time includes the "
        "start of Python and the loading of the models, which all takes share. `times` compares "
        "with one take of the same preset.\n\n"
    )
    header = ("preset", "takes", "CPU s", "times", "times the memory")
    write("takes", "Cost of several takes", raw, text + table(header, rows))


if __name__ == "__main__":
    main()
