"""A vocoder that predicts short-time spectra at the frame rate: log mel to waveform.

All layers work at 100 frames per second, where a HiFi-GAN works at up to 16 000 samples per second.
The architecture follows Vocos (Siuzdak 2023, arXiv:2306.00814): ConvNeXt blocks and an inverse
short-time Fourier transform. Two additions shorten the training of a small network: magnitudes are
corrections of those that the mel implies, and predicted tones are mixed with the spectrum of white
noise.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.mel import HOP_SAMPLES, NUM_MELS, SAMPLE_RATE, slaney_mel_from_hz
from seehear.models.network_folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    NetworkSizes,
    read_sizes,
    save_network,
)
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

MAX_BLOCKS = 100  # in config.json
NOISE_SEED = 0
MEL_TO_MAGNITUDE = 2.5  # log magnitude of white noise in a window of 640 samples, less its log mel
MAX_LOG_MAGNITUDE = 7.0  # the magnitude of a full-scale tone is 5.1 with a window of 640 samples


@dataclass(frozen=True, kw_only=True)
class SpectralVocoderConfig(NetworkSizes):
    """Sizes of the network. Shared settings have the names of SpeechT5HifiGanConfig."""

    model_in_dim: int = NUM_MELS
    sampling_rate: int = SAMPLE_RATE
    hop_samples: int = HOP_SAMPLES
    window_samples: int = 640
    width: int = 256
    num_blocks: int = 8
    expansion: int = 3

    @property
    def upsample_rates(self) -> tuple[int, ...]:
        """Samples per frame, as the only stage of upsampling."""
        return (self.hop_samples,)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then two linear layers per frame, with a residual.

    Source: Liu et al. 2022, arXiv:2201.03545, in one dimension.
    """

    def __init__(self, width: int, expansion: int):
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, expansion * width)
        self.reduce = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(
        self, x: Float[Tensor, "batch frames width"]
    ) -> Float[Tensor, "batch frames width"]:
        """Add the block's output to `x`."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        y = self.reduce(functional.gelu(self.expand(self.norm(y))))
        return x + self.scale * y


class SpectralVocoder(nn.Module):
    """Log mels [batch, frames, mels] to waveforms [batch, 160 * frames]."""

    window: Tensor
    envelope: Tensor

    def __init__(self, config: SpectralVocoderConfig):
        super().__init__()
        self.config = config
        bins = config.window_samples // 2 + 1
        self.mel_in = nn.Conv1d(config.model_in_dim, config.width, 7, padding=3)
        self.noise_in = nn.Linear(2 * bins, config.width)
        self.norm_in = nn.LayerNorm(config.width, eps=1e-6)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.width, config.expansion) for _ in range(config.num_blocks)
        )
        self.norm_out = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, 4 * bins)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        nn.init.constant_(self.head.bias[:bins], MEL_TO_MAGNITUDE)
        with torch.device("cpu"):  # `load` builds the network on the meta device to check shapes
            window = torch.hann_window(config.window_samples)
            self.register_buffer("window", window, persistent=False)
            self.register_buffer("envelope", envelope_matrix(config), persistent=False)

    def forward(
        self,
        mel: Float[Tensor, "batch frames mels"],
        noise: Float[Tensor, "batch samples"] | None = None,
    ) -> Float[Tensor, "batch samples"]:
        """Synthesise waveforms in [-1, 1], mono at 16 kHz.

        Args:
            mel: Natural-log mel magnitudes from `seehear.dsp.mel.log_mel_from_waveform`.
            noise: Standard normal samples, 160 per frame. None: the same noise in every call.
        """
        if noise is None:
            noise = self._fixed_noise(mel)
        noise_spectrum = functional.normalize(self._spectrum(noise), dim=-1)
        x = self.mel_in((mel.transpose(1, 2) + 6.0) / 2.5) + self.noise_in(
            noise_spectrum.flatten(2)
        ).transpose(1, 2)
        x = self.norm_in(x.transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        correction, real, imaginary, noisiness = self.head(self.norm_out(x)).chunk(4, dim=-1)
        magnitude = (mel @ self.envelope + correction).clamp(max=MAX_LOG_MAGNITUDE).exp()
        tones = torch.stack([real, imaginary], dim=-1)
        mixed = tones + torch.sigmoid(noisiness + 2.0)[..., None] * noise_spectrum
        return self._waveform(magnitude[..., None] * mixed)

    def _fixed_noise(self, mel: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(NOISE_SEED)
        row = torch.randn(mel.shape[1] * self.config.hop_samples, generator=generator)
        return row.to(mel).expand(len(mel), -1)

    def _spectrum(self, waveform: Tensor) -> Float[Tensor, "batch frames bins 2"]:
        """Short-time spectra with one frame per hop, centred in the middle of the hop."""
        size, hop = self.config.window_samples, self.config.hop_samples
        padded = functional.pad(waveform, ((size - hop) // 2, (size - hop) // 2))
        frames = padded.unfold(1, size, hop) * self.window
        return torch.view_as_real(torch.fft.rfft(frames))

    def _waveform(
        self, spectrum: Float[Tensor, "batch frames bins 2"]
    ) -> Float[Tensor, "batch samples"]:
        """Overlap-add of the windowed inverse transforms, divided by the sum of squared windows."""
        size, hop = self.config.window_samples, self.config.hop_samples
        frames = torch.fft.irfft(torch.view_as_complex(spectrum), n=size) * self.window
        weights = self.window.square().expand(1, frames.shape[1], -1)
        pad = (size - hop) // 2
        total, weight = (
            functional.fold(
                part.transpose(1, 2),
                (1, (frames.shape[1] - 1) * hop + size),
                (1, size),
                stride=(1, hop),
            )[:, 0, 0, pad:-pad]
            for part in (frames, weights)
        )
        return (total / weight).clamp(-1, 1)


def envelope_matrix(config: SpectralVocoderConfig) -> Float[Tensor, "mels bins"]:
    """Linear interpolation of log mels at the bins' frequencies, one column per bin.

    Mel filters have unit area in Hz, so log mels and log magnitudes differ by a constant, with
    which the bias of the head begins.
    """
    num_bins, top_hz = config.window_samples // 2 + 1, config.sampling_rate / 2
    mels = [slaney_mel_from_hz(k / (num_bins - 1) * top_hz) for k in range(num_bins)]
    place = torch.tensor(mels) / slaney_mel_from_hz(top_hz) * (config.model_in_dim + 1) - 1
    place = place.clamp(0, config.model_in_dim - 1)
    distance = (place[None] - torch.arange(config.model_in_dim)[:, None]).abs()
    return (1 - distance).clamp(min=0)


def save(vocoder: SpectralVocoder, folder: Path) -> None:
    """Write config.json and model.safetensors, in float16."""
    save_network(vocoder, vocoder.config, folder)


def load(folder: Path, *, dtype: torch.dtype = torch.float32) -> SpectralVocoder:
    """Read a vocoder that `save` wrote. It computes in float32 or wider.

    Raises:
        WeightsError: A file is missing or damaged, or config.json describes other weights.
    """
    condition = f"at most {MAX_BLOCKS} blocks, and an even window that is not shorter than the hop"
    config = read_sizes(folder, SpectralVocoderConfig, _is_consistent, condition)
    state = read_state_dict(folder / WEIGHTS_FILE)
    return load_strict(
        partial(SpectralVocoder, config),
        state,
        folder / WEIGHTS_FILE,
        published=f"the vocoder that {CONFIG_FILE} describes",
        dtype=torch.promote_types(dtype, torch.float32),
    )


def _is_consistent(config: SpectralVocoderConfig) -> bool:
    fits = config.window_samples >= config.hop_samples and config.window_samples % 2 == 0
    return fits and config.num_blocks <= MAX_BLOCKS
