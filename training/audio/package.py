"""Put the trained audio model into the package: `python -m training.audio.package`.

`--vae FOLDER` writes the autoencoder alone, to keep it until vocoder and denoiser fit it.
"""

import argparse
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import SpeechT5HifiGan

from training.audio.vae import FOLDER
from training.packaging import POCKET, finished
from training.world.scenes import NUM_SAMPLES, SAMPLE_RATE

SHIPPED = POCKET / "audio"


def save_vae(target: Path) -> None:
    """Write the trained autoencoder in float16 to save disk space; backbones convert it."""
    AutoencoderKL.from_pretrained(FOLDER / "vae").half().save_pretrained(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, help="write the autoencoder alone, to this folder")
    options = parser.parse_args()
    if options.vae:
        save_vae(options.vae)
        return
    if SHIPPED.exists():
        shutil.rmtree(SHIPPED)
    save_vae(SHIPPED / "vae")
    UNet2DConditionModel.from_pretrained(FOLDER / "unet").half().save_pretrained(SHIPPED / "unet")
    vocoder = SpeechT5HifiGan.from_pretrained(FOLDER / "vocoder").half()
    vocoder.save_pretrained(SHIPPED / "vocoder")
    DDIMScheduler.from_pretrained(FOLDER / "scheduler").save_pretrained(SHIPPED / "scheduler")
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
    finished(SHIPPED, index)


if __name__ == "__main__":
    main()
