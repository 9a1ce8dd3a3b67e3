"""CLAP: audio-text similarity for the CLAP score, and audio features for FD.

Source: Wu et al. 2023, "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion",
arXiv:2211.06687. The network and its front end are those of transformers.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

from seehear.dsp.resample import resample
from seehear.metrics.features.protocol import Features
from seehear.models.hf_components import read_component, read_network


class Clap:
    """CLAP in the transformers format. Scores depend on the checkpoint, so report it."""

    def __init__(self, model: ClapModel, tokenizer, front_end: ClapFeatureExtractor):
        """Combine the parts that `load` reads."""
        self.model, self.tokenizer, self.front_end = model.eval(), tokenizer, front_end

    @property
    def sample_rate(self) -> int:
        """In Hz; 48000 for all published checkpoints."""
        return self.front_end.sampling_rate

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Unit embeddings of mono waveforms in [-1, 1], without classes.

        Only the first 10 s are used: the front end would draw a random segment of longer clips, and
        scores would not be reproducible. Shorter clips are repeated.
        """
        samples = resample(waveform, sample_rate, self.sample_rate)[
            :, : self.front_end.nb_max_samples
        ]
        rows = [self._embed(clip) for clip in samples.cpu().numpy()]
        return Features(torch.cat(rows))

    def _embed(self, clip) -> Float[Tensor, "1 dim"]:
        # One by one, because in a batch the front end fuses one randomly chosen clip.
        inputs = self.front_end(clip, sampling_rate=self.sample_rate, return_tensors="pt")
        return self.model.get_audio_features(**inputs.to(self.model.device)).pooler_output

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Unit embeddings of prompts."""
        inputs = self.tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        return self.model.get_text_features(**inputs.to(self.model.device)).pooler_output


def load(folder: str | Path) -> Clap:
    """Load CLAP from a folder with config.json, weights, tokenizer and preprocessor_config.json.

    Raises:
        WeightsError: A part is missing or damaged.
    """
    folder = Path(folder)
    return Clap(
        read_network(ClapModel, folder, dtype=torch.float32).requires_grad_(False),
        read_component(AutoTokenizer, folder),
        read_component(ClapFeatureExtractor, folder),
    )
