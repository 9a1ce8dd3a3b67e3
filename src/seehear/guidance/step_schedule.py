"""The schedule of one loop for streams with different step counts and active intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

from seehear.errors import SettingsError
from seehear.guidance.streams import Stream


@dataclass(frozen=True)
class LoopStep:
    """One step of the loop: the noise level of every stream, and the streams that step."""

    at: Mapping[Stream, int]  # index of each stream's current noise level
    moving: tuple[Stream, ...]  # the streams that go to their next noise level

    def after(self, stream: Stream) -> int:
        """Index of a stream's noise level after this loop step."""
        return self.at[stream] + (stream in self.moving)


def step_schedule(
    num_steps: int,
    own_steps: Mapping[Stream, int],
    spans: Mapping[Stream, tuple[float, float]] | None = None,
) -> tuple[LoopStep, ...]:
    """Spread every stream's steps evenly over its active interval of the loop.

    Streams with the same interval have about the same noise level at every loop step, whatever
    their step counts. A stream that starts earlier leads: its estimate is already informative when
    the others start.

    Args:
        num_steps: Loop steps in total.
        own_steps: Steps of every stream, from 1 to the number of loop steps in its interval.
        spans: Start and end of each stream's interval, as fractions of the run from 0 to 1. The
            default for a stream without an entry is the whole run.

    Raises:
        SettingsError: A stream has no step, or more steps than its interval.
    """
    levels = {
        s: _level_indices(s, num_steps, own, (spans or {}).get(s)) for s, own in own_steps.items()
    }
    return tuple(
        LoopStep(
            at={s: k[i] for s, k in levels.items()},
            moving=tuple(s for s, k in levels.items() if k[i + 1] > k[i]),
        )
        for i in range(num_steps)
    )


def _level_indices(
    stream: Stream, num_steps: int, own: int, span: tuple[float, float] | None
) -> tuple[int, ...]:
    """Steps that a stream has completed before every loop step, and after the last one."""
    first, last = active_interval(num_steps, span)
    if not 1 <= own <= last - first:
        raise SettingsError(
            f"expected 1 to {last - first} steps for {stream} in a run of {num_steps}, got {own}"
        )
    return tuple(
        (min(max(i, first), last) - first) * own // (last - first) for i in range(num_steps + 1)
    )


def active_interval(num_steps: int, span: tuple[float, float] | None) -> tuple[int, int]:
    """First loop step of an interval, and the one after its last; None is the whole run."""
    first, last = span or (0.0, 1.0)
    return round(first * num_steps), round(last * num_steps)
