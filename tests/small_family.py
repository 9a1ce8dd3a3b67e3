"""Real model classes at a tiny random size: a family that makes a second of sound in a moment."""

from pathlib import Path

import numpy as np
import torch
from tiny_animatediff import write_animatediff
from tiny_audioldm import write_model

from seehear.models.backbones import animatediff, audioldm
from seehear.models.binders import linear
from seehear.models.families import Family

WINDOW_S = 1.28


def write_small(folder: Path) -> Path:
    """A checkpoint in AudioLDM's format whose own length is 1.28 s."""
    return write_model(folder / "audio", extra_index={"_native_duration_s": WINDOW_S})


def small_family(folder: Path) -> Family:
    """The checkpoint of `write_small` and a binder of random matrices."""
    return Family(
        name="pocket",
        loaders={"audio": lambda: audioldm.load(folder)},
        binder=linear.load(dtype=torch.float32),
    )


def write_small_video(folder: Path) -> Path:
    """A checkpoint in AnimateDiff's format, with a tiny decoder and a shared text encoder."""
    return write_animatediff(folder / "video")


def small_picture_family(folder: Path) -> Family:
    """Sound, video and picture models; a clip of the video model has 8 frames and lasts 1 s."""
    audio, video = write_small(folder), write_small_video(folder)
    return Family(
        name="pocket",
        loaders={
            "audio": lambda: audioldm.load(audio),
            "video": lambda: animatediff.load(video, num_frames=8, fps=8.0),
            "image": lambda: animatediff.load(video, num_frames=1),
        },
        binder=linear.load(dtype=torch.float32),
    )


def moving_frames(num_frames: int = 25, height: int = 24, width: int = 32) -> np.ndarray:
    """A bright square that walks over a grey ground: [n, height, width, 3] in uint8."""
    frames = np.full((num_frames, height, width, 3), 60, np.uint8)
    for k, frame in enumerate(frames):
        left = k % (width - 8)
        frame[8:16, left : left + 8] = (250, 120, 30)
    return frames
