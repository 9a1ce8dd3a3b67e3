"""The paper's Table 1 in miniature, on held-out scenes of the world: `make table1-pocket`.

V2A, I2A, A2V and joint, each guided, unguided, by retrieval and as noise. The batch engine makes
the clips (a second run resumes) and they are scored as `seehear eval` scores any folder.
"""

import argparse
import multiprocessing
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import torch
from training.world.pictures import CACHE
from training.world.scenes import make_scene

from benchmarks.results import interval, saved, table, write
from benchmarks.scenes import write_clip
from seehear.batch.make_request import RequestMaker
from seehear.evaluation import FeatureCache, Report, evaluated, load_measure
from seehear.evaluation.baselines import write_noise, write_retrieved
from seehear.evaluation.generate import UNGUIDED, ordered, run
from seehear.evaluation.match_clips import real_clips
from seehear.models.binders import pocket

TASKS = ("v2a", "i2a", "a2v", "joint")
SYSTEMS = ("noise", "retrieval", "unguided", "guided")
GUIDED = "default"  # the preset: guided by the input and a caption
STEPS = {"v2a": 6, "i2a": 6, "a2v": 3, "joint": 3}  # what fits in 40 minutes of two cores
FOLDER = CACHE / "table1"
# Generated audio is scored in patches too.
FEATURES = {
    "v2a": ("judge", "judge-patches", "bind"),
    "i2a": ("judge", "judge-patches", "bind"),
    "a2v": ("judge", "bind"),
    "joint": ("judge", "judge-patches", "bind"),
}
# The same formulas: FD and KD of frames are called FVD and KVD.
FRECHET_OF_PICTURES = {"FD": "FVD (judge)", "KD": "KVD (judge)"}


def write_scene(folder: Path, seed: int) -> None:
    """A held-out scene as a clip with a caption, unless it is there."""
    path = folder / f"scene{seed:04d}.mp4"
    if path.exists():
        return
    scene = make_scene(seed, "test")
    path.with_suffix(".txt").write_text(scene.caption)
    write_clip(path, [scene])


def make(task: str, system: str, folder: Path, makes: RequestMaker) -> None:
    """All clips of a cell of the table, in this process."""
    clips, made = real_clips(folder / "real"), folder / task / system
    if system == "noise":
        write_noise(task, clips, made)
    elif system == "retrieval":
        write_retrieved(task, clips, made, pocket.load(), FeatureCache(folder / "features"))
    else:
        preset = UNGUIDED if system == "unguided" else GUIDED
        counts = run(clips, ordered(task, preset, steps=STEPS[task]), made, makes)
        assert counts.done == counts.total, f"{made}: {counts}"


def cells(task: str, report: Report) -> dict[str, dict]:
    """Scores by their names in the paper's table."""
    names = FRECHET_OF_PICTURES if task in ("a2v", "joint") else {}
    return {
        names.get(s.name, s.name): {"value": s.value, "interval": list(s.interval), "n": s.count}
        for s in report.scores
    }


def cell(folder: Path, task: str, system: str) -> dict:
    """Make and score all clips of a task by a system."""
    start, is_new = time.monotonic(), not (folder / task / system).exists()
    make(task, system, folder, _makes)
    making_s = time.monotonic() - start
    report = evaluated(
        task,
        folder / "real",
        folder / task / system,
        features=[_measure(name) for name in FEATURES[task]],
        memory=FeatureCache(folder / "features"),
    )
    scoring_s = time.monotonic() - start - making_s
    print(f"{task} {system}: made in {making_s:.0f} s, scored in {scoring_s:.0f} s", flush=True)
    return {
        "scores": cells(task, report),
        "failures": [f.reason for f in report.failures],
        "notes": list(report.notes),
        "is_new": is_new,
        "making_s": making_s,
        "scoring_s": scoring_s,
    }


_makes = RequestMaker()  # each process loads its models once
_measure = cache(load_measure)


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    steps = ", ".join(f"{count} steps for {task}" for task, count in raw["steps"].items())
    text = (
        f"{raw['count']} held-out scenes of 2.56 s; pocket family, preset `{GUIDED}` with and "
        f"without guidance, {steps}. Audio is scored for v2a and i2a, video for a2v and joint "
        "(FAD: audio), by the pocket judge, which never guides. FAD uses patches of 0.96 s. FVD "
        "and KVD use the mean of the judge's features of 16 frames, so they do not measure motion. "
        "AV-, VT- and AT-bind are computed by the pocket binder, **which guides and selects for "
        "retrieval**, so they do not measure quality there. "
        "Brackets: 95 % intervals. Generated and scored in "
        f"{raw['minutes']:.0f} minutes on two cores.\n"
    )
    for task, systems in raw["tasks"].items():
        names = list(dict.fromkeys(name for row in systems.values() for name in row["scores"]))
        rows = [
            [system]
            + [
                f"{s['value']:.3f} {interval(s['interval'])}"
                if (s := row["scores"].get(name))
                else "-"
                for name in names
            ]
            for system, row in systems.items()
        ]
        text += f"\n## {task}\n\n" + table([task, *names], rows)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--again", action="store_true", help="forget clips made before")
    parser.add_argument("--trial", action="store_true", help="print, but write no results")
    options = parser.parse_args()
    began = time.monotonic()
    folder = FOLDER / str(options.count)
    if options.again:
        shutil.rmtree(folder, ignore_errors=True)
    real = folder / "real"
    real.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        options.workers, context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        list(pool.map(partial(write_scene, real), range(options.count)))
        # The long ones first, so that no process waits for another in the end.
        found = {
            (task, system): pool.submit(cell, folder, task, system)
            for system in reversed(SYSTEMS)
            for task in reversed(options.tasks)
        }
        by_task = {
            task: {system: found[task, system].result() for system in SYSTEMS}
            for task in options.tasks
        }
    raw = {
        "count": options.count,
        "steps": STEPS,
        "tasks": by_task,
        "minutes": (time.monotonic() - began) / 60,
    }
    earlier = saved("table1_pocket", options.count)
    is_known = earlier.get("tasks", {}).keys() >= by_task.keys()
    if is_known and not all(c["is_new"] for systems in by_task.values() for c in systems.values()):
        # Clips that were there already say nothing about how long all of it takes.
        raw["minutes"] = earlier["minutes"]
        for task, systems in by_task.items():
            for system, found_cell in systems.items():
                times = earlier["tasks"][task][system]
                found_cell |= {k: times[k] for k in ("making_s", "scoring_s")}
    if options.trial:
        print(tables(raw))
    else:
        write("table1_pocket", "Table 1 in miniature", raw, tables(raw))


if __name__ == "__main__":
    main()
