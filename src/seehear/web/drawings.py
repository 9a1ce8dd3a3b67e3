"""Sounds and frames as small pictures: a spectrogram, a filmstrip, a waveform over motion."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from seehear.dsp.events import Curve
from seehear.dsp.mel import SAMPLE_RATE, WINDOW_SAMPLES
from seehear.dsp.resample import resample
from seehear.media.drawing import coloured, loudness_of

WIDTH, HEIGHT = 640, 128  # pixels of a drawing
STRIP_FRAMES = 6
INK, PAPER = (40, 40, 40), (255, 255, 255)
SOUND, MOTION, AXIS = (60, 110, 190), (220, 100, 30), (150, 150, 150)
_LABELS = 24  # pixels for words above a drawing, and again for seconds below it


def spectrogram_picture(waveform: Float[Tensor, " samples"], sample_rate: int) -> Image.Image:
    """The spectrogram of a mono sound as a picture of 640 by 128 pixels."""
    heard = resample(waveform[None].float(), sample_rate, SAMPLE_RATE)[0]
    missing = max(0, WINDOW_SAMPLES - len(heard))  # reflecting needs a window's length
    loudness = loudness_of(torch.nn.functional.pad(heard, (0, missing)))
    picture = Image.fromarray(coloured(loudness.flip(0)).numpy())
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def filmstrip(frames: UInt8[Tensor, "n 3 height width"]) -> Image.Image:
    """Up to six frames in a row, spread over the clip, 128 pixels high."""
    count = min(STRIP_FRAMES, len(frames))
    chosen = [frames[int((k + 0.5) / count * len(frames))] for k in range(count)]
    width = max(1, round(HEIGHT * frames.shape[3] / frames.shape[2]))
    strip = Image.new("RGB", (count * (width + 4) - 4, HEIGHT), PAPER)
    for k, frame in enumerate(chosen):
        picture = Image.fromarray(frame.permute(1, 2, 0).cpu().numpy())
        strip.paste(picture.resize((width, HEIGHT), Image.Resampling.LANCZOS), (k * (width + 4), 0))
    return strip


def waveform_over_motion(
    waveform: Float[Tensor, " samples"], sample_rate: int, motion: Curve | None
) -> Image.Image:
    """A sound's loudness over time, and how much the picture moves on the same time axis.

    Args:
        waveform: Mono.
        sample_rate: In Hz.
        motion: Of the picture; None draws the sound alone.

    Returns:
        A picture of 640 by 176 pixels: peaks of the waveform in blue, scaled to the loudest; motion
        as an orange line, scaled to its largest; a tick every second or more.
    """
    duration_s = len(waveform) / sample_rate
    picture = Image.new("RGB", (WIDTH, HEIGHT + 2 * _LABELS), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=18)
    middle = _LABELS + HEIGHT / 2
    peaks = _peaks(waveform) * (HEIGHT / 2 - 1)
    for x, height in enumerate(peaks):
        pen.line([(x, middle - height), (x, middle + height)], SOUND)
    pen.text((4, 2), "sound", SOUND, font)
    if motion is not None and motion.values.shape[1] > 1:
        across = motion.times_s / duration_s * WIDTH
        moves = motion.values[0] / motion.values[0].max().clamp(min=1e-6)
        down = _LABELS + 1 + (HEIGHT - 3) * (1 - moves)
        line = list(zip(across.tolist(), down.tolist(), strict=True))
        pen.line(line, MOTION, width=2, joint="curve")
        pen.text((62, 2), "motion", MOTION, font)
    bottom = _LABELS + HEIGHT
    pen.line([(0, bottom), (WIDTH, bottom)], AXIS)
    step_s = next((s for s in (0.5, 1, 2, 5, 10, 30, 60) if duration_s / s <= 10), 120)
    for k in range(int(duration_s / step_s + 1e-6) + 1):
        at = WIDTH * k * step_s / duration_s
        pen.line([(at, bottom), (at, bottom + 4)], AXIS)
        anchor = "la" if k == 0 else "ra" if at > WIDTH - 30 else "ma"
        pen.text((min(at, WIDTH - 2), bottom + 4), f"{k * step_s:g} s", INK, font, anchor=anchor)
    return picture


def _peaks(waveform: Float[Tensor, " samples"]) -> Float[np.ndarray, " columns"]:
    """The largest magnitude of every column, the loudest of all being 1."""
    loud = waveform.abs().float()
    edges = torch.linspace(0, len(loud), WIDTH + 1).long()
    columns = [
        float(loud[a : max(b, a + 1)].max()) if a < len(loud) else 0.0
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    peaks = np.array(columns)
    return peaks / max(float(peaks.max()), 1e-6)
