"""Qwen-VL, an image captioner with detailed captions: a chat model of 2 billion weights and more.

Source: Bai et al. 2023, "Qwen-VL", arXiv:2308.12966; the paper's authors used its first version.
Versions 2, 2.5 and 3 load without their video processor, which needs another library.
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

# The paper asks for detailed but short captions.
INSTRUCTION = (
    "Say in one sentence of fewer than 35 words what can be seen and what it would sound like."
)
MAX_TOKENS = 80
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


class QwenVL:
    """A frozen image captioner."""

    def __init__(self, network: OffloadedModel, tokenizer: Any, images: Any):
        """Build from components; `load` reads them from a folder."""
        self.network, self.tokenizer, self.images = network, tokenizer, images

    @torch.no_grad()
    def caption_image(self, pixels: UInt8[Tensor, "3 height width"]) -> str:
        """A one-sentence caption of an RGB image in [0, 255]."""
        inputs = self.images(images=[pixels.permute(1, 2, 0).numpy()], return_tensors="pt")
        num_image_tokens = int(inputs["image_grid_thw"][0].prod()) // self.images.merge_size**2
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": IMAGE + INSTRUCTION}],
            tokenize=False,
            add_generation_prompt=True,
        )
        text = chat.replace("<|image_pad|>", "<|image_pad|>" * num_image_tokens)
        image_token = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        with self.network.on_device() as model:
            tokens = self.tokenizer(text, return_tensors="pt").to(model.device)
            ids = model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                mm_token_type_ids=(tokens["input_ids"] == image_token).long(),
                pixel_values=inputs["pixel_values"].to(model.device, model.dtype),
                image_grid_thw=inputs["image_grid_thw"].to(model.device),
                max_new_tokens=MAX_TOKENS,
                do_sample=False,
            )
        answer = ids[0, tokens["input_ids"].shape[1] :]
        return self.tokenizer.decode(answer, skip_special_tokens=True).strip()


def load(
    folder: Path, *, device: str | torch.device, dtype: torch.dtype, lean: bool = False
) -> QwenVL:
    """Load a Qwen-VL model from a folder.

    Raises:
        WeightsError: A file is missing or damaged.
    """
    model = read_network(AutoModelForImageTextToText, folder, dtype=dtype)
    return QwenVL(
        OffloadedModel(model, device, lean=lean),
        read_component(AutoTokenizer, folder),
        read_component(Qwen2VLImageProcessorPil, folder),
    )
