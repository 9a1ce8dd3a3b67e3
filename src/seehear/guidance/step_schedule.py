"""Two backbones side by side: streams with step counts of their own take turns in one loop."""

from collections.abc import Mapping
from dataclasses import dataclass

from seehear.errors import SettingsError
from seehear.guidance.streams import Stream


@dataclass(frozen=True)
class LoopStep:
    """One pass of the denoising loop: where every stream is, and which of them step now."""

    at: Mapping[Stream, int]  # index of the noise level that each stream's latents have
    moving: tuple[Stream, ...]  # the streams that go on to their next level

    def after(self, stream: Stream) -> int:
        """Index of the level that a stream has after this turn."""
        return self.at[stream] + (stream in self.moving)


def step_schedule(
    num_steps: int,
    own_steps: Mapping[Stream, int],
    spans: Mapping[Stream, tuple[float, float]] | None = None,
) -> tuple[LoopStep, ...]:
    """Spread every stream's steps evenly over its part of `num_steps` turns.

    Streams that share a part are about equally noisy whenever they are compared, whatever their
    step counts. One whose part begins earlier leads: it is clean enough to follow when the others
    begin.

    Args:
        num_steps: Turns in all.
        own_steps: Steps of every stream, 1 to the turns of its part.
        spans: Where the parts begin and end, in shares of the run, 0 to 1; all of it for streams
            that are not named.

    Raises:
        SettingsError: A stream with more steps than turns, or with none.
    """
    made = {s: _made(s, num_steps, own, (spans or {}).get(s)) for s, own in own_steps.items()}
    return tuple(
        LoopStep(
            at={s: m[i] for s, m in made.items()},
            moving=tuple(s for s, m in made.items() if m[i + 1] > m[i]),
        )
        for i in range(num_steps)
    )


def _made(
    stream: Stream, num_steps: int, own: int, span: tuple[float, float] | None
) -> tuple[int, ...]:
    """How many of its steps a stream has made before every turn, and after the last."""
    first, last = active_interval(num_steps, span)
    if not 1 <= own <= last - first:
        raise SettingsError(
            f"{stream} makes 1 to {last - first} steps of a run of {num_steps}, got {own}"
        )
    return tuple(
        (min(max(i, first), last) - first) * own // (last - first) for i in range(num_steps + 1)
    )


def active_interval(num_steps: int, span: tuple[float, float] | None) -> tuple[int, int]:
    """The first turn of a part of the run, and the one after its last."""
    first, last = span or (0.0, 1.0)
    return round(first * num_steps), round(last * num_steps)
