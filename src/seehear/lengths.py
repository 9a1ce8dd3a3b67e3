"""How long media are in positions: frames, samples, hops or latents."""

import math


def positions_for(duration_s: float, rate: float) -> int:
    """The fewest positions, `rate` of them a second, that last `duration_s` seconds; at least one.

    The tolerance keeps 2.56 s at 6.25 frames a second from becoming 17 by rounding.
    """
    return max(1, math.ceil(duration_s * rate - 1e-6))
