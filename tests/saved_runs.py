"""Runs as `Result.save` leaves them, made on the spot: real media, a manifest, a trace."""

import math
from pathlib import Path

import torch
from small_family import moving_frames

from seehear.guidance.aligner import StepTrace
from seehear.pipeline.manifest import describe_input, to_json
from seehear.pipeline.result import Result

WEIGHTS = (
    {"name": "audio/unet.safetensors", "sha256": "ab" * 32, "licence": "apache-2.0"},
    {"name": "binder/imagebind.pth", "sha256": "cd" * 32, "licence": "cc-by-nc-sa-4.0"},
    {"name": "text/own.safetensors", "sha256": "ef" * 32, "licence": None},
)
SETTINGS = {
    "models": "pocket",
    "prompt": None,
    "prompts": {"audio": "a dog barking"},
    "named": [{"phrase": "a dog barking", "score": 0.5}, {"phrase": "a wolf", "score": 0.25}],
    "captioned_by": None,
    "preset": {"name": "default", "settings": {"num_steps": 6, "aligner": {"rule": "relative"}}},
}


def trace_of(*losses: float, term: str = "audio-video local") -> tuple[StepTrace, ...]:
    """An unguided step, a guided one for every loss, an unguided one."""
    guided = [
        StepTrace(
            i=1 + k,
            seconds=0.1 / (k + 3),
            align_seconds=0.05 / (k + 3),
            is_guided=True,
            losses={term: loss, "audio-text local": loss / 3},
            gradient_norm={"audio": 10.0 ** (-k), "audio prompt": math.pi / (k + 1)},
            relative_step={"audio": 0.02 / (k + 1)},
        )
        for k, loss in enumerate(losses)
    ]
    return StepTrace(i=0, seconds=0.01), *guided, StepTrace(i=len(losses) + 1, seconds=0.02)


def sweep(seconds: float, sample_rate: int = 16_000) -> torch.Tensor:
    """A rising tone that pulses twice a second, [1, samples]."""
    t = torch.arange(round(seconds * sample_rate)) / sample_rate
    return (0.4 * torch.sin(2 * math.pi * (300 + 400 * t) * t) * torch.exp(-6 * (t % 0.5)))[None]


def saved_run(
    folder: Path,
    name: str = "out.mp4",
    *,
    trace=None,
    caption="a dog barking",
    task="joint",
    seconds: float = 1.0,
    input_file: Path | None = None,
    **settings,
) -> Path:
    """Save a run with frames and sound under a name; the path of its manifest."""
    frames = torch.from_numpy(moving_frames(round(25 * seconds))).permute(0, 3, 1, 2)
    result = Result(
        task=task,
        waveform=sweep(seconds),
        sample_rate=16_000,
        frames=frames.contiguous(),
        fps=25.0,
        caption=caption,
        seed=7,
        settings={**SETTINGS, **settings},
        trace=[to_json(step) for step in (trace_of(0.9, 0.5, 0.4) if trace is None else trace)],
        inputs=[] if input_file is None else [describe_input(input_file)],
        weights=WEIGHTS,
    )
    return result.save(folder / name)[1]
