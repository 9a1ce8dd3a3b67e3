"""Metrics against a reference implementation, and the shares of an evaluation's time.

`python -m benchmarks.metrics_speed`; needs an idle machine and about 5 minutes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy.linalg import sqrtm
from training.world.scenes import make_scene

from benchmarks.clock import Clock
from benchmarks.results import saved, table, write
from benchmarks.scenes import write_clip
from seehear.evaluation import FEATURES, clip_media, evaluated, load_measure
from seehear.evaluation.baselines import write_noise
from seehear.evaluation.feature_networks import LoadedNetwork
from seehear.evaluation.match_clips import real_clips
from seehear.metrics import av_align
from seehear.metrics.features.i3d import I3d, InceptionI3d
from seehear.metrics.features.panns import Cnn14, Panns
from seehear.metrics.frechet import frechet_distance

REPEAT_SCENES = 4  # scenes of 2.56 s in a clip, so that clips are of about 10 s


def features(seed: int, n: int, dim: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Correlated Gaussian features, the same on every machine."""
    mix = np.random.RandomState(1000 + dim).randn(dim, dim) / np.sqrt(dim)
    return np.random.RandomState(seed).randn(n, dim) @ mix * scale + shift


def reference_frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The reference implementation: covariances, and the square root of their product."""
    c_x, c_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(c_x @ c_y).real
    difference = x.mean(0) - y.mean(0)
    return float(difference @ difference + np.trace(c_x) + np.trace(c_y) - 2 * np.trace(root))


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """Seconds, and the returned value."""
    began = time.perf_counter()
    value = call()
    return time.perf_counter() - began, value


def frechet(n: int, dim: int, repeats: int) -> dict:
    """Time both implementations in turn, from features to the value."""
    x, y = features(1, n, dim), features(2, n, dim, 1.1, 0.05)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    usual, ours = [], []
    for _ in range(repeats):
        usual.append(timed(lambda: reference_frechet(x, y)))
        ours.append(timed(lambda: float(frechet_distance(a, b))))
    value, reference = ours[0][1], usual[0][1]
    return {
        "n": n,
        "dim": dim,
        "usual_s": [seconds for seconds, _ in usual],
        "ours_s": [seconds for seconds, _ in ours],
        "ratio": median(s for s, _ in usual) / median(s for s, _ in ours),
        "value": value,
        "relative_difference": abs(value - reference) / reference,
    }


def shares(count: int) -> list[dict]:
    """Time of an evaluation in one process by network, libraries and the rest."""
    clock = Clock()
    for reads in ("read_video", "read_audio", "probe"):
        clock.watch(clip_media, reads, "decoding")
    for function in ("motion_by_frame", "onset_times"):
        clock.watch(av_align, function, "AV-Align")
    networks = {
        ("v2a", "panns-16k"): lambda: Panns(Cnn14(), 16_000),
        ("a2v", "i3d"): lambda: I3d(InceptionI3d(), "crop"),
        ("v2a", "judge"): lambda: load_measure("judge").network,
        ("a2v", "judge"): lambda: load_measure("judge").network,
        ("joint", "bind"): lambda: load_measure("bind").network,
    }
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "real").mkdir()
        for k in range(count):
            first = REPEAT_SCENES * k
            scenes = [make_scene(first + j, "test") for j in range(REPEAT_SCENES)]
            write_clip(root / "real" / f"clip{k:03d}.mp4", scenes)
        for task in ("v2a", "a2v", "joint"):
            write_noise(task, real_clips(root / "real"), root / task)
        for (task, name), load in networks.items():
            network = load()
            for perceives in ("from_audio", "from_video", "read"):
                if hasattr(network, perceives):
                    clock.watch(network, perceives, "network")
            judge = partial(
                evaluated, task, root / "real", root / task,
                features=[LoadedNetwork(FEATURES[name], network)],
            )  # fmt: skip
            judge()  # once to get warm
            clock.take()
            ticks: list[float] = []
            began = time.perf_counter()
            judge(on_clip=lambda *_, ticks=ticks: ticks.append(time.perf_counter()))
            ended = time.perf_counter()
            taken = clock.take()
            found.append(
                {
                    "task": task,
                    "network": name,
                    "clips": count,
                    "total_s": ended - began,
                    "network_s": taken["network"],
                    "statistics_s": ended - ticks[-1],
                    "libraries_s": {what: taken[what] for what in ("decoding", "AV-Align")},
                }
            )
    return found


def tables(raw: dict) -> str:
    text = (
        "Median time from features to the value. Both implementations run in turn in one process. "
        "The reference is `numpy.cov` and `scipy.linalg.sqrtm`.\n\n"
    )
    rows = [
        [
            f["n"], f["dim"], f"{median(f['usual_s']):.2f}", f"{median(f['ours_s']):.2f}",
            f"{f['ratio']:.1f}", f"{f['relative_difference']:.0e}",
        ]
        for f in raw["frechet"]
    ]  # fmt: skip
    header = ["clips", "features", "reference, s", "ours, s", "ratio", "relative difference"]
    text += table(header, rows)
    text += (
        "\nShares of the time to process clips of about 10 s, in one process without a feature "
        "cache: the network, decoding by FFmpeg, AV-Align's optical flow and onsets by OpenCV and "
        "librosa, and our own code. CNN14 and I3D have full size and random weights. Statistics, "
        "with 200 resamplings, are computed once at the end and do not depend on clip length.\n\n"
    )
    rows = []
    for s in raw["shares"]:
        looking_s = s["total_s"] - s["statistics_s"]
        parts_s = [s["network_s"], *s["libraries_s"].values()]
        parts_s.append(looking_s - sum(parts_s))
        rows.append(
            [s["task"], s["network"], s["clips"], f"{looking_s:.1f}"]
            + [f"{100 * part / looking_s:.0f} %" for part in parts_s]
            + [f"{s['statistics_s']:.1f}"]
        )
    header = [
        "task", "`--features`", "clips", "processing, s", "network", "decoding", "AV-Align",
        "our own",
        "statistics, s",
    ]  # fmt: skip
    return text + table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--only", choices=("frechet", "shares"), help="keep the other as it was")
    options = parser.parse_args()
    raw = {"count": options.clips} | saved("metrics_speed", options.clips)
    if options.only != "shares":
        sizes = ((3000, 2048), (200, 2048), (3000, 400))
        raw["frechet"] = [frechet(n, dim, options.repeats) for n, dim in sizes]
    if options.only != "frechet":
        raw["shares"] = shares(options.clips)
    write("metrics_speed", "Speed of evaluation", raw, tables(raw))


if __name__ == "__main__":
    main()
