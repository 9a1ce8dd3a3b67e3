"""AudioLDM and other text-to-audio models in its format: latent diffusion of log mels.

Source: Liu et al. 2023, "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models",
arXiv:2301.12503. Checkpoints: `cvssp/audioldm-*`. The code uses the components of the diffusers
pipeline, because the pipeline itself samples under `no_grad` and does not return the denoiser's
predictions.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recompute
from transformers import AutoTokenizer, PreTrainedModel, SpeechT5HifiGan

from seehear.dsp.griffin_lim import refine_phase
from seehear.dsp.mel import HOP_SAMPLES, NUM_MELS, SAMPLE_RATE, log_mel_from_waveform
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
from seehear.models import spectral_vocoder
from seehear.models.frozen_layers import freeze
from seehear.models.hf_components import (
    prediction_kind,
    read_autoencoder,
    read_component,
    read_network,
    read_scheduler,
    scheduler_levels,
    start_of_prompt,
    text_class,
)
from seehear.models.spectral_vocoder import SpectralVocoder
from seehear.models.weights import Checkpoint, find_checkpoint, needs_matching_parts

STREAM: Stream = "audio"
PIPELINES = ("AudioLDMPipeline",)

# AudioLDM was trained on 10.24 s (arXiv:2301.12503, 5.1). The UNet's `sample_size` is only the
# default length of the pipeline.
TRAINING_DURATION_S = 10.24
MAX_POLISH_ROUNDS = 1000.0
MIN_RATE, MAX_RATE = 1000, 192_000
# Key of `_shared` in model_index.json. Libraries that do not know it use the HiFi-GAN.
SPECTRAL_VOCODER = "spectral_vocoder"


class AudioLDM:
    """A frozen text-to-audio model: latents (batch, channels, time, mel bands / downscale)."""

    stream: Stream = "audio"
    time_axis = 2

    def __init__(
        self,
        *,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        vocoder: SpeechT5HifiGan | SpectralVocoder,
        scheduler: DDIMScheduler,
        text_encoder: PreTrainedModel | None = None,
        tokenizer: Any = None,
        native_duration_s: float = TRAINING_DURATION_S,
        polish_rounds: int = 0,
        checkpointing: bool = False,
        checkpoint: Checkpoint | None = None,
    ):
        """Build the model from components; `load` reads them from a checkpoint.

        Args:
            unet: Denoiser that takes the pooled text embedding as `class_labels`.
            vae: Autoencoder of log-mel spectrograms (batch, 1, frames, bands).
            vocoder: Converts log mels (batch, frames, bands) to waveforms.
            scheduler: Source of the noise schedule and of the prediction type.
            text_encoder: Any text model; without one `embed_prompt` raises an error.
            tokenizer: Tokenizer of the text encoder.
            native_duration_s: The clip length that the model was trained on.
            polish_rounds: Rounds of phase retrieval that `decode` adds to the vocoder when
                gradients are disabled; for vocoders too small for good quality alone.
            checkpointing: Recompute activations of all networks in the backward pass: less than
                half the memory of guidance for about a fifth more time.
            checkpoint: Source of the components, for records.
        """
        self.unet, self.vae, self.vocoder = unet, vae, vocoder
        self.scheduler, self.text_encoder, self.tokenizer = scheduler, text_encoder, tokenizer
        self.native_duration_s, self.polish_rounds = native_duration_s, polish_rounds
        self.checkpoint, self.checkpointing = checkpoint, checkpointing
        for network in (unet, vae, vocoder, text_encoder):
            if network is not None:
                # New modules are in train mode, and weight gradients only cost memory.
                freeze(network)
        if checkpointing:
            self.unet.enable_gradient_checkpointing()
            self.vae.enable_gradient_checkpointing()
            # Block by block: recomputing the whole vocoder at once would not save memory.
            if isinstance(vocoder, SpeechT5HifiGan):
                for block in vocoder.resblocks:
                    block.forward = partial(recompute, block.forward, use_reentrant=False)
        self.prediction_kind = prediction_kind(scheduler)
        self.sample_rate = int(self.vocoder.config.sampling_rate)
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise WeightsError(
                f"expected a vocoder with a sampling_rate from {MIN_RATE} to {MAX_RATE} Hz, got "
                f"{self.sample_rate}"
            )
        self.hop_samples = math.prod(self.vocoder.config.upsample_rates)
        self.num_mels = int(self.vocoder.config.model_in_dim)
        self.downscale = 2 ** (len(self.vae.config["block_out_channels"]) - 1)
        self.latents_per_s = self.sample_rate / self.hop_samples / self.downscale

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the networks. Latents and waveforms are float32 or wider."""
        return self.unet.dtype

    @property
    def vocoder_dtype(self) -> torch.dtype:
        """Data type of the vocoder; a spectral one is never in bfloat16."""
        return next(self.vocoder.parameters()).dtype

    @needs_matching_parts
    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """`num_steps + 1` noise levels of the checkpoint's schedule and timestep spacing."""
        return scheduler_levels(self.scheduler, num_steps)

    @needs_matching_parts
    def prior(
        self, duration_s: float, batch: int, generator: torch.Generator
    ) -> Float[Tensor, "batch channels time bands"]:
        """Draw standard normal latents for at least `duration_s` seconds.

        The latents are drawn on the generator's device, so a seed gives the same audio on any
        device.
        """
        positions = positions_for(duration_s, self.latents_per_s)
        shape = (batch, self.unet.config["in_channels"], positions, self.num_mels // self.downscale)
        wide = torch.promote_types(self.dtype, torch.float32)
        draw = torch.randn(shape, generator=generator, device=generator.device, dtype=wide)
        return draw.to(self.device)

    @needs_matching_parts
    @torch.no_grad()
    def embed_prompt(self, prompts: Sequence[str]) -> Float[Tensor, "rows dim"]:
        """Unit text embeddings: one row of the empty prompt per prompt, then the prompts' rows.

        Raises:
            WeightsError: The model has no text encoder.
        """
        if self.text_encoder is None or self.tokenizer is None:
            raise WeightsError("expected a text encoder and a tokenizer, this model has none")
        # Encode each text once, so that an empty prompt equals the unconditional row bit for bit.
        row_of = {text: row for row, text in enumerate(dict.fromkeys(["", *prompts]))}
        tokens = self.tokenizer(
            list(row_of),
            padding=True,
            truncation=True,
            max_length=_longest_prompt(self.tokenizer, self.text_encoder),
            return_tensors="pt",
        )
        mask = tokens["attention_mask"].to(self.text_encoder.device)
        ids = tokens["input_ids"].to(self.text_encoder.device)
        output = self.text_encoder(input_ids=ids, attention_mask=mask)
        pooled = _pool(output, mask).to(torch.promote_types(self.dtype, torch.float32))
        rows = functional.normalize(pooled, dim=-1)
        return rows[[0] * len(prompts) + [row_of[text] for text in prompts]].to(self.device)

    @needs_matching_parts
    def used_prompt(self, prompt: str) -> str:
        """The part of a prompt that the text encoder reads: it has a limited number of tokens."""
        if self.text_encoder is None or self.tokenizer is None:
            return prompt
        longest = _longest_prompt(self.tokenizer, self.text_encoder)
        return start_of_prompt(self.tokenizer, prompt, longest)

    @needs_matching_parts
    def predict(
        self,
        z: Float[Tensor, "batch channels time bands"],
        level: NoiseLevel,
        y: Float[Tensor, "2*batch dim"],
        guidance_scale: float,
    ) -> Prediction:
        """Clean estimate and noise after classifier-free guidance (Ho & Salimans 2022).

        The required rows of `y` pass through the UNet in one call.
        """
        rows = rows_for_guidance(y, guidance_scale)
        copies = len(rows) // len(z)
        output = self.unet(
            z.to(self.dtype).repeat(copies, 1, 1, 1),
            level.t,
            encoder_hidden_states=None,  # the text is conditioned through the class labels only
            class_labels=rows.to(self.dtype),
        ).sample.to(z.dtype)
        output = after_guidance(output, len(z), guidance_scale)
        return prediction_from(self.prediction_kind, output, z, level)

    @needs_matching_parts
    def decode(self, z_0: Float[Tensor, "batch channels time bands"]) -> Float[Tensor, "batch n"]:
        """Decode clean latents to a waveform, a few samples longer than the latents' duration.

        With gradients disabled, `polish_rounds` of phase retrieval refine the vocoder's output.
        """
        mel = self.mel_from_latents(z_0)
        waveform = self.waveform_from_mel(mel)
        return (
            waveform if torch.is_grad_enabled() else refine_phase(waveform, mel, self.polish_rounds)
        )

    @needs_matching_parts
    def mel_from_latents(
        self, z_0: Float[Tensor, "batch channels time bands"]
    ) -> Float[Tensor, "batch frames mels"]:
        """Decode clean latents to natural-log mels, `downscale` frames per latent position."""
        scaled = (z_0 / self.vae.config["scaling_factor"]).to(self.dtype)
        return self.vae.decode(scaled).sample.squeeze(1).to(z_0.dtype)

    @needs_matching_parts
    def waveform_from_mel(
        self, mel: Float[Tensor, "batch frames mels"]
    ) -> Float[Tensor, "batch samples"]:
        """Convert a natural-log mel spectrogram to a mono waveform in [-1, 1] of the same dtype.

        A vocoder with odd padding adds a few samples: AudioLDM's returns 160 * frames + 32.
        """
        return self.vocoder(mel.to(self.vocoder_dtype)).to(mel.dtype)

    @needs_matching_parts
    def latents_from_mel(
        self, mel: Float[Tensor, "batch frames mels"]
    ) -> Float[Tensor, "batch channels time bands"]:
        """Encode a natural-log mel spectrogram to the mean of its latents.

        The last frame is repeated to reach a multiple of `downscale` frames.
        """
        missing = -mel.shape[1] % self.downscale
        padded = torch.cat([mel, mel[:, -1:].expand(-1, missing, -1)], dim=1)
        posterior = self.vae.encode(padded[:, None].to(self.dtype)).latent_dist
        return (posterior.mean * self.vae.config["scaling_factor"]).to(mel.dtype)

    def latents_from_waveform(
        self, waveform: Float[Tensor, "batch samples"]
    ) -> Float[Tensor, "batch channels time bands"]:
        """Encode a mono waveform at `sample_rate` to the mean of its latents.

        Raises:
            SettingsError: The model was not trained on AudioLDM's log mels.
        """
        front_end = (self.sample_rate, self.hop_samples, self.num_mels)
        if front_end != (SAMPLE_RATE, HOP_SAMPLES, NUM_MELS):
            raise SettingsError(
                f"expected an audio model of {NUM_MELS} mel bands at {SAMPLE_RATE} Hz to encode a "
                f"recording, got {self.num_mels} bands at {self.sample_rate} Hz; drop like_strength"
            )
        return self.latents_from_mel(log_mel_from_waveform(waveform))


def load(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    lean: bool = False,
    local_files_only: bool = False,
) -> AudioLDM:
    """Load a model in AudioLDM's format from a folder or by its hub name.

    Args:
        source: A folder with model_index.json, or a name such as "cvssp/audioldm-m-full".
        device: Device of the networks.
        dtype: Data type of the networks: float32, bfloat16, or float64 for tests.
        checkpointing: Trade time for memory in the backward pass.
        lean: Keep the text encoder, which runs once, on the CPU.
        local_files_only: Never use the network.

    Raises:
        WeightsError: The checkpoint or a component is missing or has another format.
    """
    found = find_checkpoint(source, local_files_only=local_files_only)
    # low_cpu_mem_usage needs the package accelerate and logs a long warning without it.
    for_diffusers: dict[str, Any] = {"torch_dtype": dtype, "low_cpu_mem_usage": False}
    return AudioLDM(
        unet=read_network(UNet2DConditionModel, found.component("unet"), **for_diffusers).to(
            device
        ),
        vae=read_autoencoder(AutoencoderKL, found.component("vae"), **for_diffusers).to(device),
        vocoder=_vocoder(found, dtype, device),
        text_encoder=read_network(
            text_class(found), found.component("text_encoder"), optional=("pooler.",), dtype=dtype
        ).to("cpu" if lean else device),
        tokenizer=read_component(AutoTokenizer, found.component("tokenizer")),
        scheduler=read_scheduler(found.component("scheduler")),
        native_duration_s=_number(found, "_native_duration_s", TRAINING_DURATION_S, 0.1, 600.0),
        polish_rounds=int(_number(found, "_polish_rounds", 0.0, 0.0, MAX_POLISH_ROUNDS)),
        checkpointing=checkpointing,
        checkpoint=found,
    )


def _number(found: Checkpoint, key: str, default: float, least: float, most: float) -> float:
    """A number of model_index.json.

    Raises:
        WeightsError: It is no number, or out of range.
    """
    value = found.index.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise WeightsError(
            f"{found.source}: expected {key} in model_index.json from {least:g} to {most:g}, got "
            f"{value!r:.60}"
        )
    return float(value)


def _vocoder(
    found: Checkpoint, dtype: torch.dtype, device: str | torch.device
) -> SpeechT5HifiGan | SpectralVocoder:
    """The spectral vocoder of a checkpoint that has one, else its HiFi-GAN."""
    if SPECTRAL_VOCODER in found.shared():
        folder = found.component(SPECTRAL_VOCODER)
        return spectral_vocoder.load(folder, dtype=dtype).to(device)
    return read_network(SpeechT5HifiGan, found.component("vocoder"), dtype=dtype).to(device)


def _longest_prompt(tokenizer: Any, text_encoder: PreTrainedModel) -> int:
    """Maximum number of tokens. Tokenizers without a limit report a very large number."""
    # RoBERTa-like models count positions from the padding index + 1, hence 514 for 512 tokens.
    config = text_encoder.config
    positions = config.max_position_embeddings - 2
    return min(tokenizer.model_max_length, positions)


def _pool(output: Any, mask: Tensor) -> Float[Tensor, "rows dim"]:
    """The encoder's pooled embedding if it has one, else the mean over attended tokens."""
    if getattr(output, "text_embeds", None) is not None:
        return output.text_embeds
    attended = mask[..., None].to(output.last_hidden_state)
    return (output.last_hidden_state * attended).sum(1) / attended.sum(1).clamp(min=1)
