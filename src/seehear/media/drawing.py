"""Sounds and clips as pictures: spectrogram colours, frames spread over a clip."""

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.dsp.mel import SAMPLE_RATE, WINDOW_SAMPLES, log_mel_from_waveform, slaney_mel_from_hz

RANGE_NEPER = 7.0  # natural-log magnitudes below the loudest one that are told apart: 61 dB
# From quiet to loud, evenly spaced, interpolated between.
COLOURS = ((10, 8, 30), (70, 20, 110), (170, 45, 110), (240, 110, 60), (252, 230, 160))
TICKS_HZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0)


def loudness_of(waveform: Float[Tensor, " samples"]) -> Float[Tensor, "mels frames"]:
    """The log-mel spectrogram from 0, `RANGE_NEPER` below the loudest, to 1; low bands first.

    Args:
        waveform: Mono at 16 kHz, at least 1024 samples.
    """
    mel = log_mel_from_waveform(waveform[None])[0].T
    return (1 + (mel - mel.max()) / RANGE_NEPER).clamp(0, 1)


def coloured(values: Float[Tensor, "rows columns"]) -> UInt8[Tensor, "rows columns 3"]:
    """Colours of numbers from 0 to 1."""
    stops = torch.tensor(COLOURS, dtype=torch.float64)
    place = values.double().clamp(0, 1) * (len(stops) - 1)
    below = place.floor().long().clamp(max=len(stops) - 2)
    share = (place - below)[..., None]
    return (stops[below] * (1 - share) + stops[below + 1] * share).round().to(torch.uint8)


def height_of_hz(hz: float) -> float:
    """Where a frequency lies on the mel axis: 0 at the bottom, 1 at 8 kHz."""
    return slaney_mel_from_hz(hz) / slaney_mel_from_hz(SAMPLE_RATE / 2)


def fitted(waveform: Float[Tensor, " samples"], duration_s: float) -> Float[Tensor, " n"]:
    """A sound at 16 kHz cut or padded with silence to a duration, so that time axes agree."""
    length = max(WINDOW_SAMPLES, round(duration_s * SAMPLE_RATE))
    missing = max(0, length - len(waveform))
    return torch.nn.functional.pad(waveform[:length], (0, missing))


def middles(count: int, length: int) -> list[int]:
    """Of `length` frames, those in the middle of `count` equal parts."""
    return [int((k + 0.5) / count * length) for k in range(count)]


def shrunk(
    pixels: UInt8[Tensor, "3 height width"], side: int
) -> UInt8[Tensor, "3 new_height new_width"]:
    """A picture whose shorter side is at most `side` pixels."""
    height, width = pixels.shape[1:]
    scale = side / min(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = picture_of(pixels).resize(size, PIL.Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()


def picture_of(pixels: UInt8[Tensor, "3 height width"]) -> PIL.Image.Image:
    """Pixels as Pillow has them."""
    return PIL.Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
