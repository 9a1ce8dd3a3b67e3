"""One guided step of MM-Diffusion at its true size with random weights, beside the prediction.

`python -m benchmarks.true_size_mm --dtypes float32 bfloat16`: time by stage and peak memory,
measured in a process of its own. The step compares two frames and the audio by ImageBind, with the
gradient through the denoiser unless `--constant-eps`. `--tiny` is for a quick look at the script.
"""

import argparse
import json
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clock import measured_step, run_child
from benchmarks.results import FOLDER, table, write
from seehear.diagnostics import random_models
from seehear.diagnostics.step_cost import LiveBytes, fused_attention, weight_bytes
from seehear.guidance.losses import cosine_distance
from seehear.models.backbones.mm_diffusion import MMDiffusion, MMDiffusionConfig
from seehear.models.binders.imagebind import ImageBind, ImageBindConfig
from seehear.models.coupled_unet import CoupledUNet, CoupledUNetConfig

NAME = "true_size_mm"
STEPS, FRAMES_PER_STEP = 25, 2  # of the preset paper-landscape
BINDER = ImageBindConfig(clip_duration_s=1.0, num_clips=2, num_video_clips=1, crop="squash")
TINY = CoupledUNetConfig(
    frames=8, height=16, width=16, samples=1024, base_channels=32, channel_mult=(1, 1, 1, 1),
    num_res_blocks=1, head_channels=32,
)  # fmt: skip
Reading = Callable[[str], None]


def models(
    device: str, dtype: torch.dtype, recompute: bool, sizes: CoupledUNetConfig
) -> tuple[MMDiffusion, ImageBind]:
    """The joint model, and the binder with its two towers."""
    with torch.device(device):
        network = CoupledUNet(sizes, checkpointing=recompute).to(dtype)
    binder = random_models.imagebind(
        device=device, dtype=dtype, trunks=("audio", "vision"), config=BINDER
    )
    return MMDiffusion(network, MMDiffusionConfig(network=sizes)), binder


def guided_step(model: MMDiffusion, binder: ImageBind, through: bool) -> Callable[[Reading], None]:
    """A guided step that calls its argument after every stage."""
    streams = {s: model.stream(s) for s in model.streams}
    level = model.levels(STEPS)[STEPS // 2]
    generator = torch.Generator().manual_seed(0)
    z = {s: stream.prior(0.0, 1, generator) for s, stream in streams.items()}

    def run(read: Reading) -> None:
        leaves = {s: value.clone().requires_grad_() for s, value in z.items()}
        with torch.set_grad_enabled(through):
            found = model.predict(leaves, level, {}, {})
        with torch.enable_grad():
            # Without a gradient the noise is constant, and the clean estimate is linear in z.
            x0 = {s: p.x0 if through else leaves[s] + p.eps for s, p in found.items()}
            read("denoiser")
            frames = streams["video"].decode(x0["video"][:, :FRAMES_PER_STEP])
            video = binder.embed_video(frames)
            read("binder, video")
            audio = binder.embed_audio(streams["audio"].decode(x0["audio"]), 16_000)
            read("binder, audio")
            cosine_distance(audio, video).sum().backward()
        read("backward")

    return run


def predicted(dtype: torch.dtype, recompute: bool, through: bool, sizes: CoupledUNetConfig) -> dict:
    """FLOPs by stage and peak bytes, on the device "meta"."""
    model, binder = models("meta", dtype, recompute, sizes)
    run = guided_step(model, binder, through)
    with fused_attention(), LiveBytes() as live:
        run(lambda name: None)
    names: list[str] = []
    totals = [0.0]
    with fused_attention() as fused, FlopCounterMode(display=False) as flops:

        def read(name: str) -> None:
            names.append(name)
            totals.append(float(flops.get_total_flops()) + sum(fused))

        run(read)
    weights = sum(weight_bytes(model, binder).values())
    stages = {n: b - a for n, a, b in zip(names, totals, totals[1:], strict=False)}
    return {"flops": stages, "peak_gb": (weights + live.peak) / 1e9, "weights_gb": weights / 1e9}


def measured(dtype: torch.dtype, recompute: bool, through: bool, sizes: CoupledUNetConfig) -> dict:
    """Take the step here, and time it."""
    return measured_step(lambda: guided_step(*models("cpu", dtype, recompute, sizes), through))


def page(runs: dict[str, dict]) -> str:
    """Tables by run: stages, then totals."""
    text = (
        "MM-Diffusion (133.7 M weights) and ImageBind's towers of images and audio, random "
        "weights. Peak: memory of the process beyond Python and its libraries, measured and "
        "predicted.\n"
    )
    for name, run in runs.items():
        rows = [
            (stage, f"{seconds:.1f}", f"{run['predicted']['flops'][stage] / 1e12:.2f}")
            for stage, seconds in run["measured"]["seconds"].items()
        ]
        text += f"\n## {name}\n\n" + table(("stage", "s", "TFLOP"), rows)
        text += (
            f"\nPeak {run['measured']['peak_gb']:.1f} GB, predicted "
            f"{run['predicted']['peak_gb']:.1f} GB; weights {run['measured']['weights_gb']:.1f} "
            f"GB; {run['threads']} thread(s).\n"
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--recompute", action="store_true", help="activations: less memory")
    parser.add_argument("--constant-eps", action="store_true", help="no gradient in the denoiser")
    parser.add_argument("--tiny", action="store_true", help="a small network; nothing is saved")
    parser.add_argument("--predict-only", action="store_true", help="print the prediction alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = TINY if options.tiny else CoupledUNetConfig()
    through = not options.constant_eps
    if options.one:
        dtype = getattr(torch, options.dtypes[0])
        print(json.dumps(measured(dtype, options.recompute, through, sizes)))
        return
    path = FOLDER / f"{NAME}.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else {}
    for name in options.dtypes:
        expected = predicted(getattr(torch, name), options.recompute, through, sizes)
        print(name, json.dumps(expected), flush=True)
        if options.predict_only:
            continue
        flags = ["--recompute"] * options.recompute + ["--constant-eps"] * options.constant_eps
        flags += ["--tiny"] * options.tiny
        words = ["--dtypes", name, "--threads", str(options.threads), *flags, "--one"]
        found = run_child(f"benchmarks.{NAME}", *words)
        print(name, json.dumps(found), flush=True)
        if options.tiny:
            continue
        how = ", recomputing" if options.recompute else ""
        how += "" if through else ", constant eps"
        runs[f"one guided step, {name}{how}"] = {
            "threads": options.threads, "measured": found, "predicted": expected
        }  # fmt: skip
        write(NAME, "A guided step of MM-Diffusion at full size", {"runs": runs}, page(runs))


if __name__ == "__main__":
    main()
