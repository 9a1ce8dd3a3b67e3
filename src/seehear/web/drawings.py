"""Small images of audio and video: a spectrogram, a filmstrip, a waveform over motion."""

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
_LABELS = 24  # pixels for the legend above a drawing, and for the seconds below it


def spectrogram_picture(waveform: Float[Tensor, " samples"], sample_rate: int) -> Image.Image:
    """The spectrogram of mono audio as an image of 640 by 128 pixels."""
    audio = resample(waveform[None].float(), sample_rate, SAMPLE_RATE)[0]
    missing = max(0, WINDOW_SAMPLES - len(audio))  # reflection padding needs one window
    loudness = loudness_of(torch.nn.functional.pad(audio, (0, missing)))
    image = Image.fromarray(coloured(loudness.flip(0)).numpy())
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def filmstrip(frames: UInt8[Tensor, "n 3 height width"]) -> Image.Image:
    """Up to six frames in a row, spread over the clip, 128 pixels high."""
    count = min(STRIP_FRAMES, len(frames))
    selected = [frames[int((k + 0.5) / count * len(frames))] for k in range(count)]
    width = max(1, round(HEIGHT * frames.shape[3] / frames.shape[2]))
    strip = Image.new("RGB", (count * (width + 4) - 4, HEIGHT), PAPER)
    for k, frame in enumerate(selected):
        image = Image.fromarray(frame.permute(1, 2, 0).cpu().numpy())
        strip.paste(image.resize((width, HEIGHT), Image.Resampling.LANCZOS), (k * (width + 4), 0))
    return strip


def waveform_over_motion(
    waveform: Float[Tensor, " samples"], sample_rate: int, motion: Curve | None
) -> Image.Image:
    """Waveform and motion of the video on one time axis.

    Args:
        waveform: Mono.
        sample_rate: In Hz.
        motion: Motion energy of the video; None draws the audio alone.

    Returns:
        An image of 640 by 176 pixels. The peaks of the waveform are blue, the motion is an orange
        line. Each is scaled to its maximum. Ticks are at least 0.5 s apart.
    """
    duration_s = len(waveform) / sample_rate
    image = Image.new("RGB", (WIDTH, HEIGHT + 2 * _LABELS), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=18)
    middle = _LABELS + HEIGHT / 2
    peaks = _peaks(waveform) * (HEIGHT / 2 - 1)
    for x, height in enumerate(peaks):
        draw.line([(x, middle - height), (x, middle + height)], SOUND)
    draw.text((4, 2), "audio", SOUND, font)
    if motion is not None and motion.values.shape[1] > 1:
        xs = motion.times_s / duration_s * WIDTH
        relative = motion.values[0] / motion.values[0].max().clamp(min=1e-6)
        ys = _LABELS + 1 + (HEIGHT - 3) * (1 - relative)
        line = list(zip(xs.tolist(), ys.tolist(), strict=True))
        draw.line(line, MOTION, width=2, joint="curve")
        draw.text((62, 2), "motion", MOTION, font)
    bottom = _LABELS + HEIGHT
    draw.line([(0, bottom), (WIDTH, bottom)], AXIS)
    step_s = next((s for s in (0.5, 1, 2, 5, 10, 30, 60) if duration_s / s <= 10), 120)
    for k in range(int(duration_s / step_s + 1e-6) + 1):
        tick = WIDTH * k * step_s / duration_s
        draw.line([(tick, bottom), (tick, bottom + 4)], AXIS)
        anchor = "la" if k == 0 else "ra" if tick > WIDTH - 30 else "ma"
        label_at = (min(tick, WIDTH - 2), bottom + 4)
        draw.text(label_at, f"{k * step_s:g} s", INK, font, anchor=anchor)
    return image


def _peaks(waveform: Float[Tensor, " samples"]) -> Float[np.ndarray, " columns"]:
    """The largest magnitude of each pixel column, relative to the loudest column."""
    magnitudes = waveform.abs().float()
    edges = torch.linspace(0, len(magnitudes), WIDTH + 1).long()
    columns = [
        float(magnitudes[a : max(b, a + 1)].max()) if a < len(magnitudes) else 0.0
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    peaks = np.array(columns)
    return peaks / max(float(peaks.max()), 1e-6)
