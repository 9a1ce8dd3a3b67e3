"""Measure the cost of a job by timing a few of its steps, without writing output."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seehear.guidance.protocols import Backbone
from seehear.guidance.windows import WindowedBackbone
from seehear.media import finish_level
from seehear.models.captioners.phrase_bank import Naming
from seehear.pipeline.job import Job
from seehear.pipeline.studio import Studio

# Warm-up (caches, thread pools) slows the first steps, but is negligible for long jobs.
_LONG_JOB_WINDOWS = 4


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """Settings and measured costs of a job that has not run."""

    task: str
    duration_s: float  # of the output
    prompt: str  # "" without a prompt
    naming: Naming | None  # of the default caption
    num_windows: int
    window_s: float  # length of a window
    num_steps: int  # iterations of the loop
    steps: Mapping[str, int]  # per stream; lower than num_steps if a stream skips iterations
    num_guided: int  # guided iterations
    latents_shape: Mapping[str, tuple[int, ...]]  # per stream
    plain_s: float  # measured time of an unguided step
    guided_s: float  # measured time of a guided step
    decode_s: float  # of one window
    other_s: float  # one-time costs: condition embedding, audio levelling
    peak_bytes: int | None  # peak resident memory of the process; None: unknown on this system
    peak_device_bytes: int | None  # of the accelerator; None on a CPU

    @property
    def seconds(self) -> float:
        """Expected time of the whole job without loading models."""
        steps = (self.num_steps - self.num_guided) * self.plain_s + self.num_guided * self.guided_s
        # The timed iterations step every stream.
        share = sum(self.steps.values()) / (len(self.steps) * self.num_steps)
        return self.other_s + share * steps + self.num_windows * self.decode_s


def time_dry_run(studio: Studio, job: Job) -> DryRun:
    """Time an unguided step, a guided step and the decoding of one window of a job.

    The trial needs as much memory as the job, so the measured peak is that of the job. Nothing is
    written.
    """
    if job.shots:
        return _dry_run_of_shots(studio, job)
    settings = job.preset.settings
    # Every second step is guided: step 1, and step 3 if there are four.
    num_trials = 2 if len(job.windows_s) >= _LONG_JOB_WINDOWS else 4
    aligner = replace(settings.aligner, start=0.0, end=1.0, every=2)
    trial = replace(
        job,
        references={name: replace(given, strength=0.0) for name, given in job.references.items()},
        preset=replace(
            job.preset,
            # Every stream steps in every iteration of the trial, the most expensive case.
            settings=replace(
                settings, num_steps=num_trials, own_steps={}, spans={}, aligner=aligner
            ),
        ),
    )
    began = time.perf_counter()
    sampled = studio.sample(trial)
    other_s = time.perf_counter() - began - sum(step.seconds for step in sampled.trace)
    latents = sampled.latents

    began = time.perf_counter()
    with torch.no_grad():
        for stream, z in latents.items():
            _first_window(job.backbones[stream], z)
    decode_s = time.perf_counter() - began

    if "audio" in latents:
        rate = int(job.backbones["audio"].sample_rate)
        began = time.perf_counter()
        finish_level(torch.zeros(round(job.duration_s * rate)), rate)
        other_s += time.perf_counter() - began
    device = next(iter(latents.values())).device
    return DryRun(
        task=job.task,
        duration_s=job.duration_s,
        prompt=job.prompt,
        naming=job.naming,
        num_windows=len(job.windows_s),
        window_s=next(iter(job.backbones.values())).native_duration_s,
        num_steps=settings.num_steps - job.first_step,
        steps={s: settings.steps_of(s) - job.first_step for s in latents},
        num_guided=settings.aligner.num_guided(settings.num_steps, job.first_step),
        latents_shape={s: tuple(z.shape) for s, z in latents.items()},
        plain_s=sampled.trace[-2].seconds,
        guided_s=sampled.trace[-1].seconds,
        decode_s=decode_s,
        other_s=other_s,
        peak_bytes=peak_resident_bytes(),
        peak_device_bytes=torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else None,
    )


def _dry_run_of_shots(studio: Studio, job: Job) -> DryRun:
    """Time the longest shot; the others take as long by window."""
    longest = max((part.job for part in job.shots), key=lambda own: own.duration_s)
    plan = time_dry_run(studio, longest)
    ratio = len(job.windows_s) / plan.num_windows
    return replace(
        plan,
        duration_s=job.duration_s,
        prompt=job.prompt,
        naming=None,
        num_windows=len(job.windows_s),
        plain_s=ratio * plan.plain_s,
        guided_s=ratio * plan.guided_s,
        other_s=ratio * plan.other_s,
    )


def _first_window(backbone: Backbone, latents: torch.Tensor) -> None:
    """Decode the first window, the unit of decoding."""
    if isinstance(backbone, WindowedBackbone):
        length = min(backbone.layout.window, latents.shape[backbone.time_axis])
        latents = latents.narrow(backbone.time_axis, 0, length)
    backbone.decode(latents).cpu()


def peak_resident_bytes() -> int | None:
    """Peak resident memory of this process in bytes; None where the system does not report it."""
    status = Path("/proc/self/status")
    if status.is_file():
        # On Linux, `getrusage` would include the parent process.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource  # missing on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
