"""DeSync: audio-video offset from the logits of an offset classifier.

Source: Iashin et al. 2024, arXiv:2401.16423 (Synchformer), as MMAudio's evaluation applies it. The
network is not part of this package. Any network with logits over `OFFSETS_S` can be used.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FPS = 25.0
SEGMENT_FRAMES, STEP_FRAMES = 16, 8  # length and stride of the network's segments
WINDOW_SEGMENTS = 14
OFFSETS_S = torch.linspace(-2.0, 2.0, 21, dtype=torch.float64)  # offset of each class


def segment_windows(duration_s: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Segment ranges of the two scored windows, at the start and the end of the clip.

    Raises:
        ValueError: The clip is shorter than one window, 4.8 s.
    """
    segments = (int(duration_s * FPS + 1e-6) - SEGMENT_FRAMES) // STEP_FRAMES + 1
    if segments < WINDOW_SEGMENTS:
        minimum_s = (SEGMENT_FRAMES + (WINDOW_SEGMENTS - 1) * STEP_FRAMES) / FPS
        raise ValueError(f"expected at least {minimum_s:g} s, got {duration_s:g} s")
    return (0, WINDOW_SEGMENTS), (segments - WINDOW_SEGMENTS, segments)


def mean_absolute_offset_s(logits: Float[Tensor, "windows classes"]) -> float:
    """DeSync: mean absolute value of the most likely offset over all windows, in seconds.

    Lower is better; the range is 0 to 2.

    Raises:
        ValueError: No windows, or another number of classes.
    """
    if logits.ndim != 2 or not len(logits) or logits.shape[1] != len(OFFSETS_S):
        raise ValueError(
            f"expected logits of windows over {len(OFFSETS_S)} offsets, got shape "
            f"{tuple(logits.shape)}"
        )
    return float(OFFSETS_S[logits.argmax(1).cpu()].abs().mean())
