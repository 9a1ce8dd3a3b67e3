"""What a job will take, measured on the spot: time two of its steps, write nothing."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seehear.guidance.protocols import Backbone
from seehear.guidance.windows import WindowedBackbone
from seehear.media import finish_level
from seehear.models.captioners.phrase_bank import Match
from seehear.pipeline.job import Job
from seehear.pipeline.studio import Studio

# The first steps of a short job are slow (caches, thread pools), those of a long one drown it.
_LONG_JOB_WINDOWS = 4


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a job would do and take, before it is done."""

    task: str
    duration_s: float  # of what is made
    prompt: str  # empty: none
    named: tuple[Match, ...]  # best first, if the binder chose the prompt
    num_windows: int
    window_s: float  # length of a window
    num_steps: int  # turns of the loop
    steps: Mapping[str, int]  # of every stream; two that do not step in every turn make fewer
    num_guided: int  # how many turns are guided
    latents_shape: Mapping[str, tuple[int, ...]]  # of every stream
    plain_s: float  # measured seconds of a step without guidance
    guided_s: float  # and with it
    decode_s: float  # of one window
    other_s: float  # what happens once: embedding the condition, levelling a sound
    peak_bytes: int | None  # resident memory of the process after the trial; None: not known here
    peak_device_bytes: int | None  # the accelerator's; None on a CPU

    @property
    def seconds(self) -> float:
        """Expected time of the whole job, models loaded."""
        steps = (self.num_steps - self.num_guided) * self.plain_s + self.num_guided * self.guided_s
        # What was timed is a turn in which every stream steps.
        share = sum(self.steps.values()) / (len(self.steps) * self.num_steps)
        return self.other_s + share * steps + self.num_windows * self.decode_s


def time_dry_run(studio: Studio, job: Job) -> DryRun:
    """Time a plain step, a guided step and the decoding of a window of this very job.

    The trial needs as much memory as the job, so what the process has used by then is what it
    will use. Nothing is written.
    """
    settings = job.preset.settings
    # Guided are 1 and, if there are so many, 3: every second step, the first never.
    num_trials = 2 if len(job.windows_s) >= _LONG_JOB_WINDOWS else 4
    aligner = replace(settings.aligner, start=0.0, end=1.0, every=2)
    trial = replace(
        job,
        preset=replace(
            job.preset,
            # Every stream takes part in every step of the trial: the dearest case.
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
        named=job.named,
        num_windows=len(job.windows_s),
        window_s=next(iter(job.backbones.values())).native_duration_s,
        num_steps=settings.num_steps,
        steps={s: settings.steps_of(s) for s in latents},
        num_guided=sum(
            settings.aligner.is_guided(i, settings.num_steps) for i in range(settings.num_steps)
        ),
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


def _first_window(backbone: Backbone, latents: torch.Tensor) -> None:
    """Decode as much as is decoded at once."""
    if isinstance(backbone, WindowedBackbone):
        length = min(backbone.layout.window, latents.shape[backbone.time_axis])
        latents = latents.narrow(backbone.time_axis, 0, length)
    backbone.decode(latents).cpu()


def peak_resident_bytes() -> int | None:
    """The most memory that this process has had so far, in bytes; None where nobody counts."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux: `getrusage` would count the process that started this one, too.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource  # not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
