"""Put the trained video model into the package: `python -m training.video.package`."""

import shutil

from diffusers import AutoencoderKL, DDIMScheduler, MotionAdapter, UNet2DConditionModel

from training.packaging import POCKET, finished, save_half
from training.video.films import DURATION_S, NUM_FRAMES
from training.video.unet import PROMPT_TOKENS
from training.video.vae import FOLDER

SHIPPED = POCKET / "video"


def main() -> None:
    if SHIPPED.exists():
        shutil.rmtree(SHIPPED)
    for kind, name in (
        (AutoencoderKL, "vae"),
        (UNet2DConditionModel, "unet"),
        (MotionAdapter, "motion_adapter"),
    ):
        save_half(kind.from_pretrained(FOLDER / name), SHIPPED / name)
    DDIMScheduler.from_pretrained(FOLDER / "scheduler").save_pretrained(SHIPPED / "scheduler")
    index = {
        "_class_name": "AnimateDiffPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "motion_adapter": ["diffusers", "MotionAdapter"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "BertModel"],
        "tokenizer": ["transformers", "BertTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        # The text tower is the binder's too: stored once, beside this folder.
        "_shared": {"text_encoder": "../text", "tokenizer": "../text"},
        "_num_frames": NUM_FRAMES,
        "_fps": NUM_FRAMES / DURATION_S,
        "_prompt_tokens": PROMPT_TOKENS,
    }
    finished(SHIPPED, index)


if __name__ == "__main__":
    main()
