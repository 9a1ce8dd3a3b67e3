"""Spectrogram images and evenly spaced frames of a clip."""

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.dsp.mel import SAMPLE_RATE, WINDOW_SAMPLES, log_mel_from_waveform, slaney_mel_from_hz

RANGE_NEPER = 7.0  # dynamic range of the colour scale in natural-log magnitude: 61 dB
# Evenly spaced colour stops from quiet to loud; colours between them are interpolated.
COLOURS = ((10, 8, 30), (70, 20, 110), (170, 45, 110), (240, 110, 60), (252, 230, 160))
TICKS_HZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0)


def loudness_of(waveform: Float[Tensor, " samples"]) -> Float[Tensor, "mels frames"]:
    """Log-mel spectrogram scaled to [0, 1]: 1 is its maximum, 0 is `RANGE_NEPER` below it.

    Low mel bands come first.

    Args:
        waveform: Mono at 16 kHz, at least 1024 samples.
    """
    mel = log_mel_from_waveform(waveform[None])[0].T
    return (1 + (mel - mel.max()) / RANGE_NEPER).clamp(0, 1)


def coloured(values: Float[Tensor, "rows columns"]) -> UInt8[Tensor, "rows columns 3"]:
    """Map values in [0, 1] to RGB colours."""
    stops = torch.tensor(COLOURS, dtype=torch.float64)
    position = values.double().clamp(0, 1) * (len(stops) - 1)
    below = position.floor().long().clamp(max=len(stops) - 2)
    share = (position - below)[..., None]
    return (stops[below] * (1 - share) + stops[below + 1] * share).round().to(torch.uint8)


def height_of_hz(hz: float) -> float:
    """Position of a frequency on the mel axis: 0 at 0 Hz, 1 at 8 kHz."""
    return slaney_mel_from_hz(hz) / slaney_mel_from_hz(SAMPLE_RATE / 2)


def fitted(waveform: Float[Tensor, " samples"], duration_s: float) -> Float[Tensor, " n"]:
    """Trim 16 kHz audio, or pad it with silence, to a duration (at least one mel window)."""
    length = max(WINDOW_SAMPLES, round(duration_s * SAMPLE_RATE))
    missing = max(0, length - len(waveform))
    return torch.nn.functional.pad(waveform[:length], (0, missing))


def middles(count: int, length: int) -> list[int]:
    """Indices of the middle frames of `count` equal segments of `length` frames."""
    return [int((k + 0.5) / count * length) for k in range(count)]


def shrink(
    pixels: UInt8[Tensor, "3 height width"], side: int
) -> UInt8[Tensor, "3 new_height new_width"]:
    """Scale an image down until its shorter side is at most `side` pixels."""
    height, width = pixels.shape[1:]
    scale = side / min(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = pil_image(pixels).resize(size, PIL.Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()


def pil_image(pixels: UInt8[Tensor, "3 height width"]) -> PIL.Image.Image:
    """Convert 8-bit RGB pixels to a Pillow image."""
    return PIL.Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
