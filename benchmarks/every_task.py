"""Time and memory of every task on the command line.

`python -m benchmarks.every_task sound.wav photo.jpg`

Audio files run a2v and a2i, images i2a, and two prompts joint, each in its own process with the
defaults of the command. Only the names of the files are recorded.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch

from benchmarks.clock import run_seehear
from benchmarks.results import table, write
from seehear.media import peak_dbfs, probe, read_audio
from seehear.media.suffixes import IMAGE_SUFFIXES
from seehear.pipeline.task import TASKS

PROMPTS = ("a rooster crowing on a farm", "an instrument")
LIMIT_S, LIMIT_GB = 60, 3


def made(path: Path) -> dict:
    """Length, size and level of an output, read back from the file."""
    about = probe(path)
    size = f"{about.width}x{about.height}" if about.width else ""
    if about.kind == "image":
        return {"size": size, "out_s": None, "peak_dbfs": None}
    level = peak_dbfs(read_audio(path).waveform)
    return {"size": size, "out_s": about.duration_s, "peak_dbfs": level}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="audio files and images")
    options = parser.parse_args()
    jobs = [
        (task, path.name, [str(path)])
        for path in options.files
        for task in (("i2a",) if path.suffix.lower() in IMAGE_SUFFIXES else ("a2v", "a2i"))
    ]
    jobs += [("joint", f'"{sentence}"', [sentence]) for sentence in PROMPTS]
    raw: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for k, (task, source, arguments) in enumerate(jobs):
            out = Path(folder) / f"{k}{TASKS[task].suffix_for(None)}"
            seconds, _, peak_mb = run_seehear([task, *arguments, "-o", str(out)])
            manifest = json.loads(out.with_suffix(".json").read_text())
            named = manifest["settings"]["prompt"] or manifest["caption"]
            cell = {"named": named, "seconds": seconds, "peak_mb": peak_mb, **made(out)}
            raw[f"{task} {source}"] = cell
            print(task, source, cell, flush=True)
    rows = [
        [*key.split(" ", 1), r["named"], "" if r["out_s"] is None else f"{r['out_s']:.2f}",
         r["size"], "" if r["peak_dbfs"] is None else f"{r['peak_dbfs']:.1f}",
         f"{r['peak_mb']:.0f}", f"{r['seconds']:.0f}"]
        for key, r in raw.items()
    ]  # fmt: skip
    slowest = max(r["seconds"] for r in raw.values())
    largest = max(r["peak_mb"] for r in raw.values())
    text = (
        f"On {torch.get_num_threads()} threads, starting Python included. The slowest run takes "
        f"**{slowest:.0f} s** (aim: below {LIMIT_S}), the largest **{largest / 1000:.1f} GB** "
        f"(aim: below {LIMIT_GB}).\n\n"
    ) + table(
        ["task", "input", "prompt or caption", "output, s", "size", "peak, dBFS",
         "peak memory, MB", "run, s"],
        rows,
    )  # fmt: skip
    write("every_task", "Every task from the command line", raw, text)


if __name__ == "__main__":
    main()
