"""One image and one clip of every thing of the pocket world, unguided, from the right prompt.

`python -m benchmarks.contact_sheet` writes docs/images/contact_sheet.jpg, and with `--clips` an
animated docs/images/contact_sheet.webp. Nothing is selected: every thing has one image, and all
images come from one seed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from training.world.captions import label
from training.world.things import THINGS

from benchmarks.sampler import make
from benchmarks.scenes import FPS
from seehear.models.families import load_family
from seehear.pipeline.presets import preset_for

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
COLUMNS, TILE, MARGIN, TEXT = 8, 128, 8, 16  # sizes in pixels


def sheet(images: Sequence[np.ndarray], names: Sequence[str]) -> Image.Image:
    """A grid of RGB images (height, width, 3), each above its name."""
    num_rows = -(-len(images) // COLUMNS)
    width, height = TILE + MARGIN, TILE + TEXT + MARGIN
    page = Image.new("RGB", (COLUMNS * width + MARGIN, num_rows * height + MARGIN), "white")
    draw = ImageDraw.Draw(page)
    for k, (image, name) in enumerate(zip(images, names, strict=True)):
        x, y = MARGIN + k % COLUMNS * width, MARGIN + k // COLUMNS * height
        page.paste(Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BICUBIC), (x, y))
        draw.text((x, y + TILE + 2), name, fill="black")
    return page


def generated(task: str, names: Sequence[str]) -> Tensor:
    """Frames (things, frames, 3, height, width) in uint8, without guidance."""
    preset = preset_for(task, "default")
    made, _ = make(task, load_family(), names, preset, is_guided=False, batch=len(names))
    return made["video"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", action="store_true", help="also write the animated sheet")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [label(thing) for thing in THINGS]
    shown = [thing.names[0] for thing in THINGS]
    images = generated("a2i", names)[:, 0].permute(0, 2, 3, 1).numpy()
    sheet(list(images), shown).save(IMAGES / "contact_sheet.jpg", quality=85)
    if options.clips:
        clips = generated("a2v", names).permute(1, 0, 3, 4, 2).numpy()
        pages = [sheet(list(frames), shown) for frames in clips]
        pages[0].save(
            IMAGES / "contact_sheet.webp", save_all=True, append_images=pages[1:],
            duration=round(1000 / FPS), loop=0, quality=60,
        )  # fmt: skip


if __name__ == "__main__":
    main()
