"""Two backbones side by side: streams with step counts of their own take turns in one loop."""

from collections.abc import Mapping
from dataclasses import dataclass

from seehear.errors import SettingsError
from seehear.protocols import Stream


@dataclass(frozen=True)
class Turn:
    """One pass of the denoising loop: where every stream is, and which of them step now."""

    at: Mapping[Stream, int]  # index of the noise level that each stream's latents have
    moving: tuple[Stream, ...]  # the streams that go on to their next level

    def after(self, stream: Stream) -> int:
        """Index of the level that a stream has after this turn."""
        return self.at[stream] + (stream in self.moving)


def turns(num_steps: int, own_steps: Mapping[Stream, int]) -> tuple[Turn, ...]:
    """Spread every stream's steps evenly over `num_steps` turns; all end in the last one.

    So streams are about equally noisy whenever they are compared, whatever their step counts.

    Args:
        num_steps: Turns in all: the largest number of steps.
        own_steps: Steps of every stream, 1 to `num_steps`.

    Raises:
        SettingsError: A stream with more steps than turns, or with none.
    """
    for stream, own in own_steps.items():
        if not 1 <= own <= num_steps:
            raise SettingsError(
                f"{stream} makes 1 to {num_steps} steps of a run of {num_steps}, got {own}"
            )
    made = [{s: i * own // num_steps for s, own in own_steps.items()} for i in range(num_steps + 1)]
    return tuple(
        Turn(at=made[i], moving=tuple(s for s in own_steps if made[i + 1][s] > made[i][s]))
        for i in range(num_steps)
    )
