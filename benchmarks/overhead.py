"""Cost of guidance: time by stage and peak memory of guided and unguided runs.

`python -m benchmarks.overhead --duration 10 --repeats 3`
"""

import argparse
import json
import resource
import time

import torch

from benchmarks.clock import Clock, run_child
from benchmarks.results import table, write
from seehear.media import Image
from seehear.models.latent_encoder import LatentEncoder
from seehear.pipeline.presets import PRESETS, with_overrides
from seehear.pipeline.studio import Studio, load

STAGES = ("denoise", "decode", "vocoder", "binder", "backward", "other")


def watched(studio: Studio) -> Clock:
    """Seconds by stage, taken around a family's own methods."""
    clock = Clock()
    audio, binder = studio.family.audio, studio.family.binder
    clock.watch(audio, "predict", "denoise")
    clock.watch(audio, "mel_from_latents", "decode")
    clock.watch(audio, "waveform_from_mel", "vocoder")
    clock.watch(binder, "embed_audio", "binder")
    clock.watch(binder, "embed_mel", "binder")
    clock.watch(LatentEncoder, "embed_latents", "binder")
    clock.watch(torch.autograd, "grad", "backward")
    return clock


def by_stage(clock: Clock, total_s: float) -> dict[str, float]:
    """The stages since the last call, with what is left of `total_s` as "other"."""
    taken = clock.take()
    taken["other"] = total_s - sum(taken.values())
    return {stage: taken.get(stage, 0.0) for stage in STAGES}


def one_run(studio: Studio, preset, duration_s: float) -> float:
    picture = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0))
    image = Image(pixels=(picture * 255).byte())
    job = studio.job("i2a", image, prompt="rain falling", preset=preset, duration_s=duration_s)
    began = time.perf_counter()
    studio.run(job)
    return time.perf_counter() - began


def measured(preset_name: str, duration_s: float, is_guided: bool, repeats: int) -> dict:
    """Fastest of `repeats` runs, with its stages, and this process's peak memory."""
    preset = PRESETS[preset_name]
    if not is_guided:
        preset = with_overrides(preset, None, lr_latents=0.0, lr_prompt=0.0)
    studio = load("pocket")
    studio.family.binder.embed_text(["warm up"])
    resting_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock = watched(studio)
    runs = []
    for _ in range(repeats):
        total = one_run(studio, preset, duration_s)
        runs.append({"total": total, **by_stage(clock, total)})
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return min(runs, key=lambda run: run["total"]) | {
        "peak_mb": peak_mb, "above_weights_mb": peak_mb - resting_mb,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds of audio")
    parser.add_argument("--presets", nargs="+", default=["default", "fast"], choices=list(PRESETS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", choices=("guided", "unguided"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        (preset,) = options.presets
        found = measured(preset, options.duration, options.child == "guided", options.repeats)
        print(json.dumps(found))
        return

    def child(mode: str, preset: str) -> dict:
        """A run in a process of its own, since peak memory is a process's."""
        words = ["--duration", str(options.duration), "--presets", preset]
        return run_child("benchmarks.overhead", *words, "--repeats", str(options.repeats),
                         "--child", mode)  # fmt: skip

    plain = child("unguided", options.presets[0])
    guided = {preset: child("guided", preset) for preset in options.presets}
    raw: dict = {"duration_s": options.duration, "unguided": plain, "guided": guided}
    raw["time_ratio"] = {name: run["total"] / plain["total"] for name, run in guided.items()}
    raw["memory_ratio"] = {name: run["peak_mb"] / plain["peak_mb"] for name, run in guided.items()}
    rows = [
        [stage, *(f"{run[stage]:.2f}" for run in (plain, *guided.values()))]
        for stage in ("total", *STAGES)
    ]
    rows += [
        ["times the unguided run", "1", *(f"{ratio:.2f}" for ratio in raw["time_ratio"].values())],
        ["peak memory, MB", *(f"{run['peak_mb']:.0f}" for run in (plain, *guided.values()))],
        [
            "times the unguided run", "1",
            *(f"{ratio:.2f}" for ratio in raw["memory_ratio"].values()),
        ],
    ]  # fmt: skip
    text = (
        f"Seconds for {options.duration:g} s of audio for an image, by stage, on "
        f"{torch.get_num_threads()} threads; fastest of {options.repeats} runs. The peak memory "
        "includes libraries and weights.\n\n"
    ) + table(["stage", "unguided", *(f"`{name}`" for name in guided)], rows)
    write("overhead", "Cost of guidance", raw, text)


if __name__ == "__main__":
    main()
