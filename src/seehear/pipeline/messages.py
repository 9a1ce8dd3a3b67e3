"""Messages about a run, for the command line and the web interface."""

import math
from collections.abc import Mapping
from pathlib import Path

from seehear.guidance.protocols import LimitsPrompts
from seehear.guidance.sampling import StepProgress
from seehear.guidance.windows import WindowedBackbone
from seehear.media import peak_dbfs
from seehear.models.captioners import Captioner
from seehear.models.captioners.phrase_bank import Naming
from seehear.pipeline.job import Job
from seehear.pipeline.result import Result
from seehear.pipeline.task import TASKS

SILENT_DBFS = -80.0  # peak level below which audio counts as silent


def total_loss(step: StepProgress) -> float | None:
    """The sum of all terms before the step's update; None for a step without guidance."""
    return sum(step.trace.losses.values()) if step.trace.losses else None


def prompt_note(naming: Naming | None, prompt: str, captioned_by: str | None = None) -> str:
    """The prompt of a run and its source."""
    if captioned_by:
        return f'caption by {captioned_by}: "{prompt}"'
    used = f'prompt "{prompt}"' if prompt else "no prompt"
    if naming is None:
        return used
    if naming.is_sure is False:
        guesses = ", ".join(f"{match.phrase} ({match.score:.2f})" for match in naming.matches)
        return f"not sure what this is: {guesses}; {used} (pass a prompt to choose one)"
    best = naming.matches[0]
    others = ", ".join(match.phrase for match in naming.matches[1:3])
    return f"recognised: {best.phrase} ({best.score:.2f}), also: {others}"


def shot_notes(job: Job) -> list[str]:
    """The times and the prompt of every shot, one line each."""
    lines = []
    for part in job.shots:
        note = prompt_note(part.job.naming, part.job.prompt, part.job.captioned_by)
        lines.append(f"{part.shot.start_s:.2f} to {part.shot.end_s:.2f} s: {note}")
    return lines


def ineffective_options(job: Job, captioner: Captioner | None = None) -> list[str]:
    """Options that have no effect for this input, or only in part, one message each.

    Args:
        job: The job, before it is sampled.
        captioner: The studio's.
    """
    if job.shots:
        return [
            f"shot {k}: {message}"
            for k, part in enumerate(job.shots, 1)
            for message in ineffective_options(part.job, captioner)
        ]
    found = []
    if job.audio is not None and peak_dbfs(job.audio.waveform) < SILENT_DBFS:
        found.append("the audio is silent, so it cannot guide the video")
    if job.sync is not None and job.sync.starts is not None and job.sync.starts.is_flat():
        found.append("the video has no motion, so --sync has no effect")
    if job.sync is not None and job.sync.onsets is not None and job.sync.onsets.is_flat():
        found.append("the audio has no onsets, so --sync has no effect")
    found += _cut_prompts(job)
    aligner, num_steps = job.preset.settings.aligner, job.preset.settings.num_steps
    if aligner.num_guided(num_steps) and not aligner.num_guided(num_steps, job.first_step):
        found.append(
            "--like-strength skips all guided steps, so only the recording and the prompt have an "
            "effect"
        )
    if captioner is not None and job.user_prompt is None and job.captioned_by is None:
        kind = "audio" if job.audio is not None else "image"
        name = type(captioner).__name__
        found.append(f"{name} has no caption for this {kind}, so the nearest phrase is used")
    return found


def _cut_prompts(job: Job) -> list[str]:
    """A message for every prompt that is longer than the text encoder of its model reads."""
    used = {}
    for stream, own in job.prompts.items():
        backbone = job.backbones[stream]
        backbone = backbone.backbone if isinstance(backbone, WindowedBackbone) else backbone
        if not isinstance(backbone, LimitsPrompts):
            continue
        for kind, prompt in (("prompt", own), ("negative prompt", job.negative)):
            if (part := backbone.used_prompt(prompt)) != prompt:
                used[part] = stream, kind
    return [
        f"the {kind} is longer than the text encoder of the {stream} model reads, so only its "
        f'start is used: "{part if len(part) <= 200 else "... " + part[-200:]}"'
        for part, (stream, kind) in used.items()
    ]


def guidance_failures(result: Result) -> list[str]:
    """A message if a loss was NaN or infinite at some steps, which guidance then skips."""
    guided = [step["losses"].values() for step in result.trace if step.get("losses")]
    lost = sum(not all(math.isfinite(float(loss)) for loss in losses) for losses in guided)
    if not lost:
        return []
    return [
        f"the guidance loss was NaN or infinite at {lost} of {len(guided)} guided steps, so these "
        "changed nothing; lower the guidance rate or compute in float32"
    ]


def ranking(agreements: Mapping[Path, float]) -> str:
    """Takes with the agreement of audio and video, the best first."""
    best_first = sorted(agreements.items(), key=lambda item: -item[1])
    return ", ".join(f"{target.name} ({value:.2f})" for target, value in best_first)


def output_summary(result: Result) -> str:
    """Duration and kind of the output."""
    if TASKS[result.task].makes_still:
        return "an image"
    kind = "audio" if result.frames is None else "video"
    return f"{result.duration_s:.2f} s of {kind}"
