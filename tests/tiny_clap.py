"""A random CLAP of a few thousand weights in the on-disk format of the real ones."""

from pathlib import Path

import torch
from tiny_audioldm import write_byte_tokenizer
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel


def write_clap(folder: Path) -> Path:
    torch.manual_seed(0)
    write_byte_tokenizer(folder)
    text = {
        "vocab_size": 260, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 66,
        "projection_dim": 16, "pad_token_id": 1,
    }  # fmt: skip
    audio = {
        "spec_size": 256, "num_mel_bins": 64, "patch_embeds_hidden_size": 16, "hidden_size": 32,
        "depths": [1, 1], "num_attention_heads": [2, 2], "projection_dim": 16, "num_classes": 4,
        "enable_fusion": False, "aff_block_r": 2,
    }  # fmt: skip
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=16)
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    return folder
