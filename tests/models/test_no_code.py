"""Weights are data: code in a folder of weights is never run, whatever is typed."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import golden_numbers as golden
import pytest
import torch
from tests.small_family import write_small, write_small_video
from tests.tiny_audioldm import write_bert_text
from tests.tiny_captioners import write_blip, write_qwen_audio, write_qwen_vl
from tests.tiny_clap import write_clap

from seehear.errors import WeightsError
from seehear.models.binders import imagebind

CODE = "open({!r}, 'w').close()\nclass Canary:\n    pass\n"
LOAD = {
    "audio": "from seehear.models.backbones.audioldm import load",
    "video": "from seehear.models.backbones.animatediff import load",
    "captioner": "from seehear.models.captioners import load",
    "clap": "from seehear.metrics.features.clap import load",
    "text": "from seehear.models.binders.pocket.minilm import SentenceEncoder as load",
}
RUN = (
    "{}\nfrom pathlib import Path\ntry:\n    load(Path({!r}))\nexcept Exception as e:\n    print(e)"
)
AUTO = (
    "AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor", "AutoFeatureExtractor",
    "AutoImageProcessor", "AutoModelForImageTextToText",
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in ("blip", "qwen_vl", "qwen_audio", "clap", "text"):
        (root / name).mkdir()
    write_bert_text(root / "text")
    return {
        "audio": write_small(root),
        "video": write_small_video(root),
        "blip": write_blip(root / "blip"),
        "qwen_vl": write_qwen_vl(root / "qwen_vl"),
        "qwen_audio": write_qwen_audio(root / "qwen_audio"),
        "clap": write_clap(root / "clap"),
        "text": root / "text",
    }


def put_canaries(folder: Path, marker: Path, model_type: str | None) -> int:
    """Add code to every folder with a configuration, and point the configuration to it."""
    count = 0
    for path in [*folder.rglob("*.json")]:
        record = json.loads(path.read_text())
        if not isinstance(record, dict) or path.name in ("tokenizer.json", "vocab.json"):
            continue
        record["auto_map"] = {
            name: ["canary.Canary"] * 2 if name == "AutoTokenizer" else "canary.Canary"
            for name in AUTO
        }
        if model_type is not None and "model_type" in record:
            record["model_type"] = model_type
        if "_class_name" in record:
            record["_class_name"] = "Canary" if model_type else record["_class_name"]
        path.write_text(json.dumps(record))
        (path.parent / "canary.py").write_text(CODE.format(str(marker)))
        count += 1
    return count


@pytest.mark.long
@pytest.mark.parametrize("model_type", [None, "unknown_kind"])
def test_code_beside_weights_never_runs(folders, tmp_path, model_type):
    root, marker = tmp_path / "models", tmp_path / "ran"
    shutil.copytree(folders["text"].parent, root)
    assert put_canaries(root, marker, model_type) > 20
    script = "\n".join(
        RUN.format(LOAD.get(name, LOAD["captioner"]), str(root / path.name))
        for name, path in folders.items()
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input="y\n" * 1000,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not marker.exists()
    assert "[y/N]" not in done.stdout + done.stderr


@pytest.mark.long
def test_the_canaries_would_run(folders, tmp_path):
    """What the test above would see if a loader trusted the folder."""
    folder = tmp_path / "text"
    shutil.copytree(folders["text"], folder)
    put_canaries(tmp_path, tmp_path / "ran", "unknown_kind")
    trusting = (
        "from transformers import AutoConfig\ndef load(path):\n    AutoConfig.from_pretrained"
    )
    subprocess.run(
        [sys.executable, "-c", RUN.format(trusting + "(path)", str(folder))],
        input="y\n" * 1000,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (tmp_path / "ran").exists()


class Canary:
    """A pickle of it creates a folder when it is read as code."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("slot", ["weights", "tensor", "vocabulary", "config", "package"])
def test_no_code_of_an_imagebind_folder_runs(tmp_path, slot):
    marker, folder = tmp_path / "ran", tmp_path / "model"
    folder.mkdir()
    state: dict = dict(golden.imagebind_state())
    golden.write_letters(folder)
    name = next(iter(state))
    canary = pickle.dumps(Canary(marker))
    match slot:
        case "weights":
            state = Canary(marker)
        case "tensor":
            state[name] = Canary(marker)
        case "vocabulary":
            (folder / "merges.txt").write_bytes(canary)
        case "config":
            (folder / "config.json").write_bytes(canary)
        case "package":
            put_canaries(folder, marker, None)
            (folder / "__init__.py").write_text(CODE.format(str(marker)))
            (folder / "config.json").write_text('{"auto_map": {"AutoModel": "canary.Canary"}}')
    torch.save(state, folder / "imagebind_huge.pth")
    assert not marker.exists()
    with suppress(WeightsError):
        imagebind.load(folder)
    assert not marker.exists()
    pickle.loads(canary)  # the canary would run
    assert marker.exists()
