"""Random models of a few thousand weights in Stable Diffusion's and AnimateDiff's formats."""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    MotionAdapter,
    PNDMScheduler,
    UNet2DConditionModel,
)
from tiny_audioldm import TEXT_DIM, write_bert_text, write_byte_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel

BLOCKS = (8, 16)
TOKENS = 64  # the byte tokenizer's limit


def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=BLOCKS,
        cross_attention_dim=TEXT_DIM,
        layers_per_block=1,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def motion_adapter(max_frames: int = 24) -> MotionAdapter:
    adapter = MotionAdapter(
        block_out_channels=BLOCKS,
        motion_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=4,
        motion_max_seq_length=max_frames,
        use_motion_mid_block=False,
    )
    # The last layers of fresh motion modules are zero: without noise in them nothing would move.
    for name, weight in adapter.named_parameters():
        if "proj_out" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return adapter


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.18215,
    )


def tiny_decoder() -> AutoencoderTiny:
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )


def write_clip_text(folder: Path) -> None:
    config = CLIPTextConfig(
        vocab_size=260,
        hidden_size=TEXT_DIM,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=TOKENS,
        projection_dim=TEXT_DIM,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    CLIPTextModel(config).save_pretrained(folder)


def write_motion(folder: Path, max_frames: int = 24) -> Path:
    torch.manual_seed(1)
    motion_adapter(max_frames).save_pretrained(folder)
    return folder


def write_tiny_decoder(folder: Path) -> Path:
    torch.manual_seed(2)
    tiny_decoder().save_pretrained(folder)
    return folder


def write_stable_diffusion(
    folder: Path, *, prediction_type: str = "epsilon", extra_index: dict | None = None
) -> Path:
    """A picture model as Stable Diffusion 1.5 comes: PNDM scheduler, scaled-linear betas."""
    torch.manual_seed(0)
    unet().save_pretrained(folder / "unet")
    vae().save_pretrained(folder / "vae")
    PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        skip_prk_steps=True,
        prediction_type=prediction_type,
    ).save_pretrained(folder / "scheduler")
    write_clip_text(folder / "text_encoder")
    write_byte_tokenizer(folder / "tokenizer")
    index: dict = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "scheduler": ["diffusers", "PNDMScheduler"],
    }
    (folder / "model_index.json").write_text(json.dumps(index | (extra_index or {})))
    return folder


def write_animatediff(folder: Path) -> Path:
    """One folder with everything, text encoder shared, as a small family would come."""
    write_stable_diffusion(folder)
    write_motion(folder / "motion_adapter", max_frames=16)
    write_tiny_decoder(folder / "tiny_decoder")
    DDIMScheduler(
        beta_start=0.001, beta_end=0.01, beta_schedule="linear", steps_offset=1, clip_sample=False
    ).save_pretrained(folder / "scheduler")
    write_bert_text(folder.parent / "text")
    index = {
        "_class_name": "AnimateDiffPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "motion_adapter": ["diffusers", "MotionAdapter"],
        "tiny_decoder": ["diffusers", "AutoencoderTiny"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "BertModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "_shared": {"text_encoder": "../text", "tokenizer": "../text"},
        "_num_frames": 4,
        "_fps": 6.25,
        "_prompt_tokens": 10,
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
