"""How far sound and picture are apart, by a network that tells offsets: DeSync's arithmetic.

Source: Iashin et al. 2024, arXiv:2401.16423 (Synchformer), as MMAudio's evaluation applies it. The
network is not part of this package; anything that gives logits over `OFFSETS_S` will do.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FPS = 25.0
SEGMENT_FRAMES, STEP_FRAMES = 16, 8  # of the pieces that a network looks at
WINDOW_SEGMENTS = 14
OFFSETS_S = torch.linspace(-2.0, 2.0, 21, dtype=torch.float64)  # what its classes mean


def segment_windows(duration_s: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and one past the last segment of the two windows that are looked at: both ends.

    Raises:
        ValueError: The clip is shorter than one window, 4.8 s.
    """
    segments = (int(duration_s * FPS + 1e-6) - SEGMENT_FRAMES) // STEP_FRAMES + 1
    if segments < WINDOW_SEGMENTS:
        least_s = (SEGMENT_FRAMES + (WINDOW_SEGMENTS - 1) * STEP_FRAMES) / FPS
        raise ValueError(f"expected at least {least_s:g} s to tell an offset, got {duration_s:g} s")
    return (0, WINDOW_SEGMENTS), (segments - WINDOW_SEGMENTS, segments)


def mean_absolute_offset_s(logits: Float[Tensor, "windows classes"]) -> float:
    """Mean size in seconds of the likeliest offset over all windows of all clips: DeSync.

    0 is best, 2 the most that can be told.

    Raises:
        ValueError: No window, or another number of classes.
    """
    if logits.ndim != 2 or not len(logits) or logits.shape[1] != len(OFFSETS_S):
        raise ValueError(
            f"expected logits of windows over {len(OFFSETS_S)} offsets, got a shape of "
            f"{tuple(logits.shape)}"
        )
    return float(OFFSETS_S[logits.argmax(1).cpu()].abs().mean())
