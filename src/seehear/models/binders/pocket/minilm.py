"""The text tower: MiniLM, a six-layer BERT with mean pooling over tokens."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoTokenizer, BertConfig, BertModel

NUM_FEATURES = 384
MAX_TOKENS = 128


class SentenceEncoder(nn.Module):
    """Embeds sentences as unit vectors; reads a local folder in transformers' format."""

    def __init__(self, folder: Path):
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        # Not `from_pretrained`, which shows a progress bar.
        config = BertConfig.from_pretrained(folder, local_files_only=True)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.bert.load_state_dict(load_file(folder / "model.safetensors"))
        self.bert.eval()

    @torch.no_grad()
    def forward(self, sentences: Sequence[str]) -> Float[Tensor, "batch 384"]:
        """Normalised mean over the attended tokens. Sentences are cut to 128 tokens.

        Source: Sentence-BERT's mean pooling (Reimers & Gurevych 2019, arXiv:1908.10084).
        """
        tokens = self.tokenizer(
            list(sentences),
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        ).to(self.bert.device)
        hidden = self.bert(**tokens).last_hidden_state.float()
        attended = tokens["attention_mask"][..., None].to(hidden)
        mean = (hidden * attended).sum(1) / attended.sum(1)
        return torch.nn.functional.normalize(mean, dim=1)
