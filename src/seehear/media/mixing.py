"""How new audio becomes an audio track: mixing, ducking, channels and codec."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.filter import Graph
from jaxtyping import Float, Float32
from torch import Tensor

from seehear.errors import MediaError
from seehear.media.encode import (
    AUDIO_RATE,
    LAYOUTS,
    Container,
    container_for,
    pad_or_trim,
    resample_for_track,
)
from seehear.media.filters import finished_frames
from seehear.media.suffixes import PCM_OUTPUTS
from seehear.media.track import Track

_PCM = "pcm_s24le"
# Ducking starts when the other audio is above -40 dBFS. FFmpeg's sidechaincompress documents the
# units: linear threshold, ratio, milliseconds.
_DUCKING = {"threshold": "0.01", "ratio": "20", "attack": "20", "release": "300"}


def container_of(path: Path, track: Track) -> Container:
    """The container for the suffix of `path`, with the track's codec.

    Raises:
        MediaError: Not the suffix of a container, or one in which players do not expect PCM.
    """
    kind = container_for(path)
    if not track.is_pcm:
        return kind
    if path.suffix.lower() not in PCM_OUTPUTS:
        raise MediaError(f"{path}: expected .mov or .mkv for PCM audio, got {path.suffix}")
    return replace(kind, audio_codec=_PCM, bit_rate_per_channel=0)


def of_file(
    waveform: Float[Tensor, "channels samples"], sample_rate: int, track: Track
) -> tuple[Float[Tensor, "new_channels new_samples"], int]:
    """Audio for a file without video, and its sample rate."""
    rate = track.sample_rate or sample_rate
    samples = resample_for_track(waveform.detach().cpu().float().numpy(), sample_rate, rate)
    samples = in_stereo(samples) if track.is_stereo else samples
    return torch.from_numpy(np.ascontiguousarray(samples)), rate


def in_stereo(
    waveform: Float32[np.ndarray, "channels samples"],
) -> Float32[np.ndarray, "2 samples"]:
    """Mono as two equal channels of the same total loudness; stereo as it is."""
    # EBU R128 adds the power of the channels, so each one has half of it.
    return waveform if len(waveform) == 2 else np.repeat(waveform * np.float32(0.5**0.5), 2, axis=0)


def mix_parts(
    old: Float32[np.ndarray, "channels samples"],
    new: Float32[np.ndarray, "new_channels new_samples"],
    track: Track,
) -> tuple[
    Float32[np.ndarray, "most_channels most_samples"],
    Float32[np.ndarray, "most_channels most_samples"],
]:
    """The two recordings whose sum is a mix, at 48 kHz: the old audio, and the new at its level.

    Both are stereo if either is, and as long as the longer one.
    """
    channels, length = max(len(old), len(new)), max(old.shape[1], new.shape[1])
    old, new = (
        np.broadcast_to(pad_or_trim(part, length), (channels, length)) for part in (old, new)
    )
    new = np.float32(10 ** (track.gain_db / 20)) * new
    return old, ducked(new, old, track.duck_db) if track.duck_db else new


def ducked(
    waveform: Float32[np.ndarray, "channels samples"],
    other: Float32[np.ndarray, "channels samples"],
    depth_db: float,
) -> Float32[np.ndarray, "channels samples"]:
    """Lower audio at 48 kHz by up to `depth_db` while other audio of the same shape is loud."""
    graph = Graph()
    layout = LAYOUTS[len(waveform)]
    parameters = {
        "sample_fmt": "fltp", "sample_rate": str(AUDIO_RATE), "channel_layout": layout,
        "time_base": f"1/{AUDIO_RATE}",
    }  # fmt: skip
    sources = [graph.add("abuffer", **parameters) for _ in range(2)]
    kept = 10 ** (-depth_db / 20)
    compressor = graph.add("sidechaincompress", **_DUCKING, mix=f"{1 - kept:.6f}")
    sink = graph.add("abuffersink")
    for k, source in enumerate(sources):
        source.link_to(compressor, 0, k)
    compressor.link_to(sink)
    graph.configure()
    parts: list[np.ndarray] = []
    for first in range(0, waveform.shape[1], AUDIO_RATE):
        for source, samples in zip(sources, (waveform, other), strict=True):
            block = np.ascontiguousarray(samples[:, first : first + AUDIO_RATE])
            frame = AudioFrame.from_ndarray(block, "fltp", layout)
            frame.sample_rate, frame.pts = AUDIO_RATE, first
            frame.time_base = Fraction(1, AUDIO_RATE)
            source.push(frame)
        parts += [frame.to_ndarray() for frame in finished_frames(sink)]
    for source in sources:
        source.push(None)
    parts += [frame.to_ndarray() for frame in finished_frames(sink)]
    lowered = np.concatenate(parts, axis=1).astype(np.float32)  # the filter computes in float64
    return pad_or_trim(lowered, waveform.shape[1])
