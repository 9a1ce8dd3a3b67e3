"""What is said of a run in a few words, in the shell as on the page."""

from collections.abc import Sequence

from seehear.captioners.nearest import Match
from seehear.outputs import Result
from seehear.sampling import Progress


def total_loss(step: Progress) -> float | None:
    """The sum of all terms before the step's update; None for a step without guidance."""
    return sum(step.trace.losses.values()) if step.trace.losses else None


def named_as(named: Sequence[Match], prompt: str, captioned_by: str | None = None) -> str:
    """Which words were used, and whose they are."""
    if captioned_by:
        return f'{captioned_by} wrote: "{prompt}"'
    if not named:
        return f'prompt "{prompt}"' if prompt else "no prompt"
    others = ", ".join(match.phrase for match in named[1:3])
    best = f"named it: {named[0].phrase} ({named[0].score:.2f})"
    return f"{best}, also: {others}" if others else best


def made_text(result: Result) -> str:
    """How much of what was made."""
    if result.task == "a2i":
        return "a picture"
    kind = "sound" if result.frames is None else "video"
    return f"{result.duration_s:.2f} s of {kind}"
