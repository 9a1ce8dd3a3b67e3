"""ImageBind's image preprocessing: frames to normalised pairs of 224 x 224 frames."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SIZE = 224
MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's, by colour channel
STD = (0.26862954, 0.26130258, 0.27577711)
# three: both ends and the middle of the long side, as ImageBind crops videos. centre: the middle
# only, as it crops images. squash: the whole frame without its aspect ratio, as the authors' code.
Crop = Literal["three", "centre", "squash"]


def clip_pairs(
    frames: Float[Tensor, "batch frames 3 height width"], num_clips: int
) -> Float[Tensor, "batch clips 2 3 height width"]:
    """Split a video into equal spans and take the first and the last frame of each.

    With fewer frames than spans there are fewer clips. A span of one frame uses it twice.
    """
    total = frames.shape[1]
    clips = max(1, min(num_clips, total))
    firsts = [k * total // clips for k in range(clips)]
    lasts = [max((k + 1) * total // clips - 1, first) for k, first in enumerate(firsts)]
    pairs = torch.tensor([firsts, lasts]).T
    return frames[:, pairs.flatten()].unflatten(1, (clips, 2))


def vision_input(
    frames: Float[Tensor, "batch frames 3 height width"], num_clips: int, crop: Crop
) -> Float[Tensor, "batch clips 3 2 224 224"]:
    """Input of the vision tower: pairs of frames, with every crop of a pair as a separate clip.

    Args:
        frames: RGB in [0, 1]. A single frame is an image: antialiased bicubic resize, centre crop.
        num_clips: Spans of a video, see `clip_pairs`.
        crop: How to make frames square.
    """
    pairs = clip_pairs(frames, num_clips)
    batch, clips = pairs.shape[:2]
    is_image = frames.shape[1] == 1
    flat = _resized(pairs.flatten(0, 2), is_image)
    if crop == "squash":
        squares = [functional.interpolate(flat, (SIZE, SIZE), mode="bilinear")]
    else:
        squares = _crops(flat, "centre" if is_image else crop)
    mean, std = (flat.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    stacked = torch.stack([(square - mean) / std for square in squares], dim=1)
    # (batch clips 2) crops 3 h w -> batch (clips crops) 3 2 h w
    stacked = stacked.unflatten(0, (batch, clips, 2))
    return stacked.permute(0, 1, 3, 4, 2, 5, 6).flatten(1, 2)


def _resized(frames: Float[Tensor, "n 3 height width"], is_image: bool) -> Float[Tensor, "n 3 h w"]:
    """Resize the short side to 224. Videos have no antialiasing, as in ImageBind's loader."""
    height, width = frames.shape[-2:]
    short = min(height, width)
    size = (math.floor(height / short * SIZE), math.floor(width / short * SIZE))
    if is_image:
        resized = functional.interpolate(frames, size, mode="bicubic", antialias=True)
        return resized.clamp(0, 1)  # bicubic weights overshoot at edges
    return functional.interpolate(frames, size, mode="bilinear")


def _crops(frames: Float[Tensor, "n 3 height width"], crop: Crop) -> list[Tensor]:
    """Distinct square crops along the long side."""
    height, width = frames.shape[-2:]
    spare = max(height, width) - SIZE
    middle = math.ceil(spare / 2)
    starts = [middle] if crop == "centre" else sorted({0, middle, spare})
    long_side = -1 if width >= height else -2
    return [frames.narrow(long_side, start, SIZE) for start in starts]
