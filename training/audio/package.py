"""Put the trained audio model into the package: `python -m training.audio.package`.

`--vae FOLDER` and `--unet FOLDER` write the autoencoder, or the denoiser as its training run has it
now, to keep them until the whole model is trained.
"""

import argparse
import shutil
from pathlib import Path

from diffusers import AutoencoderKL
from transformers import SpeechT5HifiGan

from seehear.models import spectral_vocoder
from training.audio.copies import averaged_unet
from training.audio.spectral_vocoder import averaged_vocoder
from training.audio.unet import scheduler
from training.audio.vae import FOLDER
from training.packaging import POCKET, finished, save_half
from training.world.scenes import NUM_SAMPLES, SAMPLE_RATE

SHIPPED = POCKET / "audio"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, help="write the autoencoder alone, to this folder")
    parser.add_argument("--unet", type=Path, help="write the denoiser in training, to this folder")
    options = parser.parse_args()
    if options.unet:
        save_half(averaged_unet(), options.unet)
    if options.vae:
        save_half(AutoencoderKL.from_pretrained(FOLDER / "vae"), options.vae)
    if options.unet or options.vae:
        return
    if SHIPPED.exists():
        shutil.rmtree(SHIPPED)
    save_half(AutoencoderKL.from_pretrained(FOLDER / "vae"), SHIPPED / "vae")
    save_half(averaged_unet(), SHIPPED / "unet")
    save_half(SpeechT5HifiGan.from_pretrained(FOLDER / "vocoder"), SHIPPED / "vocoder")
    spectral_vocoder.save(averaged_vocoder(), SHIPPED / "spectral_vocoder")
    scheduler().save_pretrained(SHIPPED / "scheduler")
    index = {
        "_class_name": "AudioLDMPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["transformers", "SpeechT5HifiGan"],
        "text_encoder": ["transformers", "BertModel"],
        "tokenizer": ["transformers", "BertTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        # The text tower is the binder's too: stored once, beside this folder.
        "_shared": {
            "text_encoder": "../text",
            "tokenizer": "../text",
            "spectral_vocoder": "spectral_vocoder",
        },
        "_native_duration_s": NUM_SAMPLES / SAMPLE_RATE,
        "_polish_rounds": 8,  # benchmarks/pocket_audio.py: more rounds add nothing
    }
    finished(SHIPPED, index)


if __name__ == "__main__":
    main()
