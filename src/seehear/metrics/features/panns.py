"""PANNs CNN14, an audio classifier: the features of FD and the classes of KL and ISc.

Source: Kong et al. 2020, "PANNs: Large-Scale Pretrained Audio Neural Networks", arXiv:1912.10211.
Features are the 2048 outputs of the first linear layer after its ReLU. Classes are the 527 of
AudioSet.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seehear.dsp.mel import mel_filters
from seehear.dsp.resample import resample
from seehear.errors import WeightsError
from seehear.metrics.features.protocol import Features
from seehear.models.strict_weights import load_strict
from seehear.models.weights import read_state_dict

WIDTHS = (64, 128, 256, 512, 1024, 2048)
NUM_MELS = 64
CLASSES = 527
POWER_FLOOR = 1e-10
LEAST_S = 2.0  # shorter audio is padded with silence, as in audioldm_eval
# The published file stores the front end as tensors; here it is computed.
FRONT_END = ("spectrogram_extractor.", "logmel_extractor.")
MEL_BANK = "logmel_extractor.melW"


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """Log-mel spectrogram with 64 bands."""

    sample_rate: int
    window_samples: int
    hop_samples: int
    high_hz: float
    low_hz: float = 50.0

    def __call__(self, waveform: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch 1 t 64"]:
        """Mel power in dB, at least -100."""
        window = torch.hann_window(self.window_samples).to(waveform)
        spectrum = torch.stft(
            waveform, self.window_samples, self.hop_samples, window=window, pad_mode="reflect",
            return_complex=True,
        )  # fmt: skip
        power = spectrum.real.square() + spectrum.imag.square()
        mel = (self.filters().to(power) @ power).clamp(min=POWER_FLOOR)
        return 10 * mel.log10().transpose(1, 2)[:, None]

    def filters(self) -> Float[Tensor, "64 bins"]:
        """Slaney mel filters from `low_hz` to `high_hz`."""
        return mel_filters(
            NUM_MELS, self.window_samples, self.sample_rate, self.low_hz, self.high_hz
        )


FRONT_ENDS = {
    16_000: FrontEnd(sample_rate=16_000, window_samples=512, hop_samples=160, high_hz=8_000.0),
    32_000: FrontEnd(sample_rate=32_000, window_samples=1024, hop_samples=320, high_hz=14_000.0),
}
FILES = {16_000: "Cnn14_16k_mAP=0.438.pth", 32_000: "Cnn14_mAP=0.431.pth"}


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels_out), nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, t, f] to [b, c', t, f]."""
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()


class Cnn14(nn.Module):
    """The network after the front end, with the published parameter names."""

    def __init__(self):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(NUM_MELS)
        for k, (a, b) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), start=1):
            setattr(self, f"conv_block{k}", ConvBlock(a, b))
        self.fc1 = nn.Linear(WIDTHS[-1], WIDTHS[-1])
        self.fc_audioset = nn.Linear(WIDTHS[-1], CLASSES)

    def forward(self, mel: Float[Tensor, "batch 1 frames 64"]) -> Features:
        """Features and logits; needs at least 32 frames."""
        x = self.bn0(mel.transpose(1, 3)).transpose(1, 3)  # normalises mel bands
        for k in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"conv_block{k}")(x)
            if k < len(WIDTHS):
                x = functional.avg_pool2d(x, 2)
        x = x.mean(3)
        embedding = self.fc1(x.amax(2) + x.mean(2)).relu()
        return Features(embedding, self.fc_audioset(embedding))


class Panns:
    """CNN14 at one of its two sample rates."""

    def __init__(self, network: Cnn14, sample_rate: int):
        """Combine the parts that `load` reads."""
        self.network, self.front_end = network.eval(), FRONT_ENDS[sample_rate]

    @property
    def sample_rate(self) -> int:
        """Sample rate of the network in Hz."""
        return self.front_end.sample_rate

    @torch.no_grad()
    def from_audio(self, waveform: Float[Tensor, "batch samples"], sample_rate: int) -> Features:
        """2048 features and AudioSet logits, one row per clip.

        As in audioldm_eval, the mean is removed and clips shorter than 2 s are padded. Long clips
        are used completely.
        """
        samples = (waveform - waveform.mean(1, keepdim=True)).float()
        samples = resample(samples, sample_rate, self.sample_rate)
        missing = max(0, round(LEAST_S * self.sample_rate) - samples.shape[1])
        return self.network(self.front_end(functional.pad(samples, (0, missing))))


def load(path: str | Path, sample_rate: int = 16_000) -> Panns:
    """Load CNN14 from a published file, or from the same tensors as .safetensors.

    Args:
        path: The weight file.
        sample_rate: 16000, as in audioldm_eval, or 32000.

    Raises:
        WeightsError: The file is missing, damaged, or for another network or sample rate.
    """
    state = read_state_dict(Path(path))
    stored = {key: state.pop(key) for key in list(state) if key.startswith(FRONT_END)}
    published = f"PANNs' CNN14 ({FILES[sample_rate]})"
    # Both rates use the same network. Only the stored front end differs.
    bank, expected_bank = stored.get(MEL_BANK), FRONT_ENDS[sample_rate].filters().T
    if bank is not None and (
        bank.shape != expected_bank.shape or not torch.allclose(bank, expected_bank, atol=1e-5)
    ):
        raise WeightsError(
            f"{path}: expected the weights of {published}, got a mel bank that is not for "
            f"{sample_rate} Hz; use the file for this sample rate"
        )
    return Panns(load_strict(Cnn14, state, Path(path), published=published), sample_rate)
