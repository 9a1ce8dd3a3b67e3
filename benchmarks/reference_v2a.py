"""Our loop and a restatement of the released loop, on the same random weights.

`python -m benchmarks.reference_v2a --sizes small true` (about 8 minutes on one thread). The
restatement keeps the overhead of the released loop: frames and prompt are embedded again at every
step, gradients of the decoders' weights are computed and dropped, and anomaly detection is on.
Every variant runs in its own process, with one thread.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers import SpeechT5HifiGan

from benchmarks.clock import run_child
from benchmarks.results import table, write
from seehear.diagnostics import random_models
from seehear.diagnostics.dry_run import peak_resident_bytes
from seehear.guidance.conditions import Targets
from seehear.guidance.objective import Agreement
from seehear.guidance.sampling import sample
from seehear.models.backbones.audioldm import AudioLDM
from seehear.models.binders.imagebind import ImageBind, ImageBindConfig, clip_bounds
from seehear.models.binders.imagebind.audio_input import audio_input
from seehear.models.binders.imagebind.towers import MODALITIES, towers_from_state
from seehear.models.cache import read_json
from seehear.models.weights import read_state_dict
from seehear.pipeline.presets import AUTHORS

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "data" / "golden"
DURATION_S = 4
LR, SCALE = 0.1, 2.5  # the released script's
SETTINGS = {"small": (10, 0.2), "true": (3, 0.0)}  # steps, share of them before guidance
VARIANTS = ("released", "ours", "ours, recomputing")


def small_models(checkpointing: bool) -> tuple[AudioLDM, ImageBind]:
    """The models of the golden numbers: random, of a few thousand weights."""
    folder = GOLDEN / "v2a"
    options = {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}
    sound = AudioLDM(
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **options),
        vae=AutoencoderKL.from_pretrained(folder / "vae", **options),
        vocoder=SpeechT5HifiGan.from_pretrained(folder / "vocoder", dtype=torch.float32),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
        checkpointing=checkpointing,
    )
    state = read_state_dict(GOLDEN / "imagebind" / "state_dict.safetensors")
    key = "modality_preprocessors.text.token_embedding.weight"
    state[key] = torch.zeros(49408, 56)
    heads = read_json(GOLDEN / "imagebind" / "config.json")
    towers = towers_from_state(state, heads={m: int(heads[m]["heads"]) for m in MODALITIES})
    return sound, ImageBind(towers, authors_config())


def true_models(checkpointing: bool) -> tuple[AudioLDM, ImageBind]:
    """AudioLDM m and ImageBind-huge, with random weights."""
    torch.manual_seed(0)
    sound = random_models.audioldm("m", checkpointing=checkpointing, with_text=False)
    return sound, random_models.imagebind(config=authors_config())


def authors_config(num_clips: int = DURATION_S) -> ImageBindConfig:
    """One clip of a second for every second."""
    return ImageBindConfig(
        clip_duration_s=1.0, num_clips=num_clips, num_video_clips=num_clips, crop="squash"
    )


Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def inputs_of(sound: AudioLDM, duration_s: float = DURATION_S) -> Inputs:
    """Latents, prompt stack, frames and token ids, the same for every variant."""
    generator = torch.Generator().manual_seed(1)
    z = sound.prior(duration_s, 1, generator)
    width = int(sound.unet.config["projection_class_embeddings_input_dim"])
    y = functional.normalize(torch.randn(2, width, generator=generator), dim=-1)
    pixels = torch.randn(1, int(duration_s), 3, 2, 224, 224, generator=generator)
    ids = torch.zeros(1, 77, dtype=torch.long)
    ids[0, :4] = torch.tensor([49406, 320, 1929, 49407])
    return z, y, pixels, ids


def released(
    sound: AudioLDM, binder: ImageBind, inputs: Inputs, num_steps: int, warm_up: float
) -> Tensor:
    """The released loop, restated with its overhead."""
    for network in (sound.vae, sound.vocoder):
        network.requires_grad_(True)
    for network in (sound.unet, sound.vae, sound.vocoder):
        for module in network.modules():
            vars(module).pop("forward", None)  # convolutions as the library has them
    towers, scheduler = binder.towers, sound.scheduler
    z, y, pixels, ids = inputs
    scheduler.set_timesteps(num_steps)
    for i, t in enumerate(scheduler.timesteps):
        with torch.no_grad():
            both = sound.unet(torch.cat([z, z]), t, None, class_labels=y).sample
            unconditional, conditional = both.chunk(2)
            eps = unconditional + SCALE * (conditional - unconditional)
            z = scheduler.step(eps, t, z).prev_sample
        if i <= int(num_steps * warm_up):
            continue
        alpha_bar = scheduler.alphas_cumprod[t]
        # On the device meta, where `guidance_flops` counts, there are no values to check.
        with torch.autograd.set_detect_anomaly(True, check_nan=z.device.type != "meta"):
            z = z.detach().requires_grad_()
            optimizer = torch.optim.Adam([z], lr=LR)
            x0 = (z - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5
            mel = sound.vae.decode(x0 / sound.vae.config["scaling_factor"]).sample
            waveform = sound.vocoder(mel.squeeze(1))
            bounds = clip_bounds(waveform.shape[1], binder.config)
            clips = [audio_input(waveform[:, slice(*bound)]) for bound in bounds]
            e_a = towers.embed_audio(torch.stack(clips, dim=1))
            e_v, e_t = towers.embed_vision(pixels), towers.embed_text(ids)
            loss = (1 - functional.cosine_similarity(e_t, e_a)) + (
                1 - functional.cosine_similarity(e_v, e_a)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        z = z.detach()
    return z


def ours(
    sound: AudioLDM, binder: ImageBind, inputs: Inputs, num_steps: int, warm_up: float
) -> Tensor:
    """The `authors` preset in our loop."""
    z, y, pixels, ids = inputs
    with torch.no_grad():
        targets = {
            "video": binder.towers.embed_vision(pixels),
            "text": binder.towers.embed_text(ids),
        }
    settings = replace(
        AUTHORS.settings,
        num_steps=num_steps,
        aligner=replace(AUTHORS.settings.aligner, start=warm_up),
    )
    objective = Agreement(
        backbones={"audio": sound},
        binder=binder,
        pairs=AUTHORS.pairs,
        weights=AUTHORS.weights,
        targets=Targets((), targets),
    )
    return sample({"audio": sound}, {"audio": z}, {"audio": y}, objective, settings).latents[
        "audio"
    ]


def one(size: str, variant: str) -> dict[str, object]:
    """Run a variant in this process: a plain step, then all, each timed by the CPU's clock."""
    torch.set_num_threads(1)
    checkpointing = variant.endswith("recomputing")
    sound, binder = (small_models if size == "small" else true_models)(checkpointing)
    num_steps, warm_up = SETTINGS[size]
    run: Callable[..., Tensor] = released if variant == "released" else ours
    inputs = inputs_of(sound)
    z, y, _, _ = inputs
    with torch.no_grad():
        sound.predict(z, sound.levels(num_steps)[0], y, SCALE)  # warm up
        began = time.process_time()
        sound.predict(z, sound.levels(num_steps)[0], y, SCALE)
        plain_s = time.process_time() - began
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
    weights = psutil.Process().memory_info().rss
    began = time.process_time()
    latents = run(sound, binder, inputs, num_steps, warm_up)
    total_s = time.process_time() - began
    peak = peak_resident_bytes()
    assert peak is not None
    guided = num_steps - int(num_steps * warm_up) - 1
    return {
        "total_s": total_s,
        "guided_step_s": (total_s - (num_steps - guided) * plain_s) / guided,
        "plain_step_s": plain_s,
        "above_weights_gb": (peak - weights) / 1e9,
        "latents": latents.flatten().tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "VARIANT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one)))
        return
    raw: dict[str, dict] = {}
    text = (
        f"{DURATION_S} s of audio, float32, one thread, CPU seconds. `released` restates the "
        "released loop, and ours does the same arithmetic. The last column is the median "
        "difference of the final latents; each guided step moves every element by 0.1. Signs of "
        "gradients near zero depend on the order of sums, so float32 results drift. In float64 "
        "both agree with the golden numbers to 1e-9.\n"
    )
    for size in options.sizes:
        num_steps, _ = SETTINGS[size]
        rows = {}
        for variant in VARIANTS:
            rows[variant] = run_child("benchmarks.reference_v2a", "--one", size, variant)
        base = rows["released"]
        text += f"\n## {size} models, {num_steps} steps\n\n"
        lines = []
        for variant, row in rows.items():
            gap = torch.tensor(row["latents"]) - torch.tensor(base["latents"])
            row["median_difference"] = gap.abs().median().item()
            step = (
                f"{row['guided_step_s']:.2f} ({row['guided_step_s'] / base['guided_step_s']:.2f})"
            )
            whole = f"{row['total_s']:.1f} ({row['total_s'] / base['total_s']:.2f})"
            share = row["above_weights_gb"] / base["above_weights_gb"]
            memory = f"{row['above_weights_gb']:.2f} ({share:.2f})"
            lines.append((variant, step, whole, memory, f"{row['median_difference']:.1e}"))
        header = ("loop", "s per guided step (ratio)", "s in total (ratio)",
                  "GB above weights (ratio)", "median difference")  # fmt: skip
        text += table(header, lines)
        raw[size] = {v: {k: x for k, x in row.items() if k != "latents"} for v, row in rows.items()}
    write("reference_v2a", "Our loop and the released loop", raw, text)


if __name__ == "__main__":
    main()
