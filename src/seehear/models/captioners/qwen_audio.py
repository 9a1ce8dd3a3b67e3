"""Qwen2-Audio describes sounds: a chat model of 8 billion weights.

Source: Chu et al. 2024, "Qwen2-Audio Technical Report", arXiv:2407.10759.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor
from transformers.models.qwen2_audio.processing_qwen2_audio import Qwen2AudioProcessor

from seehear.dsp.resample import resample
from seehear.models.hf_components import read_component, read_network
from seehear.models.offload import OffloadedModel

INSTRUCTION = "Say in one short sentence what makes this sound and what it would look like."
MAX_TOKENS = 60
LONGEST_S = 30.0  # what the model hears


class Qwen2Audio:
    """A frozen describer of sounds."""

    def __init__(self, network: OffloadedModel, processor: Qwen2AudioProcessor):
        """Put parts together; `load` reads them."""
        self.network, self.processor = network, processor

    @torch.no_grad()
    def caption_audio(self, waveform: Float[Tensor, " samples"], sample_rate: int) -> str:
        """One sentence about a mono sound; what is beyond 30 s is not heard."""
        rate = int(self.processor.feature_extractor.sampling_rate)
        heard = resample(waveform[None].float().cpu(), sample_rate, rate)[0]
        chat = self.processor.tokenizer.apply_chat_template(
            [
                {
                    "role": "user",
                    "content": f"Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\n{INSTRUCTION}",
                }
            ],
            tokenize=False,
            add_generation_prompt=True,
        )
        given = self.processor(
            text=[chat],
            audio=[heard[: round(LONGEST_S * rate)].numpy()],
            sampling_rate=rate,
            return_tensors="pt",
            padding=True,
        )
        with self.network.on_device() as model:
            given = given.to(model.device)
            given["input_features"] = given["input_features"].to(model.dtype)
            ids = model.generate(**given, max_new_tokens=MAX_TOKENS, do_sample=False)
        said = ids[0, given["input_ids"].shape[1] :]
        return self.processor.tokenizer.decode(said, skip_special_tokens=True).strip()


def load(
    folder: Path, *, device: str | torch.device, dtype: torch.dtype, lean: bool = False
) -> Qwen2Audio:
    """Read Qwen2-Audio from a folder.

    Raises:
        WeightsError: A part is missing or damaged.
    """
    model = read_network(Qwen2AudioForConditionalGeneration, folder, dtype=dtype)
    processor = Qwen2AudioProcessor(
        feature_extractor=read_component(WhisperFeatureExtractor, folder),
        tokenizer=read_component(AutoTokenizer, folder),
    )
    return Qwen2Audio(OffloadedModel(model, device, lean=lean), processor)
