"""A small instance of every plug-in that can be built on a CPU in a moment, by module name.

Whoever adds a plug-in adds its builder here, and the contract tests pick it up.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import golden_numbers as golden
import torch
from tiny_animatediff import write_animatediff
from tiny_audioldm import write_model

from seehear.guidance.protocols import Backbone, Binder
from seehear.models.backbones import animatediff, audioldm, gaussian
from seehear.models.backbones.animatediff import AnimateDiff
from seehear.models.backbones.audioldm import AudioLDM
from seehear.models.binders import linear, pocket
from seehear.models.binders.imagebind import ImageBind
from seehear.models.binders.imagebind.tokenizer import Tokenizer


def small_audioldm() -> AudioLDM:
    """Real classes, random weights, written to disk and read back; its own length is 1.28 s."""
    with TemporaryDirectory() as folder:
        write_model(Path(folder) / "audio", extra_index={"_native_duration_s": 1.28})
        return audioldm.load(Path(folder) / "audio", dtype=torch.float64)


def small_animatediff() -> AnimateDiff:
    """Four frames of a random Stable Diffusion with random motion modules."""
    with TemporaryDirectory() as folder:
        write_animatediff(Path(folder) / "video")
        return animatediff.load(Path(folder) / "video", dtype=torch.float64)


def small_imagebind() -> ImageBind:
    """The golden numbers' towers, with a vocabulary of letters."""
    with TemporaryDirectory() as folder:
        return golden.imagebind(1.0, 3, Tokenizer(golden.write_letters(Path(folder))))


BACKBONES: dict[str, Callable[[], Backbone]] = {
    "animatediff": small_animatediff,
    "audioldm": small_audioldm,
    "gaussian": gaussian.load,
}
BINDERS: dict[str, Callable[[], Binder]] = {
    "imagebind": small_imagebind,
    "linear": linear.load,
    "pocket": pocket.load,
}
