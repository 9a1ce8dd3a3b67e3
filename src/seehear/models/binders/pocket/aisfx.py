"""The audio tower: aiSFX, a CNN trained on sound-effect libraries, and its log-mel input."""

from functools import lru_cache
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE = 16_000  # our input; the tower was trained at 44100
TOWER_SAMPLE_RATE = 44_100
TOWER_WINDOW = 2048
TOWER_HOP = 1024
WINDOW = round(TOWER_WINDOW * SAMPLE_RATE / TOWER_SAMPLE_RATE)  # 743 samples, the same duration
HOP = TOWER_HOP * SAMPLE_RATE / TOWER_SAMPLE_RATE  # 371.519 samples; starts are rounded
NUM_MELS = 96
BLOCK_FRAMES = 100  # 2.3 s
UNCOVERED_FRAMES = 25  # up to this many remaining frames do not add a block
NUM_FEATURES = 512
LOG_GAIN = 10_000.0
LOG_MAX = 9.457798957824707  # the largest value in the tower's training data
SMALLEST_PEAK = 1e-3  # -60 dBFS; quieter audio is not amplified to full scale


def htk_mel(hz: float) -> float:
    """HTK mels of a frequency in Hz."""
    return 2595.0 * float(torch.log10(torch.tensor(1 + hz / 700.0, dtype=torch.float64)))


@lru_cache(maxsize=4)
def mel_filters(num_bins: int, bin_hz: float) -> Float[Tensor, "96 bins"]:
    """Triangular filters on the HTK mel scale, 0 to 22050 Hz; rows of a full spectrum sum to 1.

    Args:
        num_bins: Number of bins in the spectrum; bands above the last bin are 0.
        bin_hz: Spacing of the bins in Hz.
    """
    full = 1 + round(TOWER_SAMPLE_RATE / 2 / bin_hz)
    bins_hz = torch.arange(max(num_bins, full), dtype=torch.float64) * bin_hz
    bins = 2595.0 * torch.log10(1 + bins_hz / 700.0)
    edges = torch.linspace(0, htk_mel(TOWER_SAMPLE_RATE / 2), NUM_MELS + 2, dtype=torch.float64)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles / triangles.sum(1, keepdim=True))[:, :num_bins].float()


def peak_normalised(waveform: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch samples"]:
    """Waveforms scaled to a peak of 1, with a gain of at most 1000."""
    return waveform / waveform.abs().amax(1, keepdim=True).clamp(min=SMALLEST_PEAK)


def sfx_mel_from_waveform(
    waveform: Float[Tensor, "batch samples"],
) -> Float[Tensor, "batch frames 96"]:
    """The tower's log-mel spectrum, computed at 16 kHz instead of 44.1 kHz.

    There are about 43 frames per second, the first from sample 0. The window has the duration of
    the tower's window and therefore its bin spacing in Hz, so the tower's mel filters apply
    unchanged. Bands above 8 kHz are silent. Powers are scaled to those of the longer window.

    Args:
        waveform: Mono at 16 kHz, at least one sample; zero-padded to one window.

    Source: aiSFX (Ma & Lerch, ISMIR 2022): window 2048, hop 1024 at 44.1 kHz, 96 HTK mel bands
    of the power spectrum with unit sum, log10(10000 S + 1) over its maximum in training.
    """
    waveform = functional.pad(waveform, (0, max(0, WINDOW - waveform.shape[1])))
    count = 1 + int((waveform.shape[1] - WINDOW) / HOP + 1e-9)
    starts = torch.arange(count, dtype=torch.float64).mul(HOP).round().long()
    index = (starts[:, None] + torch.arange(WINDOW)).to(waveform.device)
    index = index.clamp(max=waveform.shape[1] - 1)
    window = torch.hann_window(WINDOW, device=waveform.device, dtype=waveform.dtype)
    spectrum = torch.fft.rfft(waveform[:, index] * window)
    power = (spectrum.real.square() + spectrum.imag.square()) * (TOWER_WINDOW / WINDOW) ** 2
    filters = mel_filters(WINDOW // 2 + 1, SAMPLE_RATE / WINDOW).to(power)
    return torch.log10(LOG_GAIN * (power @ filters.T) + 1) / LOG_MAX


def blocks_of(
    mel: Float[Tensor, "batch frames 96"],
) -> Float[Tensor, "batch blocks 100 96"]:
    """Blocks of 100 frames, evenly spaced from the first frame to the last, hop 50 to 100.

    Up to 125 frames give one block from their middle (2.56 s has 109). Shorter clips are padded
    with silence.
    """
    missing = BLOCK_FRAMES - mel.shape[1]
    if missing > 0:
        return functional.pad(mel, (0, 0, 0, missing))[:, None]
    spare = mel.shape[1] - BLOCK_FRAMES
    intervals = max(0, -(-(spare - UNCOVERED_FRAMES) // BLOCK_FRAMES))
    starts = (
        [spare // 2]
        if intervals == 0
        else [round(i * spare / intervals) for i in range(intervals + 1)]
    )
    return torch.stack([mel[:, start : start + BLOCK_FRAMES] for start in starts], dim=1)


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions with ReLU; their batch norms are folded in."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(
        self, image: Float[Tensor, "batch channels time bands"]
    ) -> Float[Tensor, "batch outputs time bands"]:
        """Feature maps of the same size."""
        return functional.relu(self.conv2(functional.relu(self.conv1(image))))


class SfxNet(nn.Module):
    """Features of blocks of log-mel frames; about 2 GMAC per block of 2.3 s."""

    def __init__(self):
        super().__init__()
        widths = (1, 64, 128, 256, NUM_FEATURES)
        self.blocks = nn.ModuleList(ConvBlock(n, m) for n, m in pairwise(widths))

    def maps(self, mel: Float[Tensor, "batch 100 96"]) -> Float[Tensor, "batch 512 12"]:
        """Features over time: the mean over frequency, one position per 8 frames (0.19 s)."""
        hidden = mel[:, None]
        for i, block in enumerate(self.blocks):
            hidden = block(hidden)
            if i < 3:
                hidden = functional.max_pool2d(hidden, 2)
        return hidden.mean(dim=3)

    def forward(self, mel: Float[Tensor, "batch 100 96"]) -> Float[Tensor, "batch 512"]:
        """The tower's original embedding: the maximum over time."""
        return self.maps(mel).amax(dim=2)
