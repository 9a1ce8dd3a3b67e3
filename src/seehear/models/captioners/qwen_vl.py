"""Qwen-VL describes pictures in detail: a chat model of 2 billion weights and more.

Source: Bai et al. 2023, "Qwen-VL", arXiv:2308.12966; the paper's authors used its first version.
Versions 2, 2.5 and 3 load here, without their video part, which needs a further library.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from seehear.models.hf_components import read_component, read_network
from seehear.models.offload import OffloadedModel

# As the paper asks: in detail, but short.
INSTRUCTION = (
    "Say in one sentence of fewer than 35 words what can be seen and what it would sound like."
)
MAX_TOKENS = 80
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


class QwenVL:
    """A frozen describer of pictures."""

    def __init__(self, network: OffloadedModel, tokenizer: Any, images: Any):
        """Put parts together; `load` reads them."""
        self.network, self.tokenizer, self.images = network, tokenizer, images

    @torch.no_grad()
    def caption_image(self, pixels: UInt8[Tensor, "3 height width"]) -> str:
        """One sentence about an RGB picture."""
        given = self.images(images=[pixels.permute(1, 2, 0).numpy()], return_tensors="pt")
        places = int(given["image_grid_thw"][0].prod()) // self.images.merge_size**2
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": IMAGE + INSTRUCTION}],
            tokenize=False,
            add_generation_prompt=True,
        )
        text = chat.replace("<|image_pad|>", "<|image_pad|>" * places)
        image_token = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        with self.network.on_device() as model:
            words = self.tokenizer(text, return_tensors="pt").to(model.device)
            ids = model.generate(
                input_ids=words["input_ids"],
                attention_mask=words["attention_mask"],
                mm_token_type_ids=(words["input_ids"] == image_token).long(),
                pixel_values=given["pixel_values"].to(model.device, model.dtype),
                image_grid_thw=given["image_grid_thw"].to(model.device),
                max_new_tokens=MAX_TOKENS,
                do_sample=False,
            )
        said = ids[0, words["input_ids"].shape[1] :]
        return self.tokenizer.decode(said, skip_special_tokens=True).strip()


def load(
    folder: Path, *, device: str | torch.device, dtype: torch.dtype, lean: bool = False
) -> QwenVL:
    """Read a Qwen-VL from a folder.

    Raises:
        WeightsError: A part is missing or damaged.
    """
    model = read_network(AutoModelForImageTextToText, folder, dtype=dtype)
    return QwenVL(
        OffloadedModel(model, device, lean=lean),
        read_component(AutoTokenizer, folder),
        read_component(Qwen2VLImageProcessorPil, folder),
    )
