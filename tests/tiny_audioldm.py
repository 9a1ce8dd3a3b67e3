"""A random model of a few thousand weights in AudioLDM's on-disk format, written from configs."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    ClapTextConfig,
    ClapTextModelWithProjection,
    PreTrainedTokenizerFast,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

TEXT_DIM = 16


def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(8, 16),
        cross_attention_dim=(8, 16),
        layers_per_block=1,
        attention_head_dim=2,
        norm_num_groups=4,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=TEXT_DIM,
        class_embeddings_concat=True,
    )


def vae(blocks: int = 3) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(8,) * blocks,
        latent_channels=8,
        norm_num_groups=4,
        scaling_factor=0.9,
    )


def vocoder() -> SpeechT5HifiGan:
    # At the default range of 0.01 a fresh vocoder is silent and every gradient is zero.
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=64,
            upsample_initial_channel=32,
            upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[16, 16, 8, 4, 4],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            initializer_range=0.2,
            normalize_before=False,
        )
    )


def write_clap_text(folder: Path) -> None:
    config = ClapTextConfig(
        vocab_size=260,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        projection_dim=TEXT_DIM,
        max_position_embeddings=66,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    ClapTextModelWithProjection(config).save_pretrained(folder)
    write_byte_tokenizer(folder)


def write_bert_text(folder: Path) -> None:
    config = BertConfig(
        vocab_size=260,
        hidden_size=TEXT_DIM,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        pad_token_id=1,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    write_byte_tokenizer(folder)


def write_byte_tokenizer(folder: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}  # RoBERTa's order
    vocabulary = {letter: len(specials) + i for i, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary | specials, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    ).save_pretrained(folder)


def write_model(
    folder: Path,
    *,
    text: str = "clap",
    shared_text: bool = False,
    vae_blocks: int = 3,
    prediction_type: str = "epsilon",
    extra_index: dict | None = None,
) -> Path:
    """Write a whole checkpoint; with `shared_text` the text folder is a sibling of `folder`."""
    torch.manual_seed(0)
    index: dict = {
        "_class_name": "AudioLDMPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["transformers", "SpeechT5HifiGan"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    unet().save_pretrained(folder / "unet")
    vae(vae_blocks).save_pretrained(folder / "vae")
    vocoder().save_pretrained(folder / "vocoder")
    DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    ).save_pretrained(folder / "scheduler")
    write_text = {"clap": write_clap_text, "bert": write_bert_text}[text]
    if shared_text:
        write_text(folder.parent / "text")
        index["_shared"] = {"text_encoder": "../text", "tokenizer": "../text"}
    else:
        write_text(folder / "text_encoder")
        write_byte_tokenizer(folder / "tokenizer")
        index["text_encoder"] = [
            "transformers",
            {"clap": "ClapTextModelWithProjection", "bert": "BertModel"}[text],
        ]
        index["tokenizer"] = ["transformers", "PreTrainedTokenizerFast"]
    (folder / "model_index.json").write_text(json.dumps(index | (extra_index or {})))
    return folder
