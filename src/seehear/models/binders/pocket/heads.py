"""The trained heads: from the towers' features to the text tower's embedding space."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.models.binders.pocket import aisfx, efficientnet, minilm

DIM = minilm.NUM_FEATURES
SHARPNESS = 1.3  # inverse temperature of the ImageNet logits; see `named`


class Mlp(nn.Module):
    """Standardisation of the features and an MLP with one hidden layer."""

    mean: Tensor
    spread: Tensor

    def __init__(self, inputs: int, hidden: int, outputs: int = DIM):
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.hidden = nn.Linear(inputs, hidden)
        self.dropout = nn.Dropout(0.0)  # > 0 only during training
        self.out = nn.Linear(hidden, outputs)

    def forward(self, features: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Embeddings that are not normalised."""
        scaled = (features - self.mean) / self.spread
        return self.out(self.dropout(functional.gelu(self.hidden(self.dropout(scaled)))))


class TextHead(nn.Module):
    """Centres text embeddings at the mean caption, because MiniLM's vectors share a large mean."""

    mean: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(DIM))

    def forward(self, features: Float[Tensor, "batch 384"]) -> Float[Tensor, "batch 384"]:
        """Unit vectors."""
        return functional.normalize(features - self.mean, dim=1)


class PictureHead(nn.Module):
    """Zero-shot embedding by ImageNet class names, plus a trained correction.

    The first part is the mean of the embedded class names, weighted by probability; it works for
    photographs. The MLP was trained on drawings and their names.
    """

    class_names: Tensor

    def __init__(self, hidden: int = 256):
        super().__init__()
        self.register_buffer("class_names", torch.zeros(efficientnet.NUM_CLASSES, DIM))
        self.mlp = Mlp(efficientnet.NUM_FEATURES, hidden)

    def named(self, logits: Float[Tensor, "batch 1000"]) -> Float[Tensor, "batch 384"]:
        """Weighted mean of the embedded class names; shorter than 1 if the classes disagree.

        On 456 unseen images, sharpened probabilities are as accurate as the ten most probable
        classes, and they are continuous where the tenth class changes.
        """
        return (SHARPNESS * logits).softmax(1) @ self.class_names

    def unnormalised(
        self, features: Float[Tensor, "batch 1280"], logits: Float[Tensor, "batch 1000"]
    ) -> Float[Tensor, "batch 384"]:
        """Both parts added up: about five times as long for drawings as for photographs."""
        return self.named(logits) + self.mlp(features)

    def forward(
        self, features: Float[Tensor, "batch 1280"], logits: Float[Tensor, "batch 1000"]
    ) -> Float[Tensor, "batch 384"]:
        """Unit vectors."""
        return functional.normalize(self.unnormalised(features, logits), dim=1)


class SoundHead(nn.Module):
    """Maps the audio tower's maximum and mean over time to the embedding space."""

    def __init__(self, hidden: int = 384):
        super().__init__()
        self.mlp = Mlp(2 * aisfx.NUM_FEATURES, hidden)

    def from_statistics(
        self, statistics: Float[Tensor, "batch 1024"]
    ) -> Float[Tensor, "batch 384"]:
        """Unit vectors from the concatenated maximum and mean over time."""
        return functional.normalize(self.mlp(statistics), dim=1)

    def forward(self, maps: Float[Tensor, "batch 512 time"]) -> Float[Tensor, "batch 384"]:
        """Unit vectors."""
        return self.from_statistics(torch.cat([maps.amax(2), maps.mean(2)], dim=1))


class Heads(nn.Module):
    """The three heads, which share one weight file."""

    def __init__(self):
        super().__init__()
        self.text = TextHead()
        self.picture = PictureHead()
        self.sound = SoundHead()
