"""Put the trained sound model into the package: `python -m training.audio.package`."""

import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import SpeechT5HifiGan

from training.audio.vae import FOLDER
from training.world.pictures import CACHE
from training.world.scenes import NUM_SAMPLES, SAMPLE_RATE

SHIPPED = CACHE.parent / "src" / "seehear" / "data" / "pocket" / "audio"


def main() -> None:
    if SHIPPED.exists():
        shutil.rmtree(SHIPPED)
    # Half precision is for the disk: the backbone computes in what it is asked to.
    AutoencoderKL.from_pretrained(FOLDER / "vae").half().save_pretrained(SHIPPED / "vae")
    UNet2DConditionModel.from_pretrained(FOLDER / "unet").half().save_pretrained(SHIPPED / "unet")
    vocoder = SpeechT5HifiGan.from_pretrained(FOLDER / "vocoder").half()
    vocoder.save_pretrained(SHIPPED / "vocoder")
    DDIMScheduler.from_pretrained(FOLDER / "scheduler").save_pretrained(SHIPPED / "scheduler")
    for path in SHIPPED.glob("*/config.json"):  # the libraries note the folder they read from
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")
    index = {
        "_class_name": "AudioLDMPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["transformers", "SpeechT5HifiGan"],
        "text_encoder": ["transformers", "BertModel"],
        "tokenizer": ["transformers", "BertTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        # The text tower is the binder's too: stored once, beside this folder.
        "_shared": {"text_encoder": "../text", "tokenizer": "../text"},
        "_native_duration_s": NUM_SAMPLES / SAMPLE_RATE,
        "_polish_rounds": 8,  # benchmarks/pocket_audio.py: more rounds add nothing
    }
    (SHIPPED / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for path in sorted(Path(SHIPPED).rglob("*.safetensors")):
        print(path.relative_to(SHIPPED), f"{path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
