"""The paper's models at their published sizes with random weights, for planning and timing.

Sources of the sizes: arXiv:2301.12503 (AudioLDM), arXiv:2112.10752 (Stable Diffusion 1.5),
arXiv:2307.04725 (AnimateDiff), arXiv:2305.05665 (ImageBind). The output is noise, but time and
memory are those of the real model. On the device "meta" a model takes neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import MotionAdapter, UNetMotionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor, nn
from transformers import (
    ClapTextConfig,
    ClapTextModelWithProjection,
    CLIPTextConfig,
    CLIPTextModel,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from seehear.errors import SettingsError
from seehear.guidance.protocols import Backbone
from seehear.models.backbones.animatediff import ANIMATEDIFF_SCHEDULE, AnimateDiff
from seehear.models.backbones.audioldm import AudioLDM
from seehear.models.binders.imagebind import ImageBind, ImageBindConfig
from seehear.models.binders.imagebind.state_dict_shapes import OUT_DIM, published_shapes
from seehear.models.binders.imagebind.towers import MODALITIES, Modality, towers_from_state
from seehear.models.latent_encoder import WIDTH, LatentEncoder, LatentEncoderConfig

AUDIOLDM_WIDTHS = {
    "s": (128, 256, 384, 640),
    "m": (192, 384, 576, 960),
    "l": (256, 512, 768, 1280),
}
CLAP_DIM, CLIP_DIM, CLIP_TOKENS = 512, 768, 77
# With the default initialisation the vocoder output is silent and its gradient zero.
_LOUD = 0.05
_MOTION = {"v1": (24, False), "v2": (32, True), "v3": (32, False)}  # positions, middle module


def audioldm(
    size: str = "m",
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    with_text: bool = True,
) -> AudioLDM:
    """AudioLDM of size s, m or l with random weights.

    Raises:
        SettingsError: Unknown size.
    """
    if size not in AUDIOLDM_WIDTHS:
        raise SettingsError(f"expected the AudioLDM size s, m or l, got {size!r}")
    widths = AUDIOLDM_WIDTHS[size]
    with _placed(device, dtype):
        unet = UNet2DConditionModel(
            sample_size=128, in_channels=8, out_channels=8,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
            up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
            block_out_channels=widths, cross_attention_dim=widths, attention_head_dim=8,
            class_embed_type="simple_projection", class_embeddings_concat=True,
            projection_class_embeddings_input_dim=CLAP_DIM,
        )  # fmt: skip
        vae = AutoencoderKL(
            in_channels=1, out_channels=1, latent_channels=8, layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(128, 256, 512), scaling_factor=0.9138255715370178,
        )  # fmt: skip
        vocoder = SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=64, sampling_rate=16000, upsample_initial_channel=1024,
                upsample_rates=[5, 4, 2, 2, 2], upsample_kernel_sizes=[16, 16, 8, 4, 4],
                resblock_kernel_sizes=[3, 7, 11], resblock_dilation_sizes=[[1, 3, 5]] * 3,
                normalize_before=False, initializer_range=_LOUD,
            )
        )  # fmt: skip
        text = ClapTextModelWithProjection(ClapTextConfig()) if with_text else None
    return AudioLDM(
        unet=unet,
        vae=vae,
        vocoder=vocoder,
        text_encoder=text,
        scheduler=DDIMScheduler(
            beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", steps_offset=1,
            clip_sample=False, set_alpha_to_one=False,
        ),
        checkpointing=checkpointing,
    )  # fmt: skip


def animatediff(
    motion: str = "v1",
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    with_text: bool = True,
    **clip: Any,
) -> AnimateDiff:
    """Stable Diffusion 1.5 with random weights, with motion modules unless num_frames is 1.

    Args:
        motion: Version of the motion modules: v1, v2 or v3.
        device: Device of the weights.
        dtype: Dtype of the weights.
        checkpointing: Recompute activations in the backward pass.
        with_text: Include a text encoder.
        **clip: Options of `AnimateDiff`: num_frames, fps, height, width, decode_chunk.

    Raises:
        SettingsError: Unknown version.
    """
    if motion not in _MOTION:
        raise SettingsError(f"expected motion modules {', '.join(_MOTION)}, got {motion!r}")
    positions, has_middle = _MOTION[motion]
    with _placed(device, dtype):
        unet: nn.Module = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=CLIP_DIM, attention_head_dim=8
        )
        if clip.get("num_frames") != 1:
            adapter = MotionAdapter(
                use_motion_mid_block=has_middle, motion_max_seq_length=positions
            )
            unet = UNetMotionModel.from_unet2d(unet, adapter, load_weights=device != "meta")
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, scaling_factor=0.18215,
        )  # fmt: skip
        text = (
            CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=49408, hidden_size=CLIP_DIM, intermediate_size=3072,
                    num_hidden_layers=12, num_attention_heads=12,
                )
            )
            if with_text
            else None
        )  # fmt: skip
    return AnimateDiff(
        unet=unet,  # type: ignore[arg-type]  # both types are supported
        vae=vae,
        text_encoder=text,
        scheduler=DDIMScheduler(**ANIMATEDIFF_SCHEDULE),
        checkpointing=checkpointing,
        **clip,
    )


def imagebind(
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    trunks: tuple[Modality, ...] = MODALITIES,
    config: ImageBindConfig | None = None,
) -> ImageBind:
    """ImageBind-huge with random weights, without a tokenizer."""
    generator = torch.Generator().manual_seed(0)
    state = {
        key: _small(shape, generator, device, dtype)
        for key, shape in published_shapes(trunks).items()
    }
    return ImageBind(towers_from_state(state, trunks, dtype=dtype), config)


def latent_encoder(
    backbone: Backbone,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> LatentEncoder:
    """An encoder of a backbone's noisy latents, as `seehear distill` trains it for ImageBind."""
    z = backbone.prior(backbone.native_duration_s, 1, torch.Generator())
    config = LatentEncoderConfig(channels=z.shape[1], outputs=OUT_DIM, width=WIDTH)
    with _placed(device, dtype):
        return LatentEncoder(config).eval().requires_grad_(False)


def _small(
    shape: tuple[int, ...], generator: torch.Generator, device: str, dtype: torch.dtype
) -> Tensor:
    if device == "meta":
        return torch.empty(shape, device="meta", dtype=dtype)
    if len(shape) < 2:  # norms and biases, which do not affect the time
        return torch.ones(shape, device=device, dtype=dtype)
    return (torch.randn(shape, generator=generator) * 0.02).to(device, dtype)


@contextmanager
def _placed(device: str, dtype: torch.dtype) -> Iterator[None]:
    """Create modules inside the context on a device and in a dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def prompt_rows(backbone: AudioLDM | AnimateDiff) -> Tensor:
    """A random prompt stack of the right shape, for models without a tokenizer."""
    shape = (2, CLAP_DIM) if isinstance(backbone, AudioLDM) else (2, CLIP_TOKENS, CLIP_DIM)
    wide = torch.promote_types(backbone.dtype, torch.float32)
    if backbone.device.type == "meta":
        return torch.empty(shape, device="meta", dtype=wide)
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return nn.functional.normalize(rows, dim=-1).to(backbone.device, wide)
