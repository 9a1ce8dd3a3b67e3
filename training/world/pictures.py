"""Pictures of the world: emoji art over varied backgrounds, moving in time with its sound."""

import io
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image, ImageFilter

from training.world.things import TEST_STYLES, TRAIN_STYLES, Thing

CACHE = Path(__file__).resolve().parents[2] / "cache"
ART_PIXELS = 160
# Two sets draw the bat and ball of the game under this name.
_NOT_THE_THING = {("emojione", "cricket"), ("noto-v1", "cricket")}


@lru_cache(maxsize=16)
def _icon_set(style: str) -> dict:
    path = CACHE / "emoji" / style / "icons.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: emoji art is missing; run `python -m training.fetch`")
    return json.loads(path.read_text())


def icon_svg(style: str, icon: str) -> str | None:
    """The icon as an SVG document, or None if the set lacks it."""
    icons = _icon_set(style)
    while icon in icons.get("aliases", {}):
        icon = icons["aliases"][icon]["parent"]
    if icon not in icons["icons"]:
        return None
    entry = icons["icons"][icon]
    width = entry.get("width", icons.get("width", 16))
    height = entry.get("height", icons.get("height", 16))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}">{entry["body"]}</svg>'
    )


@lru_cache(maxsize=4096)
def art(style: str, icon: str, pixels: int = ART_PIXELS) -> Image.Image | None:
    """The icon rendered to an RGBA picture of `pixels` squared, or None if the set lacks it."""
    svg = icon_svg(style, icon)
    if svg is None:
        return None
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=pixels, height=pixels))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def art_of_thing(thing: Thing, styles: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every (style, icon) of a thing in the given styles."""
    drawings = [(style, icon) for style in styles for icon in thing.emoji]
    return [d for d in drawings if d not in _NOT_THE_THING and icon_svg(*d) is not None]


def background(rng: np.random.Generator, size: int, is_plain: bool = False) -> np.ndarray:
    """A scenery without things, uint8 [size, size, 3]: gradient, horizon, blobs or texture.

    A plain one has neither stripes nor texture nor grain.
    """
    yy, xx = np.mgrid[0:size, 0:size] / size
    first, second = rng.uniform(0, 255, (2, 3))
    if rng.random() < 0.5:  # muted, as walls, skies and lawns are
        grey = rng.uniform(60, 230)
        first, second = 0.35 * first + 0.65 * grey, 0.35 * second + 0.65 * grey
    kind = rng.choice([0, 1, 2, 5]) if is_plain else rng.integers(6)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (xx - 0.5) * np.cos(angle) + (yy - 0.5) * np.sin(angle) + 0.5
    if kind == 0:
        mix = np.clip(ramp, 0, 1)
    elif kind == 1:  # sky over ground
        mix = (yy > rng.uniform(0.4, 0.85) + 0.03 * np.sin(xx * rng.uniform(5, 30))).astype(float)
    elif kind == 2:  # soft blobs
        mix = np.zeros_like(xx)
        for _ in range(rng.integers(2, 7)):
            cx, cy, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.08, 0.4)
            mix = np.maximum(mix, np.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / radius**2))
    elif kind == 3:  # stripes or tiles
        mix = 0.5 + 0.5 * np.sign(np.sin(ramp * rng.uniform(10, 60)))
        mix *= rng.uniform(0.2, 1.0)
    elif kind == 4:  # cloudy texture
        small = Image.fromarray(rng.uniform(0, 255, (8, 8)).astype(np.uint8))
        mix = np.asarray(small.resize((size, size), Image.Resampling.BICUBIC)) / 255.0
    else:
        mix = np.full_like(xx, rng.uniform(0, 1))
    picture = first + (second - first) * mix[..., None]
    grain = 0 if is_plain else rng.choice([0, 2, 6, 12])
    picture = picture + rng.normal(0, grain, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def excitement(times_s: np.ndarray, onsets_s: tuple[float, ...], decay_s: float) -> np.ndarray:
    """How strongly a thing moves at each time: 1 right after an onset, decaying after it."""
    level = np.zeros_like(times_s)
    for onset in onsets_s:
        since = times_s - onset
        level = np.maximum(level, np.where(since >= -1e-9, np.exp(-since / decay_s), 0.0))
    return level


def film(
    rng: np.random.Generator,
    thing: Thing,
    style_and_icon: tuple[str, str],
    onsets_s: tuple[float, ...],
    *,
    scale: float,
    speed: float,
    duration_s: float = 2.56,
    num_frames: int = 16,
    size: int = 64,
    is_plain: bool = False,
) -> np.ndarray:
    """Frames of one thing that moves when it sounds; uint8 [num_frames, 3, size, size].

    Args:
        rng: Decides place, direction, tint and background.
        thing: What it is; says how it moves.
        style_and_icon: Which drawing.
        onsets_s: When its sound begins, in seconds.
        scale: Its height as a fraction of the picture.
        speed: In [0, 1]; how fast continuous movements are.
        duration_s: Length of the clip.
        num_frames: Frames, evenly spaced from 0.
        size: Side of the square frames in pixels.
        is_plain: Before a plain background, at its own brightness.
    """
    sprite = art(*style_and_icon)
    assert sprite is not None, style_and_icon
    if rng.random() < 0.5:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ground = Image.fromarray(background(rng, size, is_plain))
    times = np.arange(num_frames) * (duration_s / num_frames)
    level = excitement(times, onsets_s, decay_s=0.22)
    x0, y0 = rng.uniform(0.38, 0.62), rng.uniform(0.42, 0.6)
    tilt, phase = rng.normal(0, 5), rng.uniform(0, 2 * np.pi)
    direction, hertz = rng.choice([-1, 1]), 0.5 + 1.5 * speed
    brightness = 1.0 if is_plain else rng.uniform(0.8, 1.15)
    frames = np.empty((num_frames, 3, size, size), np.uint8)
    for i, t in enumerate(times):
        x, y, zoom, angle = x0, y0, 1.0, tilt
        wave = np.sin(2 * np.pi * hertz * t + phase)
        if thing.motion == "bounce":
            y -= 0.16 * level[i]
        elif thing.motion == "pulse":
            zoom = 1 + (0.12 * wave if thing.is_continuous else 0.35 * level[i])
        elif thing.motion == "shake":
            strength = 0.5 if thing.is_continuous else level[i]
            angle = tilt + 22 * strength * np.sin(2 * np.pi * 7 * t + phase)
            x += 0.04 * strength * np.sin(2 * np.pi * 9 * t)
        elif thing.motion == "drive":
            travel = (0.35 + 0.5 * speed) * (t / duration_s - 0.5)
            x = 0.5 + direction * travel
            y += 0.015 * np.sin(2 * np.pi * 5 * t)
        elif thing.motion == "sway":
            angle = tilt + 10 * wave + (0 if thing.is_continuous else 14 * level[i] * direction)
            zoom = 1 + (0 if thing.is_continuous else 0.12 * level[i])
        side = max(2, round(scale * zoom * size))
        drawn = sprite.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
        drawn = drawn.rotate(angle, resample=Image.Resampling.BILINEAR, expand=True)
        canvas = ground.copy()
        corner = (round(x * size - drawn.width / 2), round(y * size - drawn.height / 2))
        canvas.paste(drawn, corner, drawn)
        frames[i] = np.asarray(canvas).transpose(2, 0, 1)
    if brightness != 1.0:
        frames = np.clip(frames * brightness, 0, 255).astype(np.uint8)
    return frames


def blur(frames: np.ndarray, radius: float) -> np.ndarray:
    """Frames [n, 3, h, w] softened by a Gaussian of `radius` pixels."""
    soft = [
        np.asarray(
            Image.fromarray(f.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(radius))
        ).transpose(2, 0, 1)
        for f in frames
    ]
    return np.stack(soft)


STYLES_OF_SPLIT = {
    "train": TRAIN_STYLES,
    "val": TRAIN_STYLES,
    "test": TEST_STYLES,
    "judge": TRAIN_STYLES + TEST_STYLES,
}
