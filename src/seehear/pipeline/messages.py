"""What is said of a run in a few words, in the shell as on the page."""

from collections.abc import Sequence

from seehear.guidance.sampling import StepProgress
from seehear.media import peak_dbfs
from seehear.models.captioners import Captioner
from seehear.models.captioners.phrase_bank import Match
from seehear.pipeline.job import Job
from seehear.pipeline.result import Result
from seehear.pipeline.task import TASKS

SILENT_DBFS = -80.0  # a peak below this is nothing to go by


def total_loss(step: StepProgress) -> float | None:
    """The sum of all terms before the step's update; None for a step without guidance."""
    return sum(step.trace.losses.values()) if step.trace.losses else None


def prompt_note(named: Sequence[Match], prompt: str, captioned_by: str | None = None) -> str:
    """Which words were used, and whose they are."""
    if captioned_by:
        return f'{captioned_by} wrote: "{prompt}"'
    if not named:
        return f'prompt "{prompt}"' if prompt else "no prompt"
    others = ", ".join(match.phrase for match in named[1:3])
    best = f"named it: {named[0].phrase} ({named[0].score:.2f})"
    return f"{best}, also: {others}" if others else best


def ineffective_options(job: Job, captioner: Captioner | None = None) -> list[str]:
    """What was asked for and can do nothing here, a clause each.

    Args:
        job: Before it is made.
        captioner: The studio's.
    """
    found = []
    if job.sound is not None and peak_dbfs(job.sound.waveform) < SILENT_DBFS:
        found.append("the sound is silent, so nothing in it can lead the picture")
    if job.sync is not None and job.sync.starts is not None and job.sync.starts.is_flat():
        found.append("nothing moves in the picture, so there is nothing to be in step with")
    if job.sync is not None and job.sync.onsets is not None and job.sync.onsets.is_flat():
        found.append("nothing begins in the sound, so there is nothing to be in step with")
    if captioner is not None and job.asked_prompt is None and job.captioned_by is None:
        given = "sound" if job.sound is not None else "picture"
        name = type(captioner).__name__
        found.append(f"{name} has no words for this {given}, so the binder named it")
    return found


def output_summary(result: Result) -> str:
    """How much of what was made."""
    if TASKS[result.task].makes_still:
        return "a picture"
    kind = "sound" if result.frames is None else "video"
    return f"{result.duration_s:.2f} s of {kind}"
