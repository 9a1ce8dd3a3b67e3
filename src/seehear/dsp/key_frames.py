"""Key frames of a clip: sharp, well lit, and different from each other.

The idea is from Katna, which the paper's authors use to choose the image to caption. The measures
and the selection are our own.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

SIDE = 128  # pixels: larger frames are scaled down, so that grain does not count as detail
BINS = 8  # of a colour histogram, per channel
GREY = (0.299, 0.587, 0.114)  # luminance of red, green and blue, ITU-R BT.601
DARK, BRIGHT = 0.06, 0.94  # darker or brighter pixels count as black or white


def key_frames(frames: UInt8[Tensor, "n 3 height width"], count: int = 1) -> list[int]:
    """Indices of the key frames, best first; at most the number of frames.

    The first has the highest sharpness times lighting. Further frames trade this score against the
    colour distance to the chosen frames.

    Args:
        frames: RGB in [0, 255], in order of time.
        count: Number of key frames.
    """
    small = _small(frames)
    score = sharpness(small) * lighting(small)
    score = score / score.max().clamp(min=1e-12)
    histograms = colour_histograms(small)
    chosen = [int(score.argmax())]
    while len(chosen) < min(count, len(frames)):
        distance = torch.cdist(histograms, histograms[chosen], p=1).amin(1) / 2  # in [0, 1]
        value = (score + 1e-3) * distance
        value[chosen] = -1.0
        chosen.append(int(value.argmax()))
    return chosen


def _small(frames: UInt8[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 h w"]:
    pixels = frames.float() / 255
    longest = max(pixels.shape[-2:])
    if longest <= SIDE:
        return pixels
    sides = [max(1, round(side * SIDE / longest)) for side in pixels.shape[-2:]]
    return functional.interpolate(pixels, size=sides, mode="area")


def _grey(pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    weights = torch.tensor(GREY, dtype=pixels.dtype).view(1, 3, 1, 1)
    return (pixels * weights).sum(1, keepdim=True)


def sharpness(pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
    """Variance of the Laplacian of the luminance: edges are large second differences."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    grey = functional.pad(_grey(pixels), (1, 1, 1, 1), mode="replicate")
    edges = functional.conv2d(grey, kernel[None, None].to(pixels))
    return edges.flatten(1).var(1, correction=0)


def lighting(pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
    """In [0, 1]: fraction of pixels neither black nor white, less for a dark or bright mean."""
    grey = _grey(pixels).flatten(1)
    visible = ((grey > DARK) & (grey < BRIGHT)).to(grey).mean(1)
    mean = grey.mean(1)
    return visible * (1 - (2 * mean - 1).abs()).clamp(min=0.05)


def colour_histograms(pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n bins"]:
    """Normalised RGB histograms, which sum to 1."""
    level = (pixels * BINS).long().clamp(max=BINS - 1).flatten(2)
    code = (level[:, 0] * BINS + level[:, 1]) * BINS + level[:, 2]
    counts = torch.zeros(len(pixels), BINS**3, dtype=pixels.dtype)
    counts.scatter_add_(1, code, torch.ones_like(code, dtype=pixels.dtype))
    return counts / code.shape[1]
