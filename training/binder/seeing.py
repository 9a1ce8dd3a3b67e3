"""Train the binder's eye: every picture is pulled to the texts that name what is seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seehear.guidance.augmentation import augment_images
from seehear.guidance.settings import ImageAugmentation
from seehear.models.binders.pocket.image_encoder import ImageEncoder
from training.binder.sense import Batch, Names, SenseTraining, train_sense
from training.video.copies import PATH as COPIES
from training.video.films import films
from training.world.cached import load


@dataclass(frozen=True, kw_only=True)
class EyeTraining(SenseTraining):
    """The eye's mixture; changes are of pixels in 0..1."""

    copies: float = 0.4  # are clean estimates of half-noisy latents
    # Of changes of 0.06 and 0.16 it learned nothing in the first minutes from random weights.
    attack: float = 0.04
    smooth_attack: float = 0.12


# Wider than guidance looks: half of the pictures also in other colours, so that shape counts.
LOOKS = ImageAugmentation(nearest=0.6, farthest=1.15, colour=0.15, mixing=0.0)
RECOLOURED = ImageAugmentation(nearest=0.6, farthest=1.15, colour=0.2, mixing=0.35)


def varied_pictures(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Vary place, size, light, colour, noise and sharpness of images [b, 3, h, w] in [0, 1]."""
    b = len(pictures)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    x = torch.where(
        rand(b, 1, 1, 1) < 0.5,
        augment_images(LOOKS, pictures, generator),
        augment_images(RECOLOURED, pictures, generator),
    )
    if rand(1) < 0.5:
        soft = functional.avg_pool2d(x, 3, stride=1, padding=1)
        x = torch.where(rand(b, 1, 1, 1) < 0.5, soft, x)
    x = x + torch.randn(x.shape, generator=generator) * 0.06 * rand(b, 1, 1, 1)
    return x.clamp(0, 1)


def train_eye(minutes: float, settings: EyeTraining, beginning: Path | None = None) -> nn.Module:
    """Train the eye for so many minutes, put it into the package and return it.

    `beginning` holds weights to go on from; without it they are random.
    """
    concepts = Names("seen")
    drawn_films = films("train")
    row_of_scene = torch.tensor(concepts.rows_of(load("train")[2]))
    copies = np.load(COPIES)
    copied, rows_copied = copies["pictures"], row_of_scene[torch.from_numpy(copies["rows"])]
    held_out = torch.from_numpy(np.array(films("val")[:, 5])).float() / 255
    torch.manual_seed(31)
    eye = ImageEncoder().to(memory_format=torch.channels_last)

    def drawn_batch(number: int) -> Batch:
        generator = torch.Generator().manual_seed(31_000_000 + number)

        def randint(high: int, count: int) -> Tensor:
            return torch.randint(0, high, (count,), generator=generator)

        num_copies = round(settings.copies * settings.batch)
        scenes = randint(len(drawn_films), settings.batch - num_copies)
        times, of_copies = randint(16, len(scenes)), randint(len(copied), num_copies)
        shown = [drawn_films[s, t] for s, t in zip(scenes.tolist(), times.tolist(), strict=True)]
        pictures = torch.from_numpy(np.concatenate([np.stack(shown), copied[of_copies.numpy()]]))
        concept = torch.cat([row_of_scene[scenes], rows_copied[of_copies]])
        used, rows = concepts.with_others(concept, settings.texts.distractors, generator)
        one_each = (len(pictures), 1, 1, 1)
        smooth = torch.rand(one_each, generator=generator) < settings.smooth
        largest = torch.where(smooth, settings.smooth_attack, settings.attack)
        pictures = varied_pictures(pictures.float() / 255, generator)
        return Batch(
            examples=pictures.contiguous(memory_format=torch.channels_last),
            rows=rows,
            texts=concepts.texts.drawn(generator)[used],
            plain=concepts.plain[used],
            radius=largest * torch.rand(one_each, generator=generator),
            smooth=smooth,
            change=torch.zeros_like(pictures),
        )

    return train_sense(
        "eye", eye, concepts, drawn_batch, held_out, concepts.rows_of(load("val")[2]),
        minutes=minutes, seed=31, settings=settings, beginning=beginning,
    )  # fmt: skip
