"""The sound tower: aiSFX, a CNN trained on sound-effect libraries, and its mel front end."""

from functools import lru_cache
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE = 16_000  # ours; the tower was trained at 44100
TOWER_SAMPLE_RATE = 44_100
TOWER_WINDOW = 2048
TOWER_HOP = 1024
WINDOW = round(TOWER_WINDOW * SAMPLE_RATE / TOWER_SAMPLE_RATE)  # 743 samples, as long in time
HOP = TOWER_HOP * SAMPLE_RATE / TOWER_SAMPLE_RATE  # 371.519 samples: starts are rounded
NUM_MELS = 96
BLOCK_FRAMES = 100  # 2.3 s
UNCOVERED_FRAMES = 25  # a clip this much longer than its blocks gets no further block
NUM_FEATURES = 512
LOG_GAIN = 10_000.0
LOG_MAX = 9.457798957824707  # the largest value in the tower's training data
SMALLEST_PEAK = 1e-3  # -60 dBFS: what is quieter is not raised to full scale


def htk_mel(hz: float) -> float:
    """HTK mels of a frequency in Hz."""
    return 2595.0 * float(torch.log10(torch.tensor(1 + hz / 700.0, dtype=torch.float64)))


@lru_cache(maxsize=4)
def mel_filters(num_bins: int, bin_hz: float) -> Float[Tensor, "96 bins"]:
    """Triangles on the HTK mel scale from 0 to 22050 Hz; each row of a full spectrum sums to 1.

    Args:
        num_bins: How many bins of the spectrum there are; bands above the last one stay 0.
        bin_hz: Spacing of the bins.
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
    """Waveforms scaled to a peak of 1; below a peak of 0.001 only by as much as that one."""
    return waveform / waveform.abs().amax(1, keepdim=True).clamp(min=SMALLEST_PEAK)


def sfx_mel_from_waveform(
    waveform: Float[Tensor, "batch samples"],
) -> Float[Tensor, "batch frames 96"]:
    """The tower's log-mel spectrum, computed at 16 kHz instead of 44.1 kHz.

    There are about 43 frames a second, the first from sample 0. A window as long in time has bins
    as far apart in Hz, so that the tower's mel filters apply as they are; bands above 8 kHz are
    silent. Powers are scaled to the longer window's.

    Args:
        waveform: Mono at 16 kHz, at least one sample; shorter than a window is zero-padded.

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
    """Blocks of 100 frames, evenly placed from the first frame to the last, hop 50 to 100.

    Up to 125 frames are one block from their middle (2.56 s has 109); shorter clips are padded
    with silence.
    """
    missing = BLOCK_FRAMES - mel.shape[1]
    if missing > 0:
        return functional.pad(mel, (0, 0, 0, missing))[:, None]
    spare = mel.shape[1] - BLOCK_FRAMES
    further = max(0, -(-(spare - UNCOVERED_FRAMES) // BLOCK_FRAMES))
    starts = (
        [spare // 2] if further == 0 else [round(i * spare / further) for i in range(further + 1)]
    )
    return torch.stack([mel[:, start : start + BLOCK_FRAMES] for start in starts], dim=1)


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions with ReLU; their batch norms are folded away."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(
        self, image: Float[Tensor, "batch channels time bands"]
    ) -> Float[Tensor, "batch outputs time bands"]:
        """Maps of the same height and width."""
        return functional.relu(self.conv2(functional.relu(self.conv1(image))))


class SfxNet(nn.Module):
    """Blocks of log-mel frames to features; about 2 GMAC a block of 2.3 s."""

    def __init__(self):
        super().__init__()
        widths = (1, 64, 128, 256, NUM_FEATURES)
        self.blocks = nn.ModuleList(ConvBlock(n, m) for n, m in pairwise(widths))

    def maps(self, mel: Float[Tensor, "batch 100 96"]) -> Float[Tensor, "batch 512 12"]:
        """Features over time: mean over frequency, one position for 8 frames (0.19 s)."""
        hidden = mel[:, None]
        for i, block in enumerate(self.blocks):
            hidden = block(hidden)
            if i < 3:
                hidden = functional.max_pool2d(hidden, 2)
        return hidden.mean(dim=3)

    def forward(self, mel: Float[Tensor, "batch 100 96"]) -> Float[Tensor, "batch 512"]:
        """The tower's own embedding: the maximum over time."""
        return self.maps(mel).amax(dim=2)
