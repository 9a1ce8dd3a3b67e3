"""Qwen2-Audio, an audio captioner: a chat model of 8 billion weights.

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
LONGEST_S = 30.0  # longest input of the model


class Qwen2Audio:
    """A frozen audio captioner."""

    def __init__(self, network: OffloadedModel, processor: Qwen2AudioProcessor):
        """Build from components; `load` reads them from a folder."""
        self.network, self.processor = network, processor

    @torch.no_grad()
    def caption_audio(self, waveform: Float[Tensor, " samples"], sample_rate: int) -> str:
        """A one-sentence caption of a mono waveform, cut to its first 30 s."""
        rate = int(self.processor.feature_extractor.sampling_rate)
        audio = resample(waveform[None].float().cpu(), sample_rate, rate)[0]
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
        inputs = self.processor(
            text=[chat],
            audio=[audio[: round(LONGEST_S * rate)].numpy()],
            sampling_rate=rate,
            return_tensors="pt",
            padding=True,
        )
        with self.network.on_device() as model:
            inputs = inputs.to(model.device)
            inputs["input_features"] = inputs["input_features"].to(model.dtype)
            ids = model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        answer = ids[0, inputs["input_ids"].shape[1] :]
        return self.processor.tokenizer.decode(answer, skip_special_tokens=True).strip()


def load(
    folder: Path, *, device: str | torch.device, dtype: torch.dtype, lean: bool = False
) -> Qwen2Audio:
    """Load Qwen2-Audio from a folder.

    Raises:
        WeightsError: A file is missing or damaged.
    """
    model = read_network(Qwen2AudioForConditionalGeneration, folder, dtype=dtype)
    processor = Qwen2AudioProcessor(
        feature_extractor=read_component(WhisperFeatureExtractor, folder),
        tokenizer=read_component(AutoTokenizer, folder),
    )
    return Qwen2Audio(OffloadedModel(model, device, lean=lean), processor)
