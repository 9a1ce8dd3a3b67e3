"""Sound to packets: which codec a container takes, and a peak that holds after decoding."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from jaxtyping import Float32

from seehear.errors import MediaError

# Every player takes 48 kHz; Opus takes nothing else, and one rate for all keeps one code path.
SOUND_RATE = 48_000
_LAYOUTS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True, kw_only=True)
class Container:
    """A kind of video file that can be written."""

    format: str  # FFmpeg's name
    picture_codec: str  # for new pictures; existing ones are copied as they are
    sound_codec: str
    bit_rate_per_channel: int
    can_hide_frames: bool = False  # by an edit list
    options: tuple[tuple[str, str], ...] = ()


# The edit list that hides an encoder's priming counts in movie ticks, by default 1/1000 s, which
# would round the sound's length. Faststart puts the index first, so that browsers play at once.
_MP4 = (("movie_timescale", str(SOUND_RATE)), ("movflags", "faststart"))
CONTAINERS = {
    ".mp4": Container(
        format="mp4",
        picture_codec="libx264",
        sound_codec="aac",
        bit_rate_per_channel=128_000,
        can_hide_frames=True,
        options=_MP4,
    ),
    ".mov": Container(
        format="mov",
        picture_codec="libx264",
        sound_codec="aac",
        bit_rate_per_channel=128_000,
        can_hide_frames=True,
        options=_MP4,
    ),
    # AAC in Matroska has no end mark, so its padding would play; Opus has one.
    ".mkv": Container(
        format="matroska",
        picture_codec="libx264",
        sound_codec="libopus",
        bit_rate_per_channel=96_000,
    ),
    ".webm": Container(
        format="webm",
        picture_codec="libvpx-vp9",
        sound_codec="libopus",
        bit_rate_per_channel=96_000,
    ),
}
CONTAINERS[".m4v"] = CONTAINERS[".mp4"]


def container_for(path: Path) -> Container:
    """The kind of video file that a suffix asks for.

    Raises:
        MediaError: the suffix is not one of those that can be written.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'!r} videos; "
            f"choose one of {', '.join(sorted(CONTAINERS))}"
        ) from None


def add_sound(output: OutputContainer, kind: Container, num_channels: int) -> AudioStream:
    """Add an empty sound track to a file that is being written."""
    stream = output.add_stream(kind.sound_codec, rate=SOUND_RATE, layout=_LAYOUTS[num_channels])
    assert isinstance(stream, AudioStream)
    stream.bit_rate = kind.bit_rate_per_channel * num_channels
    return stream


def sound_packets(
    stream: AudioStream, waveform: Float32[np.ndarray, "channels samples"]
) -> Iterator[Packet]:
    """Encode 48 kHz samples; the first of them is at time 0."""
    block = SOUND_RATE // 10
    for first in range(0, waveform.shape[1], block):
        samples = np.ascontiguousarray(waveform[:, first : first + block])
        frame = AudioFrame.from_ndarray(samples, "fltp", _LAYOUTS[len(waveform)])
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
        yield from stream.encode(frame)
    # FLAC and others end with empty packets that carry side data only.
    yield from (packet for packet in stream.encode(None) if packet.size)


def sound_for_tracks(
    waveform: Float32[np.ndarray, "channels samples"], sample_rate: int
) -> Float32[np.ndarray, "channels new_samples"]:
    """Resample to 48 kHz, the rate of every track that is written.

    Raises:
        ValueError: neither mono nor stereo, or a sample is not a finite number.
    """
    if waveform.ndim != 2 or len(waveform) not in _LAYOUTS:
        raise ValueError(f"expected 1 or 2 channels x samples, got shape {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise ValueError("the waveform has samples that are not finite numbers")
    if sample_rate == SOUND_RATE or not waveform.shape[1]:
        return waveform
    resampler = AudioResampler(format="fltp", layout=_LAYOUTS[len(waveform)], rate=SOUND_RATE)
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(waveform), "fltp", _LAYOUTS[len(waveform)])
    frame.sample_rate = sample_rate
    parts = [part.to_ndarray() for part in (*resampler.resample(frame), *resampler.resample(None))]
    length = round(Fraction(waveform.shape[1] * SOUND_RATE, sample_rate))
    return fitted(np.concatenate(parts, axis=1), length)


def fitted(
    waveform: Float32[np.ndarray, "channels n"], length: int
) -> Float32[np.ndarray, "channels m"]:
    """Cut, or pad with silence, to `length` samples."""
    return np.pad(waveform[:, :length], ((0, 0), (0, max(0, length - waveform.shape[1]))))


def turned_down(
    waveform: Float32[np.ndarray, "channels samples"], kind: Container, max_dbfs: float
) -> Float32[np.ndarray, "channels samples"]:
    """Turn a sound down until it is at most `max_dbfs` *after* encoding and decoding.

    Lossy codecs overshoot by an amount that only trying tells: AAC by under 0.1 dB on recordings,
    by 6 dB on a square wave that starts at full level. Left as it is when below already.
    """
    limit = 10 ** (max_dbfs / 20)
    peak = float(np.abs(waveform).max(initial=0))
    gain = min(1.0, limit / peak) if peak else 1.0
    for _ in range(8):
        decoded = _decoded_peak(waveform * np.float32(gain), kind)
        if decoded <= limit:
            break
        gain *= 0.995 * limit / decoded
    return waveform if gain == 1.0 else waveform * np.float32(gain)


def _decoded_peak(waveform: Float32[np.ndarray, "channels samples"], kind: Container) -> float:
    """The largest magnitude that a player will see."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = add_sound(output, kind, len(waveform))
        for packet in sound_packets(stream, waveform):
            output.mux(packet)
    file.seek(0)
    with av.open(file, "r") as written:
        return max(
            (float(np.abs(frame.to_ndarray()).max()) for frame in written.decode(audio=0)),
            default=0.0,
        )
