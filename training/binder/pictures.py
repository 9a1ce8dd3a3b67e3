"""Picture features: drawings of named things over backgrounds, through the frozen tower."""

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter

from seehear.models.binders.pocket.efficientnet import EfficientNetLite0, resized
from training.binder.concepts import (
    ONE_COLOUR_ICONS,
    emoji_concepts,
    extra_world_icons,
    icon_drawings,
)
from training.world.pictures import _NOT_THE_THING, art, art_of_thing, background
from training.world.things import THINGS, TRAIN_STYLES

BATCH = 32


def recoloured(sprite: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A drawing of one colour in another."""
    colour = tuple(int(c) for c in rng.integers(0, 256, 3))
    filled = Image.new("RGB", sprite.size, colour if rng.random() < 0.7 else (0, 0, 0))
    filled.putalpha(sprite.getchannel("A"))
    return filled


def composed(sprite: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A drawing over a random background: place, size, tilt, colour, light, blur, resolution."""
    size = int(rng.choice([64, 64, 96, 160, 224]))
    canvas = Image.fromarray(background(rng, size))
    if rng.random() < 0.25:  # plain paper
        canvas = Image.new("RGB", (size, size), (int(rng.integers(225, 256)),) * 3)
    if rng.random() < 0.5:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    colour = sprite.convert("RGB")
    colour = ImageEnhance.Color(colour).enhance(float(rng.uniform(0.4, 1.5)))
    if rng.random() < 0.1:
        colour = colour.convert("L").convert("RGB")
    colour.putalpha(sprite.getchannel("A"))
    side = max(8, round(size * rng.uniform(0.3, 1.0)))
    drawn = colour.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    drawn = drawn.rotate(float(rng.normal(0, 10)), Image.Resampling.BILINEAR, expand=True)
    x, y = rng.normal(0.5, 0.12, 2) * size
    canvas.paste(drawn, (round(x - drawn.width / 2), round(y - drawn.height / 2)), drawn)
    canvas = ImageEnhance.Brightness(canvas).enhance(float(rng.uniform(0.6, 1.3)))
    canvas = ImageEnhance.Contrast(canvas).enhance(float(rng.uniform(0.6, 1.3)))
    if rng.random() < 0.3:
        canvas = canvas.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2)) * size / 100))
    return canvas


def _jobs(per_world_drawing: int, per_other_drawing: int) -> list[tuple[str, tuple[str, str]]]:
    jobs = []
    for thing in THINGS:
        drawings = art_of_thing(thing, TRAIN_STYLES) + extra_world_icons(thing.emoji)
        jobs += [(thing.id, d) for d in drawings if d not in _NOT_THE_THING] * per_world_drawing
    for concept, drawings in icon_drawings().items():
        jobs += [(concept, d) for d in drawings] * (per_world_drawing if ":" not in concept else 1)
    for name, drawings in emoji_concepts().items():
        jobs += [(f"emoji:{name}", drawing) for drawing in drawings] * per_other_drawing
    return jobs


@torch.no_grad()
def picture_features(
    tower: EfficientNetLite0, seed: int, per_world_drawing: int = 10, per_other_drawing: int = 1
) -> tuple[np.ndarray, list[str]]:
    """Features (float16 [n, 1280]) of composed pictures and the concept that each shows."""
    rng = np.random.default_rng([seed, 17])
    jobs = _jobs(per_world_drawing, per_other_drawing)
    features, concepts = [], []
    for start in range(0, len(jobs), BATCH):
        pictures = []
        for concept, drawing in jobs[start : start + BATCH]:
            sprite = art(*drawing)
            if sprite is None:
                continue
            if drawing[0] in ONE_COLOUR_ICONS:
                sprite = recoloured(sprite, rng)
            picture = torch.from_numpy(np.array(composed(sprite, rng))).permute(2, 0, 1)[None]
            pictures.append(resized(picture.float() / 255))
            concepts.append(concept)
        dtype = next(tower.parameters()).dtype
        features.append(tower.features(torch.cat(pictures).to(dtype)).half().numpy())
    return np.concatenate(features), concepts
