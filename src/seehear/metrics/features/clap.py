"""CLAP compares a sound with a sentence: the CLAP score, and features of sounds for FD.

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
    """CLAP in the format of transformers. Values depend on the checkpoint: name it."""

    def __init__(self, model: ClapModel, tokenizer, front_end: ClapFeatureExtractor):
        """Put parts together; `load` reads them."""
        self.model, self.tokenizer, self.front_end = model.eval(), tokenizer, front_end

    @property
    def sample_rate(self) -> int:
        """In Hz, 48000 for all published ones."""
        return self.front_end.sampling_rate

    @torch.no_grad()
    def hear(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """Unit embeddings of mono waveforms in [-1, 1]; there are no classes.

        Of clips longer than 10 s the beginning is heard: the front end alone would draw a part of
        them at random, and no score would be the same twice. Shorter ones are repeated.
        """
        heard = resample(waveform, sample_rate, self.sample_rate)[
            :, : self.front_end.nb_max_samples
        ]
        rows = [self._embedded(clip) for clip in heard.cpu().numpy()]
        return Features(torch.cat(rows))

    def _embedded(self, clip) -> Float[Tensor, "1 dim"]:
        # One by one: of a batch the front end fuses a clip that it draws at random.
        given = self.front_end(clip, sampling_rate=self.sample_rate, return_tensors="pt")
        return self.model.get_audio_features(**given.to(self.model.device)).pooler_output

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Unit embeddings of sentences."""
        given = self.tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        return self.model.get_text_features(**given.to(self.model.device)).pooler_output


def load(folder: str | Path) -> Clap:
    """Read CLAP from a folder: config.json, weights, tokenizer and preprocessor_config.json.

    Raises:
        WeightsError: A part is missing or damaged.
    """
    place = Path(folder)
    return Clap(
        read_network(ClapModel, place, dtype=torch.float32).requires_grad_(False),
        read_component(AutoTokenizer, place),
        read_component(ClapFeatureExtractor, place),
    )
