"""BLIP, a small and fast image captioner.

Source: Li et al. 2022, "BLIP: Bootstrapping Language-Image Pre-training", arXiv:2201.12086.
"""

from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor
from transformers import AutoTokenizer, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from seehear.models.hf_components import read_component, read_network
from seehear.models.offload import OffloadedModel

MAX_TOKENS = 40
# The paper asks for fewer than 35 words; a small beam search improves the captions.
BEAMS = 3


class Blip:
    """A frozen image captioner."""

    def __init__(self, network: OffloadedModel, tokenizer, images):
        """Build from components; `load` reads them from a folder."""
        self.network, self.tokenizer, self.images = network, tokenizer, images

    @torch.no_grad()
    def caption_image(self, pixels: UInt8[Tensor, "3 height width"]) -> str:
        """A one-sentence caption of an RGB image in [0, 255]."""
        inputs = self.images(images=[pixels.permute(1, 2, 0).numpy()], return_tensors="pt")
        with self.network.on_device() as model:
            pixel_values = inputs["pixel_values"].to(model.device, model.dtype)
            ids = model.generate(
                pixel_values=pixel_values,
                max_new_tokens=MAX_TOKENS,
                num_beams=BEAMS,
                do_sample=False,
            )
        return self.tokenizer.decode(ids[0], skip_special_tokens=True).strip()


def load(
    folder: Path, *, device: str | torch.device, dtype: torch.dtype, lean: bool = False
) -> Blip:
    """Load BLIP from a folder.

    Raises:
        WeightsError: A file is missing or damaged.
    """
    model = read_network(BlipForConditionalGeneration, folder, dtype=dtype)
    return Blip(
        OffloadedModel(model, device, lean=lean),
        read_component(AutoTokenizer, folder),
        read_component(BlipImageProcessorPil, folder),
    )
