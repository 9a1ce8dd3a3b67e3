"""Draws docs/images/rooster.png: frames of a clip over time, its sound's spectrogram below them.

`python scripts/make_readme_picture.py out/rooster.mp4` after `scripts/demo`; `--sound x.wav` shows
another sound below the same frames.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from seehear.dsp.mel import SAMPLE_RATE
from seehear.media import read_audio, read_video
from seehear.media.drawing import TICKS_HZ, coloured, fitted, height_of_hz, loudness_of, middles

NUM_FRAMES = 5
WIDTH, MEL_HEIGHT = 960, 192  # pixels of the drawing area
LEFT, GAP, BOTTOM, MARGIN = 64, 10, 44, 10
INK, PAPER = (40, 40, 40), (255, 255, 255)


def spectrogram(waveform: Float[Tensor, " samples"]) -> UInt8[np.ndarray, "mels frames 3"]:
    """Colours of the log-mel spectrogram, low bands at the bottom."""
    return coloured(loudness_of(waveform).flip(0)).numpy()


def draw(video: Path, sound: Path) -> Image.Image:
    """The picture: frames in the middle of equal parts of the clip, spectrogram, axes."""
    clip = read_video(video, frames_per_s=25.0, short_side=256)
    waveform = fitted(read_audio(sound, SAMPLE_RATE).waveform[0], clip.duration_s)
    side = (WIDTH - GAP * (NUM_FRAMES - 1)) // NUM_FRAMES
    top = MARGIN + side + GAP
    canvas = Image.new("RGB", (LEFT + WIDTH + MARGIN, top + MEL_HEIGHT + BOTTOM), PAPER)
    for k, index in enumerate(middles(NUM_FRAMES, len(clip.frames))):
        frame = clip.frames[index].permute(1, 2, 0).numpy()
        picture = square(Image.fromarray(frame)).resize((side, side))
        canvas.paste(picture, (LEFT + round((k + 0.5) / NUM_FRAMES * WIDTH - side / 2), MARGIN))
    mel = Image.fromarray(spectrogram(waveform)).resize((WIDTH, MEL_HEIGHT), Image.Resampling.BOX)
    canvas.paste(mel, (LEFT, top))
    draw_axes(ImageDraw.Draw(canvas), top, len(waveform) / SAMPLE_RATE)
    return canvas


def square(picture: Image.Image) -> Image.Image:
    """The middle of a picture, as high as wide."""
    side = min(picture.size)
    left, upper = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, upper, left + side, upper + side))


def draw_axes(pen: ImageDraw.ImageDraw, top: int, duration_s: float) -> None:
    """Ticks in Hz on the left and in seconds below."""
    font = ImageFont.load_default(size=13)
    for hz in TICKS_HZ:
        y = top + MEL_HEIGHT * (1 - height_of_hz(hz))
        pen.line([(LEFT - 5, y), (LEFT, y)], INK)
        pen.text((LEFT - 8, y), f"{hz:g} Hz", INK, font, anchor="rm")
    bottom = top + MEL_HEIGHT
    step_s = next((s for s in (0.5, 1, 2, 5, 10, 30) if duration_s / s <= 10), 60)
    for k in range(int(duration_s / step_s + 1e-6) + 1):
        x = LEFT + WIDTH * k * step_s / duration_s
        pen.line([(x, bottom), (x, bottom + 5)], INK)
        # The label of the last tick stays inside the picture.
        anchor = "ra" if x > LEFT + WIDTH - 10 else "ma"
        pen.text((x, bottom + 8), f"{k * step_s:g} s", INK, font, anchor=anchor)
    caption = "given: frames of the silent clip; made: mel spectrogram of its sound"
    pen.text((LEFT, bottom + 25), caption, INK, font)


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, help="a clip, with its new sound or with --sound")
    parser.add_argument("--sound", type=Path, help="the sound to show; default: the clip's own")
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images/rooster.png"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw(options.video, options.sound or options.video).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
