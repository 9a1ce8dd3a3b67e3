"""What a job will take, measured on the spot: time two of its steps, write nothing."""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seehear.captioners.nearest import Match
from seehear.media import finish_level
from seehear.tasks import Job, Studio

# The first steps of a short job are slow (caches, thread pools), those of a long one drown it.
_LONG_JOB_WINDOWS = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a job would do and take, before it is done."""

    task: str
    duration_s: float  # of the sound
    prompt: str  # empty: none
    named: tuple[Match, ...]  # best first, if the binder chose the prompt
    num_windows: int
    window_s: float  # length of a window
    num_steps: int
    num_guided: int  # how many of them are guided
    latents_shape: tuple[int, ...]
    plain_s: float  # measured seconds of a step without guidance
    guided_s: float  # and with it
    decode_s: float  # of one window
    other_s: float  # what happens once: embedding the condition, levelling the sound
    peak_bytes: int | None  # resident memory of the process after the trial; None: not known here
    peak_device_bytes: int | None  # the accelerator's; None on a CPU

    @property
    def seconds(self) -> float:
        """Expected time of the whole job, models loaded."""
        steps = (self.num_steps - self.num_guided) * self.plain_s + self.num_guided * self.guided_s
        return self.other_s + steps + self.num_windows * self.decode_s


def measured_plan(studio: Studio, job: Job) -> Plan:
    """Time a plain step, a guided step and the decoding of a window of this very job.

    The trial needs as much memory as the job, so what the process has used by then is what it
    will use. Nothing is written.
    """
    settings, audio = job.preset.settings, studio.family.audio
    # Guided are 1 and, if there are so many, 3: every second step, the first never.
    num_trials = 2 if len(job.windows_s) >= _LONG_JOB_WINDOWS else 4
    aligner = replace(settings.aligner, start=0.0, end=1.0, every=2)
    trial = replace(
        job,
        preset=replace(
            job.preset, settings=replace(settings, num_steps=num_trials, aligner=aligner)
        ),
    )
    began = time.perf_counter()
    sampled = studio.sample(trial)
    other_s = time.perf_counter() - began - sum(step.seconds for step in sampled.trace)
    latents = sampled.latents["audio"]

    began = time.perf_counter()
    with torch.no_grad():
        audio.decode(latents.narrow(audio.time_axis, 0, job.layout.window)).cpu()
    decode_s = time.perf_counter() - began

    began = time.perf_counter()
    finish_level(torch.zeros(round(job.duration_s * audio.sample_rate)), audio.sample_rate)
    other_s += time.perf_counter() - began
    is_cuda = latents.device.type == "cuda"
    return Plan(
        task=job.task,
        duration_s=job.duration_s,
        prompt=job.prompt,
        named=job.named,
        num_windows=len(job.windows_s),
        window_s=audio.native_duration_s,
        num_steps=settings.num_steps,
        num_guided=sum(
            settings.aligner.is_guided(i, settings.num_steps) for i in range(settings.num_steps)
        ),
        latents_shape=tuple(latents.shape),
        plain_s=sampled.trace[-2].seconds,
        guided_s=sampled.trace[-1].seconds,
        decode_s=decode_s,
        other_s=other_s,
        peak_bytes=peak_resident_bytes(),
        peak_device_bytes=torch.cuda.max_memory_allocated(latents.device) if is_cuda else None,
    )


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
