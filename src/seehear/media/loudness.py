"""Loudness of audio by EBU R128 (ITU-R BS.1770), measured with FFmpeg's ebur128 filter."""

import math
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.filter import Graph
from jaxtyping import Float
from torch import Tensor

BLOCK_S = 0.4  # gating block of BS.1770; shorter audio has no integrated loudness
GATE_LUFS = -70.0  # absolute gate: what is quieter counts as silence
MAX_GAIN_DB = 40.0  # quieter audio is mostly noise
MAX_DBTP = -1.0  # true peak that R128 allows


@dataclass(frozen=True)
class Loudness:
    """Integrated loudness and true peak."""

    lufs: float  # -inf for silence
    peak_dbtp: float  # of the signal between the samples, too; -inf for silence


def loudness(waveform: Float[Tensor, " samples"], sample_rate: int) -> Loudness:
    """Measure a mono waveform in [-1, 1]; audio shorter than 0.4 s is repeated up to that length.

    Raises:
        ValueError: A sample is NaN or infinite.
    """
    if not waveform.isfinite().all():
        raise ValueError("expected finite samples, got a waveform with NaN or inf")
    if not waveform.numel() or not waveform.abs().max():
        return Loudness(-math.inf, -math.inf)
    times = math.ceil(BLOCK_S * sample_rate / len(waveform))
    samples = waveform.detach().float().cpu().repeat(max(1, times))
    tags = _measured(samples, sample_rate)
    lufs, peak = float(tags["lavfi.r128.I"]), float(tags["lavfi.r128.true_peak"])
    return Loudness(
        lufs if lufs > GATE_LUFS else -math.inf, 20 * math.log10(peak) if peak > 0 else -math.inf
    )


def normalise_loudness(
    waveform: Float[Tensor, " samples"],
    sample_rate: int,
    lufs: float,
    *,
    max_dbtp: float = MAX_DBTP,
) -> Float[Tensor, " samples"]:
    """Scale a mono waveform to an integrated loudness.

    The gain is lower where the true peak would exceed `max_dbtp`, and at most 40 dB. Silence stays
    silent. The waveform is only scaled: no limiter changes its shape.
    """
    measured = loudness(waveform, sample_rate)
    if measured.lufs == -math.inf:
        return waveform
    gain_db = min(lufs - measured.lufs, MAX_GAIN_DB, max_dbtp - measured.peak_dbtp)
    return (waveform.double() * 10 ** (gain_db / 20)).to(waveform.dtype)


def _measured(samples: Float[Tensor, " samples"], sample_rate: int) -> dict[str, str]:
    """The tags that the filter has written after the last sample."""
    graph = Graph()
    source = graph.add(
        "abuffer",
        f"sample_rate={sample_rate}:sample_fmt=flt:channel_layout=mono:time_base=1/{sample_rate}",
    )
    meter = graph.add("ebur128", "metadata=1:peak=true:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = AudioFrame.from_ndarray(samples[None].numpy(), format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
    graph.push(frame)
    graph.push(None)
    tags: dict[str, str] = {}
    while True:
        try:
            tags = dict(graph.pull().metadata) or tags
        except (av.EOFError, av.BlockingIOError):
            return tags
