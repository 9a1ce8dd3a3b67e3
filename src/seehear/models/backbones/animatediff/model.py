"""The AnimateDiff backbone: denoiser, decoder and prompt embedding, differentiable."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recompute
from transformers import CLIPTextModel, CLIPTextModelWithProjection, PreTrainedModel

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.diffusion import (
    NoiseLevel,
    Prediction,
    after_guidance,
    prediction_from,
    rows_for_guidance,
)
from seehear.guidance.streams import Stream
from seehear.guidance.windows import positions_for
from seehear.models.frozen_layers import freeze
from seehear.models.hf_components import prediction_kind, scheduler_levels, start_of_prompt
from seehear.models.weights import Checkpoint, needs_matching_parts

NUM_FRAMES = 16  # AnimateDiff was trained on clips of 16 frames (arXiv:2307.04725, 5.1)
FPS = 8.0  # frame rate of AnimateDiff's scripts


class AnimateDiff:
    """A frozen text-to-video model: latents (batch, channels, frames, height / 8, width / 8).

    With a UNet without motion modules it generates an image: a clip of one frame. Every latent
    position is one frame and is decoded independently, so `decode(z_0[:, :, chosen])` decodes any
    subset of frames.
    """

    stream: Stream = "video"
    time_axis = 2

    def __init__(
        self,
        *,
        unet: UNetMotionModel | UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: DDIMScheduler,
        text_encoder: PreTrainedModel | None = None,
        tokenizer: Any = None,
        tiny_decoder: AutoencoderTiny | None = None,
        num_frames: int = NUM_FRAMES,
        fps: float = FPS,
        height: int | None = None,
        width: int | None = None,
        negative_prompt: str = "",
        prompt_tokens: int | None = None,
        decode_chunk: int = 4,
        checkpointing: bool = False,
        checkpoint: Checkpoint | None = None,
        motion_path: Path | None = None,
    ):
        """Build the model from components; `load` reads them from a checkpoint.

        Args:
            unet: Denoiser of videos or of images.
            vae: Autoencoder of images in [-1, 1].
            scheduler: Source of the noise schedule and of the prediction type.
            text_encoder: Encoder whose last hidden states are the UNet's cross-attention input.
                Without one `embed_prompt` raises an error.
            tokenizer: Tokenizer of the text encoder.
            tiny_decoder: A cheaper decoder for guidance and previews. The final output always uses
                the autoencoder.
            num_frames: The clip length that the model was trained on; 1 for images.
            fps: Frames per second.
            height: Height of the frames in pixels, a multiple of the autoencoder's downscaling (8
                for Stable Diffusion); None is the UNet's.
            width: Width of the frames in pixels, as height.
            negative_prompt: Text of the unconditional half of the prompt stack.
            prompt_tokens: Token length to which prompts are padded or cut; None is the longest.
            decode_chunk: Frames to decode in one batch.
            checkpointing: Recompute activations in the backward pass, the decoder's chunk by
                chunk: about half the memory of guidance for about a third more time.
            checkpoint: Source of the components, for records.
            motion_path: Source of the motion adapter, if it is not part of `checkpoint`.

        Raises:
            SettingsError: The autoencoder cannot decode to a size, a count is below 1, or there are
                more frames than positions in the motion modules.
        """
        self.unet, self.vae, self.tiny_decoder = unet, vae, tiny_decoder
        self.scheduler, self.text_encoder, self.tokenizer = scheduler, text_encoder, tokenizer
        self.checkpoint, self.motion_path = checkpoint, motion_path
        self.checkpointing, self.decode_chunk = checkpointing, decode_chunk
        self.negative_prompt = negative_prompt
        for network in (unet, vae, tiny_decoder, text_encoder):
            if network is not None:
                # New modules are in train mode, and weight gradients only cost memory.
                freeze(network)
        if checkpointing:
            unet.enable_gradient_checkpointing()
        self.prediction_kind = prediction_kind(scheduler)
        self.is_still = not isinstance(unet, UNetMotionModel)
        self.num_frames = 1 if self.is_still else num_frames
        if min(self.num_frames, decode_chunk) < 1 or fps <= 0:
            raise SettingsError(
                "expected num_frames >= 1, decode_chunk >= 1 and fps > 0, got "
                f"num_frames={num_frames}, decode_chunk={decode_chunk}, fps={fps}"
            )
        self.max_frames = None if self.is_still else int(unet.config["motion_max_seq_length"])
        if self.max_frames is not None and num_frames > self.max_frames:
            raise SettingsError(
                f"the motion modules take at most {self.max_frames} frames at once, got "
                f"num_frames={num_frames}"
            )
        self.sample_rate = self.latents_per_s = float(fps)
        self.native_duration_s = self.num_frames / self.latents_per_s
        self.downscale = 2 ** (len(vae.config["block_out_channels"]) - 1)
        self.height = self._pixels(height)
        self.width = self._pixels(width)
        self.prompt_tokens = prompt_tokens

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the networks. Latents and frames are float32 or wider."""
        return self.unet.dtype

    @needs_matching_parts
    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """`num_steps + 1` noise levels with the scheduler's timestep spacing."""
        return scheduler_levels(self.scheduler, num_steps)

    @needs_matching_parts
    def prior(
        self, duration_s: float, batch: int, generator: torch.Generator
    ) -> Float[Tensor, "batch channels frames rows columns"]:
        """Draw standard normal latents for at least `duration_s` seconds; one frame for an image.

        The latents are drawn on the generator's device, so a seed gives the same clip on any
        device.
        """
        frames = 1 if self.is_still else positions_for(duration_s, self.latents_per_s)
        rows, columns = self.height // self.downscale, self.width // self.downscale
        shape = (batch, self.unet.config["in_channels"], frames, rows, columns)
        wide = torch.promote_types(self.dtype, torch.float32)
        draw = torch.randn(shape, generator=generator, device=generator.device, dtype=wide)
        return draw.to(self.device)

    @needs_matching_parts
    @torch.no_grad()
    def embed_prompt(self, prompts: Sequence[str]) -> Float[Tensor, "rows tokens dim"]:
        """Hidden states of the text: one row of the negative prompt per prompt, then the prompts.

        All prompts have the same number of tokens, so no row depends on the others. The empty
        prompt has the unconditional embedding, unless there is a negative prompt.

        Raises:
            WeightsError: The model has no text encoder.
        """
        if self.text_encoder is None or self.tokenizer is None:
            raise WeightsError("expected a text encoder and a tokenizer, this model has none")
        # Encode each text once, so that equal texts have equal embeddings bit for bit.
        texts = dict.fromkeys([self.negative_prompt, *prompts])
        row_of = {text: row for row, text in enumerate(texts)}
        tokens = self.tokenizer(
            list(row_of),
            padding="max_length",
            truncation=True,
            max_length=self._longest_prompt(),
            return_tensors="pt",
        )
        # Stable Diffusion was trained without a padding mask: CLIP's attention is causal, so the
        # padding does not affect the words before it. Bidirectional encoders need the mask.
        is_clip = isinstance(self.text_encoder, CLIPTextModel | CLIPTextModelWithProjection)
        mask = None if is_clip else tokens["attention_mask"].to(self.text_encoder.device)
        ids = tokens["input_ids"].to(self.text_encoder.device)
        output = self.text_encoder(input_ids=ids, attention_mask=mask)
        rows = output.last_hidden_state.to(torch.promote_types(self.dtype, torch.float32))
        return rows[[0] * len(prompts) + [row_of[text] for text in prompts]].to(self.device)

    @needs_matching_parts
    def used_prompt(self, prompt: str) -> str:
        """The part of a prompt that the text encoder reads: it has a limited number of tokens."""
        if self.text_encoder is None or self.tokenizer is None:
            return prompt
        return start_of_prompt(self.tokenizer, prompt, self._longest_prompt())

    def _longest_prompt(self) -> int:
        """Maximum number of tokens. Tokenizers without a limit report a very large number."""
        assert self.tokenizer is not None
        assert self.text_encoder is not None
        longest = self.text_encoder.config.max_position_embeddings
        return min(self.prompt_tokens or longest, self.tokenizer.model_max_length, longest)

    @needs_matching_parts
    def predict(
        self,
        z: Float[Tensor, "batch channels frames rows columns"],
        level: NoiseLevel,
        y: Float[Tensor, "2*batch tokens dim"],
        guidance_scale: float,
    ) -> Prediction:
        """Clean estimate and noise after classifier-free guidance (Ho & Salimans 2022).

        The required rows of `y` pass through the UNet in one call.

        Raises:
            SettingsError: There are more frames than positions in the motion modules.
        """
        if self.max_frames is not None and z.shape[2] > self.max_frames:
            raise SettingsError(
                f"the motion modules take at most {self.max_frames} frames at once, got "
                f"{z.shape[2]}; use WindowedBackbone for longer clips"
            )
        rows = rows_for_guidance(y, guidance_scale)
        copies = len(rows) // len(z)
        noisy = z.to(self.dtype).repeat(copies, 1, 1, 1, 1)
        # All frames attend to the same tokens.
        text = rows.to(self.dtype).repeat_interleave(z.shape[2], dim=0)
        if self.is_still:
            images = noisy.transpose(1, 2).flatten(0, 1)
            output = self.unet(images, level.t, encoder_hidden_states=text).sample
            output = output.unflatten(0, (len(rows), -1)).transpose(1, 2)
        else:
            output = self.unet(noisy, level.t, encoder_hidden_states=text).sample
        output = after_guidance(output.to(z.dtype), len(z), guidance_scale)
        return prediction_from(self.prediction_kind, output, z, level)

    @needs_matching_parts
    def decode(
        self, z_0: Float[Tensor, "batch channels frames rows columns"]
    ) -> Float[Tensor, "batch frames 3 height width"]:
        """Decode clean latents to RGB frames in [0, 1].

        With gradients enabled the tiny decoder is used, if there is one, else the autoencoder.
        """
        if torch.is_grad_enabled() and self.tiny_decoder is not None:
            return self._decoded(self.tiny_decoder, z_0)
        return self._decoded(self.vae, z_0)

    @needs_matching_parts
    def preview(
        self, z_0: Float[Tensor, "batch channels frames rows columns"]
    ) -> Float[Tensor, "batch frames 3 height width"]:
        """Decode clean latents to RGB frames in [0, 1] with the cheapest decoder."""
        return self._decoded(self.tiny_decoder or self.vae, z_0)

    @needs_matching_parts
    def latents_from_frames(
        self, frames: Float[Tensor, "batch frames 3 height width"]
    ) -> Float[Tensor, "batch channels frames rows columns"]:
        """Encode RGB frames in [0, 1] to the mean of their latents."""
        images = (2 * frames - 1).flatten(0, 1).to(self.dtype)
        means = [
            self.vae.encode(chunk).latent_dist.mean for chunk in images.split(self.decode_chunk)
        ]
        latents = (torch.cat(means) * self.vae.config["scaling_factor"]).to(frames.dtype)
        return latents.unflatten(0, tuple(frames.shape[:2])).transpose(1, 2)

    def _decoded(self, decoder: AutoencoderKL | AutoencoderTiny, z_0: Tensor) -> Tensor:
        """Decode frames in chunks; with checkpointing each chunk is recomputed separately."""
        scaled = (z_0 / decoder.config["scaling_factor"]).to(self.dtype)
        images = []
        for chunk in scaled.transpose(1, 2).flatten(0, 1).split(self.decode_chunk):
            if self.checkpointing and torch.is_grad_enabled():
                images.append(recompute(_pixels_of, decoder, chunk, use_reentrant=False))
            else:
                images.append(_pixels_of(decoder, chunk))
        frames = (torch.cat(images).to(z_0.dtype) / 2 + 0.5).clamp(0, 1)
        return frames.unflatten(0, (len(z_0), -1))

    def _pixels(self, wanted: int | None) -> int:
        own = self.unet.config["sample_size"] or 0  # latent positions; None in some UNets
        size = own * self.downscale if wanted is None else wanted
        if size < 1 or size % self.downscale:
            raise SettingsError(
                f"expected height and width in multiples of {self.downscale} pixels for this "
                f"model, got {size}"
            )
        return size


def _pixels_of(decoder: AutoencoderKL | AutoencoderTiny, latents: Tensor) -> Tensor:
    return decoder.decode(latents).sample
