"""Worst cases: small changes that mislead a network most, to train it against."""

from torch import Tensor, where
from torch.nn import functional

from seehear.guidance.step_rules import sample_rms


def worse(change: Tensor, slope: Tensor, radius: Tensor, smooth: Tensor, num_steps: int) -> Tensor:
    """A change of examples moved uphill by one of `num_steps`, its rms at most `radius`.

    Where `smooth`, the change keeps to what an autoencoder's decoder can make: patches of 4 by 4
    cells or pixels that flow into each other. Guidance goes further that way than any other.

    Guidance follows a network's gradient. That of an ordinary network points at textures that
    nobody notices; that of one trained on its own worst cases points at what things differ by.
    Source: Madry et al. 2018, arXiv:1706.06083; Kawar et al. 2023, arXiv:2208.08664.

    Args:
        change: What has been added to the examples so far, batch first, the last two axes smooth.
        slope: Gradient of the loss in the examples, of the same shape.
        radius: Largest rms per example, of a shape that broadcasts.
        smooth: Which examples change smoothly, of the same shape as `radius`.
        num_steps: Steps that an example is changed in all.
    """
    planes = slope.reshape(-1, 1, *slope.shape[-2:])
    patches = functional.avg_pool2d(planes, 4)
    flowing = functional.interpolate(patches, size=slope.shape[-2:], mode="bilinear")
    slope = where(smooth, flowing.view_as(slope), slope)
    moved = change.detach() + 1.5 * radius / num_steps * slope / sample_rms(slope)
    return moved * (radius / sample_rms(moved)).clamp(max=1.0)
