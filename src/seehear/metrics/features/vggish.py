"""VGGish, an audio network on patches of 0.96 s: the features of FAD.

Source: Hershey et al. 2017, "CNN Architectures for Large-Scale Audio Classification",
arXiv:1609.09430; Kilgour et al. 2019, arXiv:1812.08466 (FAD). Features are the 128 outputs of the
last linear layer before its ReLU, without the PCA and 8-bit quantisation of the released AudioSet
embeddings, as in audioldm_eval and others.
"""

from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.resample import resample
from seehear.metrics.features.protocol import Features
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
FFT_SAMPLES = 512
NUM_MELS = 64
LOW_HZ, HIGH_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01
PATCH_FRAMES = 96  # 0.96 s, without overlap
LEAST_S = 2.0  # shorter audio is padded with silence, as in audioldm_eval
FILE = "vggish-10086976.pth"


def htk_mel_from_hz(hz: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """HTK's mel scale, 1127 ln(1 + f / 700)."""
    return 1127.0 * (1.0 + hz / 700.0).log()


@lru_cache(maxsize=1)
def mel_bank() -> Float[Tensor, "mels bins"]:
    """Mel filter bank in float64: triangles of height 1 on the mel axis."""
    first, last = htk_mel_from_hz(torch.tensor([LOW_HZ, HIGH_HZ], dtype=torch.float64)).tolist()
    edges = torch.linspace(first, last, NUM_MELS + 2, dtype=torch.float64)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins_hz = torch.linspace(0, SAMPLE_RATE / 2, FFT_SAMPLES // 2 + 1, dtype=torch.float64)
    mel = htk_mel_from_hz(bins_hz)
    return torch.minimum((mel - low) / (centre - low), (high - mel) / (high - centre)).clamp(min=0)


def patches_of(
    waveform: Float[Tensor, "batch samples"],
    log_offset: float = LOG_OFFSET,
    patch_hop: int = PATCH_FRAMES,
) -> Float[Tensor, "batch patches 96 64"]:
    """Log-mel patches of 0.96 s of 16 kHz mono audio. The remainder is dropped.

    Needs 15,600 samples for the first patch, and by default 15,360 for each further one.

    Args:
        waveform: Samples in [-1, 1].
        log_offset: Added to the mel magnitudes before the logarithm.
        patch_hop: Frames of 10 ms from one patch to the next.
    """
    windows = waveform.double().unfold(1, WINDOW_SAMPLES, HOP_SAMPLES)
    hann = torch.hann_window(WINDOW_SAMPLES, dtype=torch.float64, device=waveform.device)
    magnitude = torch.fft.rfft(windows * hann, n=FFT_SAMPLES).abs()
    log_mel = (magnitude @ mel_bank().to(magnitude).T + log_offset).log()
    return log_mel.unfold(1, PATCH_FRAMES, patch_hop).transpose(2, 3).to(waveform.dtype)


class VggishNet(nn.Module):
    """The network after the front end, with the published parameter names."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for widths in ((64,), (128,), (256, 256), (512, 512)):
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 6 * 4, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, 128),
        )  # fmt: skip

    def forward(self, patches: Float[Tensor, "n 96 64"]) -> Float[Tensor, "n 128"]:
        """One row per patch."""
        maps = self.features(patches[:, None])
        # The weights expect channels-last order.
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))


class Vggish:
    """VGGish with the preprocessing of FAD."""

    sample_rate = SAMPLE_RATE

    def __init__(self, network: VggishNet):
        """Combine the parts that `load` reads."""
        self.network = network.eval()

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """128 features per 0.96 s, the rows of the first clip first, without classes.

        As in audioldm_eval, the mean is removed and clips shorter than 2 s are padded.
        """
        samples = (waveform - waveform.mean(1, keepdim=True)).float()
        samples = resample(samples, sample_rate, SAMPLE_RATE)
        missing = max(0, round(LEAST_S * SAMPLE_RATE) - samples.shape[1])
        patches = patches_of(functional.pad(samples, (0, missing)))
        return Features(self.network(patches.flatten(0, 1)))


def load(path: str | Path) -> Vggish:
    """Load VGGish from the published file, or from the same tensors as .safetensors.

    Raises:
        WeightsError: The file is missing, damaged or for another network.
    """
    state = read_state_dict(Path(path))
    return Vggish(load_strict(VggishNet, state, Path(path), published=f"VGGish ({FILE})"))
