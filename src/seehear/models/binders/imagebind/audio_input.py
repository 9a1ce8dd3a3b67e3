"""ImageBind's audio preprocessing: a differentiable, batched Kaldi-style log-mel filter bank.

Source: Kaldi's `compute-fbank-feats`, with the options listed in the constants below.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
FFT_SAMPLES = 512
NUM_MELS = 128
LOW_HZ = 20.0
PRE_EMPHASIS = 0.97
LOG_FLOOR = 2.0**-23
NUM_FRAMES = 204  # input length of the audio tower; 2 s give 198, the rest is padding
MEAN, STD = -4.268, 9.138  # of log-mel values in ImageBind's training data


def kaldi_mel_from_hz(hz: float) -> float:
    """Kaldi's mel scale, 1127 ln(1 + f / 700)."""
    return 1127.0 * math.log(1.0 + hz / 700.0)


@lru_cache(maxsize=1)
def mel_bank() -> Float[Tensor, "mels bins"]:
    """Weights of FFT bins in mel bands: triangles on the mel axis with height 1, float32.

    There is no Nyquist bin, as in Kaldi. The weights are computed in float32: float64 weights
    change embeddings by 1e-4.
    """
    low, high = kaldi_mel_from_hz(LOW_HZ), kaldi_mel_from_hz(SAMPLE_RATE / 2)
    step = (high - low) / (NUM_MELS + 1)
    band = torch.arange(NUM_MELS)[:, None]
    left, centre, right = low + band * step, low + (band + 1.0) * step, low + (band + 2.0) * step
    hz = SAMPLE_RATE / FFT_SAMPLES * torch.arange(FFT_SAMPLES // 2)
    # Processors round float32 logarithms differently; those of float64, rounded once, are the same.
    mel = 1127.0 * (1.0 + hz / 700.0).double().log().float()
    rising = (mel - left) / (centre - left)
    falling = (right - mel) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0)


def log_mel_frames(
    waveform: Float[Tensor, "batch samples"], bank: Float[Tensor, "mels bins"] | None = None
) -> Float[Tensor, "batch mels frames"]:
    """Natural log of the mel power spectrum of complete 25 ms frames with a 10 ms hop.

    Args:
        waveform: Mono at 16 kHz with at least 400 samples.
        bank: Mel filter weights instead of `mel_bank()`.

    Returns:
        `1 + (samples - 400) // 160` frames, floored at ln(2**-23) = -15.9.

    Raises:
        ValueError: There are fewer than 400 samples.
    """
    if waveform.shape[-1] < WINDOW_SAMPLES:
        raise ValueError(
            f"expected at least {WINDOW_SAMPLES} samples (25 ms), got {waveform.shape[-1]}"
        )
    frames = waveform.unfold(-1, WINDOW_SAMPLES, HOP_SAMPLES)
    frames = frames - frames.mean(-1, keepdim=True)
    previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window = torch.hann_window(
        WINDOW_SAMPLES, periodic=False, dtype=waveform.dtype, device=waveform.device
    )
    spectrum = torch.fft.rfft((frames - PRE_EMPHASIS * previous) * window, n=FFT_SAMPLES)
    # Not abs().square(): the derivative of the root in abs() is infinite for silence.
    power = spectrum.real.square() + spectrum.imag.square()
    weights = (mel_bank() if bank is None else bank).to(power)
    mel = power[..., :-1] @ weights.T
    return mel.clamp(min=LOG_FLOOR).log().transpose(1, 2)


def audio_input(
    clips: Float[Tensor, "batch samples"], bank: Float[Tensor, "mels bins"] | None = None
) -> Float[Tensor, "batch 1 mels 204"]:
    """Input of the audio tower: log mels of DC-free clips, cut or zero-padded to 204 frames.

    Padding comes before normalisation, so padded frames have the high value +0.467. ImageBind was
    trained this way.
    """
    mel = log_mel_frames(clips - clips.mean(-1, keepdim=True), bank)[..., :NUM_FRAMES]
    padded = torch.nn.functional.pad(mel, (0, NUM_FRAMES - mel.shape[-1]))
    return ((padded - MEAN) / STD)[:, None]
