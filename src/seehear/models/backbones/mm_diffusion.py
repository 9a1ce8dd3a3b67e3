"""MM-Diffusion: an unconditional model that denoises a video and its audio together.

Source: Ruan et al. 2023, "MM-Diffusion: Learning Multi-Modal Diffusion Models for Joint Audio and
Video Generation", arXiv:2212.09478. Checkpoints: the authors' `.pt` files. There is no autoencoder
and no text encoder: latents are pixels and samples in [-1, 1].
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.diffusion import NoiseLevel, Prediction, prediction_from
from seehear.guidance.solvers import (
    Ddim,
    Ddpm,
    SingleStepDpmSolver,
    Solver,
    dpm_solver_levels,
)
from seehear.guidance.streams import Stream
from seehear.models.cache import read_json
from seehear.models.coupled_unet import CoupledUNet, CoupledUNetConfig
from seehear.models.frozen_layers import freeze
from seehear.models.image_upsampler import (
    ImageUpsampler,
    ImageUpsamplerConfig,
    clipped_prediction,
    upsampled_frames,
)
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

STREAMS: tuple[Stream, ...] = ("video", "audio")
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
SAMPLE_RATE, FPS = 16_000, 10.0  # of the released models, from their flags
TRAIN_STEPS, FIRST_BETA, LAST_BETA = 1000, 1e-4, 0.02  # linear, from the released flags
UPSAMPLER_STEPS = 25  # DDIM, in the released script
MAX_RATE = 192_000
Sampler = Literal["ddim", "ddpm", "dpm-solver"]
_ONE_SEED_PER_LEVEL = 1_000_003


@dataclass(frozen=True, kw_only=True)
class MMDiffusionConfig:
    """Sizes of the network, the rates of its media, and how it samples."""

    network: CoupledUNetConfig = field(default_factory=CoupledUNetConfig)
    sample_rate: int = SAMPLE_RATE
    fps: float = FPS
    # The paper's best row has 1000 DDPM steps, the released script DPM-Solver with 20. Guidance
    # needs steps that depend on the current latents alone, and a clean estimate in range: DDIM.
    sampler: Sampler = "ddim"
    shift_seed: int = 0  # of the attention's random shifts

    def __post_init__(self):
        is_int = all(type(n) is int for n in (self.sample_rate, self.shift_seed))
        is_number = type(self.fps) in (int, float)
        if not (is_int and is_number and 0 < self.fps <= MAX_RATE and self.shift_seed >= 0):
            raise SettingsError(
                f"expected whole numbers for sample_rate and shift_seed and fps from 0 to "
                f"{MAX_RATE}, got {self.sample_rate!r:.30}, {self.shift_seed!r:.30} and "
                f"{self.fps!r:.30}"
            )
        if not 1000 <= self.sample_rate <= MAX_RATE:
            raise SettingsError(
                f"expected a sample_rate from 1000 to {MAX_RATE} Hz, got {self.sample_rate}"
            )
        if self.sampler not in get_args(Sampler):
            raise SettingsError(
                f"expected a sampler of {', '.join(get_args(Sampler))}, got {self.sampler!r:.60}"
            )


class MMDiffusion:
    """The frozen model: video (batch, frames, 3, height, width), audio (batch, 1, samples)."""

    streams = STREAMS

    def __init__(
        self,
        network: CoupledUNet,
        config: MMDiffusionConfig,
        *,
        upsampler: ImageUpsampler | None = None,
        path: Path | None = None,
    ):
        """Wrap a network; `load` reads one.

        Args:
            network: The coupled U-Net; it is frozen.
            config: Rates of the media, and the sampler.
            upsampler: The model of the second stage, which enlarges frames fourfold.
            path: The weight file, for records.
        """
        self.network, self.config, self.upsampler, self.path = network, config, upsampler, path
        for part in (network, upsampler):
            if part is not None:
                freeze(part)
        self.alphas_cumprod = linear_alphas_cumprod()
        self.shifts_at: Callable[[NoiseLevel], Sequence[int]] = self._drawn_shifts

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the network. Latents and media are float32 or wider."""
        return next(self.network.parameters()).dtype

    def stream(self, stream: Stream) -> "MMDiffusionStream":
        """One stream, for a loop that generates both."""
        return MMDiffusionStream(self, stream)

    def conditioned_on(
        self, stream: Stream, latents: Tensor, generator: torch.Generator
    ) -> "ConditionedStream":
        """The other stream than `stream`, conditioned on clean latents of `stream`."""
        return ConditionedStream(self, stream, latents, generator)

    def predict(
        self,
        z: Mapping[Stream, Tensor],
        level: NoiseLevel,
        y: Mapping[Stream, Tensor],
        guidance_scale: Mapping[Stream, float],
    ) -> dict[Stream, Prediction]:
        """Clean estimate and noise of both streams; the model has no prompt.

        The attention's shifts depend on the noise level and `shift_seed` only, so all predictions
        of a step are one function of the latents. The released code draws others in every call,
        even between the forward and the backward pass.
        """
        t = torch.full((len(z["video"]),), level.t, dtype=torch.float64, device=self.device)
        noises = self.network(
            z["video"].to(self.dtype), z["audio"].to(self.dtype), t, self.shifts_at(level)
        )
        return {
            s: self._prediction(z[s], eps.to(z[s].dtype), level)
            for s, eps in zip(STREAMS, noises, strict=True)
        }

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """`num_steps + 1` noise levels of the sampler, in float64.

        DDIM keeps every 1000 / num_steps-th timestep from 0 on, DDPM evenly spaced ones from 0 to
        999, DPM-Solver levels that are evenly spaced in the log of the signal-to-noise ratio.

        Raises:
            SettingsError: More steps than the schedule has.
        """
        if not 1 <= num_steps <= TRAIN_STEPS:
            raise SettingsError(
                f"expected 1 to {TRAIN_STEPS} steps, the length of the model's noise schedule, got "
                f"{num_steps}"
            )
        if self.config.sampler == "dpm-solver":
            return dpm_solver_levels(self.alphas_cumprod, num_steps)
        timesteps = kept_timesteps(num_steps, self.config.sampler)
        return levels_at(self.alphas_cumprod, timesteps)

    def solver(self, num_steps: int, generator: torch.Generator) -> Solver:
        """The solver of one stream for one run."""
        if self.config.sampler == "dpm-solver":
            return SingleStepDpmSolver(num_steps)
        return Ddpm(generator) if self.config.sampler == "ddpm" else Ddim()

    @torch.no_grad()
    def enlarged(
        self, z_0: Float[Tensor, "batch frames 3 height width"], generator: torch.Generator
    ) -> Float[Tensor, "batch frames 3 large_height large_width"]:
        """Frames in [0, 1], four times as high and wide, by the second stage.

        Args:
            z_0: Clean latents of the video.
            generator: Draws the initial noise, one for all frames of a clip.

        Raises:
            WeightsError: The model was loaded without a second stage.
        """
        if self.upsampler is None:
            raise WeightsError(
                "expected a model with a second stage for larger frames, this one has none; pass "
                "its weights as `upsampler`"
            )
        levels = levels_at(self.alphas_cumprod, kept_timesteps(UPSAMPLER_STEPS, "ddim"))
        clips = [upsampled_frames(self.upsampler, clip, levels, generator) for clip in z_0]
        return (torch.stack(clips) / 2 + 0.5).clamp(0, 1)

    def _prediction(self, z: Tensor, eps: Tensor, level: NoiseLevel) -> Prediction:
        # The released DPM-Solver does not clamp, DDIM and DDPM do.
        if self.config.sampler == "dpm-solver":
            return prediction_from("eps", eps, z, level)
        return clipped_prediction(z, eps, level)

    def _drawn_shifts(self, level: NoiseLevel) -> tuple[int, ...]:
        seed = self.config.shift_seed * _ONE_SEED_PER_LEVEL + int(level.t)
        return self.network.draw_shifts(torch.Generator().manual_seed(seed % 2**63))


class MMDiffusionStream:
    """One stream of the model, a `Backbone` whose prediction needs the other stream as well."""

    def __init__(self, joint: MMDiffusion, stream: Stream):
        self.joint, self.stream = joint, stream
        self.checkpoint_path = joint.path
        network, config = joint.network.config, joint.config
        is_audio = stream == "audio"
        self.time_axis = 2 if is_audio else 1
        self.latents_per_s = float(config.sample_rate) if is_audio else config.fps
        self.sample_rate: float = config.sample_rate if is_audio else config.fps
        self.native_duration_s = network.frames / config.fps
        self.shape = (
            (network.audio_channels, network.samples)
            if is_audio
            else (network.frames, network.video_channels, network.height, network.width)
        )

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """As `MMDiffusion.levels`."""
        return self.joint.levels(num_steps)

    def solver(self, num_steps: int, generator: torch.Generator) -> Solver:
        """As `MMDiffusion.solver`."""
        return self.joint.solver(num_steps, generator)

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """Draw standard normal latents of the model's own length.

        Raises:
            SettingsError: The duration is longer than the model's clips.
        """
        check_duration(duration_s, self.native_duration_s)
        wide = torch.promote_types(self.joint.dtype, torch.float32)
        shape = (batch, *self.shape)
        draw = torch.randn(shape, generator=generator, device=generator.device, dtype=wide)
        return draw.to(self.joint.device)

    def embed_prompt(self, prompts: Sequence[str]) -> Float[Tensor, "rows 0"]:
        """Empty rows: the model has no prompt. Guidance compares its output with one."""
        wide = torch.promote_types(self.joint.dtype, torch.float32)
        return torch.zeros(2 * len(prompts), 0, dtype=wide, device=self.joint.device)

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Refused: `joint` predicts both streams.

        Raises:
            SettingsError: Always.
        """
        raise SettingsError(
            f"expected the video and the audio of a joint model, got {self.stream} alone; predict "
            "both with `joint.predict`, or give the other stream with `joint.conditioned_on`"
        )

    def decode(self, z_0: Tensor) -> Tensor:
        """Waveforms (batch, samples) in about [-1, 1], or RGB frames in [0, 1].

        Frames are clamped, and the gradient of the clamp is that of the identity, as in
        `clipped_prediction`.
        """
        if self.stream == "audio":
            return z_0[:, 0]
        frames = z_0 / 2 + 0.5
        return frames + (frames.clamp(0, 1) - frames).detach()

    def encode(self, media: Tensor) -> Tensor:
        """Clean latents of waveforms (batch, samples) or of frames in [0, 1]; inverts `decode`."""
        return media[:, None] if self.stream == "audio" else 2 * media - 1


class ConditionedStream:
    """A stream generated for the other one by replacement; a `Backbone` on its own.

    At every noise level, noise of that level is added to the clean latents of the conditioning
    stream, and the model reads the sum. The noise is drawn once.

    Source: Ruan et al. 2023, arXiv:2212.09478, section 3.4 (zero-shot transfer), with the noise
    held over the steps as in the released script.
    """

    def __init__(
        self, joint: MMDiffusion, condition: Stream, latents: Tensor, generator: torch.Generator
    ):
        """Make the stream that is generated.

        Args:
            joint: The model of both streams.
            condition: The stream that is known.
            latents: Its clean latents, of the model's size, for one clip.
            generator: Draws its noise, once.

        Raises:
            SettingsError: The latents have another size.
        """
        self.partner = joint.stream(condition)
        if tuple(latents.shape[1:]) != self.partner.shape or len(latents) != 1:
            raise SettingsError(
                f"expected {condition} latents of size {(1, *self.partner.shape)}, got "
                f"{tuple(latents.shape)}; cut and resize the {condition} to the model's format"
            )
        self.own = joint.stream("audio" if condition == "video" else "video")
        self.model, self.condition, self.latents = joint, condition, latents
        self.noise = self.partner.prior(0.0, 1, generator)
        self.stream: Stream = self.own.stream
        self.native_duration_s = self.own.native_duration_s
        self.latents_per_s, self.time_axis = self.own.latents_per_s, self.own.time_axis
        self.sample_rate, self.checkpoint_path = self.own.sample_rate, self.own.checkpoint_path
        self.levels, self.solver = self.own.levels, self.own.solver
        self.prior, self.decode = self.own.prior, self.own.decode
        self.embed_prompt = self.own.embed_prompt

    def with_noise(self, generator: torch.Generator) -> "ConditionedStream":
        """A copy with other noise in the conditioning stream."""
        return ConditionedStream(self.model, self.condition, self.latents, generator)

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Clean estimate and noise, with the conditioning stream at the same noise level."""
        known = level.alpha * self.latents + level.sigma * self.noise
        both = {self.stream: z, self.condition: known.to(z).expand(len(z), *known.shape[1:])}
        rows, scales = dict.fromkeys(both, y), dict.fromkeys(both, guidance_scale)
        return self.model.predict(both, level, rows, scales)[self.stream]


def check_duration(duration_s: float, longest_s: float) -> None:
    """Raise SettingsError if a clip is longer than a joint model's."""
    if duration_s > longest_s + 1e-6:
        raise SettingsError(
            f"expected a duration of at most {longest_s:g} s, the length of the joint model's "
            f"clips, got {duration_s:g} s; ask for a shorter clip"
        )


def linear_alphas_cumprod() -> Float[Tensor, " train_steps"]:
    """alpha-bar of the linear schedule in float64: 0.9999 at timestep 0, 4.036e-5 at 999."""
    betas = torch.linspace(FIRST_BETA, LAST_BETA, TRAIN_STEPS, dtype=torch.float64)
    return (1 - betas).cumprod(0)


def kept_timesteps(num_steps: int, sampler: Sampler) -> list[int]:
    """Timesteps of DDIM or DDPM, in decreasing order, by the rules of guided-diffusion.

    DDIM keeps timesteps in equal distances from 0 on, so it starts below 999. Its rule is defined
    for divisors of 1000; for other counts the distances are rounded down one by one.
    """
    if sampler == "ddim":
        kept = [k * TRAIN_STEPS // num_steps for k in range(num_steps)]
    else:
        stride = (TRAIN_STEPS - 1) / max(1, num_steps - 1)
        kept = [round(k * stride) for k in range(num_steps)]  # half to even
    return kept[::-1]


def levels_at(
    alphas_cumprod: Float[Tensor, " train_steps"], timesteps: Sequence[int]
) -> tuple[NoiseLevel, ...]:
    """Levels of the timesteps, with scalars in float64, and a last one without noise."""
    alpha_bars = [float(alphas_cumprod[t]) for t in timesteps] + [1.0]
    return tuple(
        NoiseLevel(t=float(t), alpha=math.sqrt(a), sigma=math.sqrt(1 - a))
        for t, a in zip([*timesteps, 0], alpha_bars, strict=True)
    )


def load(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    lean: bool = False,
    sampler: Sampler | None = None,
    shift_seed: int = 0,
    upsampler: str | Path | None = None,
) -> MMDiffusion:
    """Load a released weight file, or a folder with config.json and model.safetensors.

    Args:
        source: A file such as the authors' Landscape.pt, which has the published sizes, or a
            folder that `save` wrote.
        device: Device of the networks.
        dtype: Data type of the networks: float32, bfloat16, or float64 for tests.
        checkpointing: Trade time for memory in the backward pass.
        lean: No effect: there is no text encoder to offload.
        sampler: "ddim", "ddpm" or "dpm-solver"; None is that of config.json, else "ddim".
        shift_seed: Seed of the attention's random shifts.
        upsampler: Weight file of the second stage; None loads none.

    Raises:
        SettingsError: There is no such sampler.
        WeightsError: A file is missing, or its tensors have other names or shapes.
    """
    path = Path(source)
    config = read_config(path) if path.is_dir() else MMDiffusionConfig()
    config = replace(config, sampler=sampler or config.sampler, shift_seed=shift_seed)
    file = path / WEIGHTS_FILE if path.is_dir() else path
    network = load_strict(
        partial(CoupledUNet, config.network, checkpointing=checkpointing),
        read_state_dict(file),
        file,
        published="MM-Diffusion" if file == path else f"the network that {CONFIG_FILE} describes",
        dtype=dtype,
    )
    return MMDiffusion(
        network.to(device),
        config,
        upsampler=None if upsampler is None else load_upsampler(upsampler, device, dtype),
        path=path,
    )


def load_upsampler(
    source: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> ImageUpsampler:
    """Load a released weight file of the second stage, such as Landscape_SR.pt.

    Raises:
        WeightsError: The file is missing, or its tensors have other names or shapes.
    """
    return load_strict(
        partial(ImageUpsampler, ImageUpsamplerConfig()),
        read_state_dict(Path(source)),
        Path(source),
        published="MM-Diffusion's second stage",
        dtype=dtype,
    ).to(device)


def save(network: CoupledUNet, config: MMDiffusionConfig, folder: Path) -> None:
    """Write config.json and model.safetensors, in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(asdict(config), indent=2) + "\n")
    state = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE, {"format": "pt"})


def read_config(folder: Path) -> MMDiffusionConfig:
    """Read the config.json that `save` wrote.

    Raises:
        WeightsError: It is missing, or its values do not describe a network.
    """
    record = read_json(folder / CONFIG_FILE)
    sizes = record.get("network")
    try:
        if not isinstance(sizes, dict):
            raise TypeError("network is not a mapping")
        lists: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in sizes.items()
        }
        return MMDiffusionConfig(**{**record, "network": CoupledUNetConfig(**lists)})
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{folder / CONFIG_FILE}: expected the sizes of a coupled U-Net and the rates of its "
            f"media, could not use them ({error}); copy or download the folder again"
        ) from error
