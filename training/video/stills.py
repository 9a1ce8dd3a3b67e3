"""Stills of 128 x 128 pixels, drawn when they are needed: step and seed decide a batch.

Most show a thing of the pocket world large and sharp before a plain background, which is what a
small generator learns to draw from. The autoencoder also sees other drawings and backgrounds.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from training.binder.concepts import emoji_concepts
from training.binder.pictures import composed
from training.video.films import SIZE
from training.world.pictures import STYLES_OF_SPLIT, art, art_of_thing, film
from training.world.things import THINGS, Thing


@dataclass(frozen=True, kw_only=True)
class StillMixture:
    """Shares of the kinds of stills."""

    plain: float = 0.8  # things of the pocket world before plain backgrounds
    other: float = 0.1  # any drawing, recoloured and blurred; the rest: things, any background


def still_of(thing: Thing, rng: np.random.Generator, split: str, is_plain: bool) -> np.ndarray:
    """One frame of a thing in motion, uint8 [3, 128, 128]."""
    drawings = art_of_thing(thing, STYLES_OF_SPLIT[split]) or art_of_thing(
        thing, STYLES_OF_SPLIT["judge"]
    )
    frames = film(
        rng,
        thing,
        drawings[rng.integers(len(drawings))],
        (float(rng.uniform(-0.5, 0.0)),),  # sounded up to half a second ago
        scale=float(rng.uniform(0.55, 0.85) if is_plain else rng.uniform(0.25, 0.8)),
        speed=float(rng.random()),
        num_frames=1,
        size=SIZE,
        is_plain=is_plain,
    )
    return frames[0]


@lru_cache(maxsize=1)
def _other_drawings() -> list[tuple[str, str]]:
    return [drawing for drawings in emoji_concepts().values() for drawing in drawings]


def other_still(rng: np.random.Generator) -> np.ndarray:
    """A drawing of any concept with random colours, light and blur, uint8 [3, 128, 128]."""
    sprite = None
    while sprite is None:  # some sets lack some icons
        sprite = art(*_other_drawings()[rng.integers(len(_other_drawings()))])
    canvas = composed(sprite, rng).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(canvas.convert("RGB")).transpose(2, 0, 1)


def batch_of_stills(step: int, count: int, mixture: StillMixture, seed: int = 0) -> np.ndarray:
    """The stills of a training step, uint8 [count, 3, 128, 128]."""
    rng = np.random.default_rng([seed, step])
    stills = []
    for _ in range(count):
        kind = rng.random()
        if kind < mixture.other:
            stills.append(other_still(rng))
            continue
        thing = THINGS[rng.integers(len(THINGS))]
        stills.append(still_of(thing, rng, "train", kind < mixture.other + mixture.plain))
    return np.stack(stills)


def held_out_stills(count: int) -> np.ndarray:
    """Plain stills of things in drawing styles that are not trained on."""
    rng = np.random.default_rng(7)
    return np.stack([still_of(THINGS[k % len(THINGS)], rng, "test", True) for k in range(count)])
