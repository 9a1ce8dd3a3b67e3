"""The trained part: from each tower's features into the one space, which is the text tower's."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.models.binders.pocket import aisfx, efficientnet, minilm

DIM = minilm.NUM_FEATURES
SHARPNESS = 1.3  # of ImageNet's probabilities before their names are averaged; see `named`


class Mlp(nn.Module):
    """Standardise, one hidden layer, out into the space."""

    mean: Tensor
    spread: Tensor

    def __init__(self, inputs: int, hidden: int, outputs: int = DIM):
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.hidden = nn.Linear(inputs, hidden)
        self.dropout = nn.Dropout(0.0)  # > 0 only while training
        self.out = nn.Linear(hidden, outputs)

    def forward(self, features: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Not normalised."""
        scaled = (features - self.mean) / self.spread
        return self.out(self.dropout(functional.gelu(self.hidden(self.dropout(scaled)))))


class TextHead(nn.Module):
    """Sentences relative to the average caption: MiniLM's vectors all lean one way."""

    mean: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(DIM))

    def forward(self, features: Float[Tensor, "batch 384"]) -> Float[Tensor, "batch 384"]:
        """Unit vectors."""
        return functional.normalize(features - self.mean, dim=1)


class PictureHead(nn.Module):
    """What ImageNet's classes say, in words, plus what a small network adds to it.

    The first part is the mean of the classes' embedded names, weighted by their probability: it
    knows photographs. The second was trained on drawings and names.
    """

    class_names: Tensor

    def __init__(self, hidden: int = 256):
        super().__init__()
        self.register_buffer("class_names", torch.zeros(efficientnet.NUM_CLASSES, DIM))
        self.mlp = Mlp(efficientnet.NUM_FEATURES, hidden)

    def named(self, logits: Float[Tensor, "batch 1000"]) -> Float[Tensor, "batch 384"]:
        """The mean of the classes' names, weighted; shorter than 1 where the classes disagree.

        Sharpened probabilities name 456 unseen pictures as well as the ten most probable classes
        do, and without a jump where the tenth changes.
        """
        return (SHARPNESS * logits).softmax(1) @ self.class_names

    def forward(
        self, features: Float[Tensor, "batch 1280"], logits: Float[Tensor, "batch 1000"]
    ) -> Float[Tensor, "batch 384"]:
        """Unit vectors."""
        return functional.normalize(self.named(logits) + self.mlp(features), dim=1)


class SoundHead(nn.Module):
    """The sound tower's maximum and mean over time into the space."""

    def __init__(self, hidden: int = 384):
        super().__init__()
        self.mlp = Mlp(2 * aisfx.NUM_FEATURES, hidden)

    def from_statistics(
        self, statistics: Float[Tensor, "batch 1024"]
    ) -> Float[Tensor, "batch 384"]:
        """Unit vectors from the maximum and the mean over time, side by side."""
        return functional.normalize(self.mlp(statistics), dim=1)

    def forward(self, maps: Float[Tensor, "batch 512 time"]) -> Float[Tensor, "batch 384"]:
        """Unit vectors."""
        return self.from_statistics(torch.cat([maps.amax(2), maps.mean(2)], dim=1))


class Heads(nn.Module):
    """The three heads, as they lie in one file."""

    def __init__(self):
        super().__init__()
        self.text = TextHead()
        self.picture = PictureHead()
        self.sound = SoundHead()
