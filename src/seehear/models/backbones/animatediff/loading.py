"""Load AnimateDiff: a Stable Diffusion 1.5 checkpoint and a diffusers MotionAdapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import MotionAdapter, UNetMotionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from transformers import AutoTokenizer

from seehear.errors import WeightsError
from seehear.models.backbones.animatediff.model import FPS, NUM_FRAMES, AnimateDiff
from seehear.models.backbones.animatediff.published_motion import motion_adapter_from_original
from seehear.models.cache import read_json
from seehear.models.hf_components import (
    quiet_libraries,
    read_autoencoder,
    read_component,
    read_network,
    scheduler_from,
    text_class,
)
from seehear.models.weights import Checkpoint, find_checkpoint, find_network

# AnimateDiff's motion modules were trained with these betas (from its inference configuration), for
# any image model. Stable Diffusion's own schedule is linear in the square roots.
ANIMATEDIFF_SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": True,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
}


def load(
    source: str | Path,
    *,
    motion: str | Path | None = None,
    tiny_decoder: str | Path | None = None,
    num_frames: int | None = None,
    fps: float | None = None,
    height: int | None = None,
    width: int | None = None,
    negative_prompt: str | None = None,
    decode_chunk: int = 4,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    lean: bool = False,
    local_files_only: bool = False,
) -> AnimateDiff:
    """Load a video model from folders or the hub; with `num_frames=1` only its image model.

    A checkpoint can set defaults in its model_index.json: `_num_frames`, `_fps`, `_prompt_tokens`
    and `_negative_prompt`.

    Args:
        source: Stable Diffusion 1.5, a fine-tune of it or an AnimateDiff pipeline: a folder with
            model_index.json, or a name.
        motion: A MotionAdapter: a folder with config.json, or a name such as
            "guoyww/animatediff-motion-adapter-v1-5-2", or a file of the AnimateDiff authors such as
            mm_sd_v15.ckpt. None uses the adapter in `source`.
        tiny_decoder: An AutoencoderTiny for guidance and previews: a folder or a name such as
            "madebyollin/taesd". None uses the one in `source`, if any.
        num_frames: Length of a clip; None is the checkpoint's, else 16. 1 generates images: the
            motion adapter is not loaded, and the noise schedule is that of the image model.
        fps: Frames per second; None is the checkpoint's, else 8.
        height: Height of the frames in pixels; None is the UNet's. The paper uses 224 x 224.
        width: Width of the frames in pixels; None is the UNet's.
        negative_prompt: Text of the unconditional embedding; None is the checkpoint's, else empty.
        decode_chunk: Frames to decode in one batch.
        device: Device of the networks.
        dtype: Data type of the networks: float32, bfloat16, or float64 for tests.
        checkpointing: Trade time for memory in the backward pass.
        lean: Keep the text encoder, which runs once, on the CPU.
        local_files_only: Never use the network.

    Raises:
        WeightsError: A checkpoint or a component is missing or has another format.
        SettingsError: The model does not support a size or a count.
    """
    found = find_checkpoint(source, local_files_only=local_files_only)
    adapter = None if motion is None else _motion_path(motion, local_files_only)
    tiny = _tiny_folder(found, tiny_decoder, local_files_only)
    index = found.index
    length = int(index.get("_num_frames", NUM_FRAMES)) if num_frames is None else num_frames
    negative = index.get("_negative_prompt", "") if negative_prompt is None else negative_prompt
    # low_cpu_mem_usage needs the package accelerate and logs a long warning without it.
    for_diffusers: dict[str, Any] = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
    return AnimateDiff(
        unet=_unet(found, adapter, length == 1, for_diffusers).to(device),
        vae=read_autoencoder(AutoencoderKL, found.component("vae"), **for_diffusers).to(device),
        tiny_decoder=None
        if tiny is None
        else read_autoencoder(AutoencoderTiny, tiny, **for_diffusers).to(device),
        text_encoder=read_network(
            text_class(found), found.component("text_encoder"), optional=("pooler.",), dtype=dtype
        ).to("cpu" if lean else device),
        tokenizer=read_component(AutoTokenizer, found.component("tokenizer")),
        scheduler=_scheduler(found, is_still=length == 1, is_foreign=adapter is not None),
        num_frames=length,
        fps=float(index.get("_fps", FPS)) if fps is None else fps,
        height=height,
        width=width,
        negative_prompt=negative,
        prompt_tokens=index.get("_prompt_tokens"),
        decode_chunk=decode_chunk,
        checkpointing=checkpointing,
        checkpoint=found,
        motion_path=adapter,
    )


def _unet(
    found: Checkpoint, adapter: Path | None, is_still: bool, options: Mapping[str, Any]
) -> Any:
    """The denoiser: an image UNet, a saved video UNet, or an image UNet with a motion adapter."""
    folder = found.component("unet")
    if found.class_name("unet") == "UNetMotionModel":
        if is_still or adapter is not None:
            raise WeightsError(
                f"{found.source}: expected the UNet of an image model, this one has motion "
                "modules already; pass the Stable Diffusion checkpoint that it was built from"
            )
        return read_network(UNetMotionModel, folder, **options)
    unet = read_network(UNet2DConditionModel, folder, **options)
    if is_still:
        return unet
    if adapter is None:
        if not _holds(found, "motion_adapter"):
            raise WeightsError(
                f"{found.source}: expected a motion adapter, this checkpoint has none; pass one, "
                "or set num_frames to one frame for images"
            )
        adapter = found.component("motion_adapter")
    if adapter.is_file():
        motion = motion_adapter_from_original(adapter).to(options["torch_dtype"])
    else:
        motion = read_network(MotionAdapter, adapter, **options)
    try:
        with quiet_libraries():
            return UNetMotionModel.from_unet2d(unet, motion)
    except (ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(
            f"{adapter}: expected motion modules that fit the UNet of {found.source} ({error}); "
            "pass an adapter for this kind of model"
        ) from error


def _scheduler(found: Checkpoint, *, is_still: bool, is_foreign: bool) -> DDIMScheduler:
    """DDIM with the image model's betas for images and AnimateDiff's betas for videos.

    A checkpoint that was saved as an AnimateDiff pipeline with its adapter has the right betas.
    """
    own = read_json(found.component("scheduler") / "scheduler_config.json")
    is_animatediff = str(found.index.get("_class_name", "")).startswith("AnimateDiff")
    keeps_own = is_still or (is_animatediff and not is_foreign)
    schedule = own if keeps_own else own | ANIMATEDIFF_SCHEDULE
    return scheduler_from(schedule, found.component("scheduler"))


def _motion_path(motion: str | Path, local_files_only: bool) -> Path:
    """A motion file of the AnimateDiff authors, or the folder of an adapter."""
    path = Path(motion)
    return path if path.is_file() else find_network(motion, local_files_only)


def _holds(found: Checkpoint, name: str) -> bool:
    return name in found.index or name in found.shared()


def _tiny_folder(
    found: Checkpoint, named: str | Path | None, local_files_only: bool
) -> Path | None:
    """The folder of the tiny decoder: the named one, else the checkpoint's, else None."""
    if named is not None:
        return find_network(named, local_files_only)
    return found.component("tiny_decoder") if _holds(found, "tiny_decoder") else None
