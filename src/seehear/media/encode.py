"""Audio encoding: the codec of each container, and a peak limit that holds after decoding."""

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

# Every player supports 48 kHz, and Opus supports only that. One rate keeps one code path.
AUDIO_RATE = 48_000
_SMALL_FRAME = 1920 * 1080  # pixels
LAYOUTS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container format that can be written, with its codecs."""

    format: str  # FFmpeg's name
    audio_codec: str
    bit_rate_per_channel: int  # 0: the codec is lossless
    video_codec: str = ""  # for new frames, an existing video stream is copied; empty: audio only
    can_hide_frames: bool = False  # supports edit lists
    options: tuple[tuple[str, str], ...] = ()


# The edit list that hides an encoder's priming counts in movie ticks, by default 1/1000 s, which
# would round the audio length. Faststart writes the index first: playback starts before the
# download ends.
_MP4 = (("movie_timescale", str(AUDIO_RATE)), ("movflags", "faststart"))
CONTAINERS = {
    ".mp4": Container(
        format="mp4",
        video_codec="libx264",
        audio_codec="aac",
        bit_rate_per_channel=128_000,
        can_hide_frames=True,
        options=_MP4,
    ),
    ".mov": Container(
        format="mov",
        video_codec="libx264",
        audio_codec="aac",
        bit_rate_per_channel=128_000,
        can_hide_frames=True,
        options=_MP4,
    ),
    # AAC in Matroska has no end marker, so its padding would be played. Opus has one.
    ".mkv": Container(
        format="matroska",
        video_codec="libx264",
        audio_codec="libopus",
        bit_rate_per_channel=96_000,
    ),
    ".webm": Container(
        format="webm",
        video_codec="libvpx-vp9",
        audio_codec="libopus",
        bit_rate_per_channel=96_000,
    ),
}
CONTAINERS[".m4v"] = CONTAINERS[".mp4"]
# Lossy formats of audio alone; libsndfile writes the others.
AUDIO_CONTAINERS = {
    ".mp3": Container(format="mp3", audio_codec="libmp3lame", bit_rate_per_channel=128_000),
    ".m4a": Container(format="ipod", audio_codec="aac", bit_rate_per_channel=128_000, options=_MP4),
    ".aac": Container(format="adts", audio_codec="aac", bit_rate_per_channel=128_000),
    ".opus": Container(format="ogg", audio_codec="libopus", bit_rate_per_channel=96_000),
}


def container_for(path: Path) -> Container:
    """The container for the suffix of `path`.

    Raises:
        MediaError: the suffix is not in `CONTAINERS`.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'!r} as video; "
            f"choose one of {', '.join(sorted(CONTAINERS))}"
        ) from None


def look_ahead(kind: Container, num_pixels: int) -> dict[str, str]:
    """Encoder options that bound how many large frames are held (by default 40 for H.264)."""
    if num_pixels <= _SMALL_FRAME:
        return {}
    if kind.video_codec == "libx264":
        return {"rc-lookahead": "4", "x264-params": "sync-lookahead=0", "threads": "2"}
    return {"lag-in-frames": "0"}


def add_audio_track(output: OutputContainer, kind: Container, num_channels: int) -> AudioStream:
    """Add an empty audio track to an open output container."""
    stream = output.add_stream(kind.audio_codec, rate=AUDIO_RATE, layout=LAYOUTS[num_channels])
    assert isinstance(stream, AudioStream)
    if kind.bit_rate_per_channel:
        stream.bit_rate = kind.bit_rate_per_channel * num_channels
    return stream


def audio_packets(
    stream: AudioStream, waveform: Float32[np.ndarray, "channels samples"]
) -> Iterator[Packet]:
    """Encode 48 kHz samples. The first sample is at time 0."""
    block = AUDIO_RATE // 10
    for first in range(0, waveform.shape[1], block):
        samples = np.ascontiguousarray(waveform[:, first : first + block])
        frame = AudioFrame.from_ndarray(samples, "fltp", LAYOUTS[len(waveform)])
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, first, Fraction(1, AUDIO_RATE)
        yield from stream.encode(frame)
    # FLAC and some other encoders end with empty packets that carry only side data.
    yield from (packet for packet in stream.encode(None) if packet.size)


def resample_for_track(
    waveform: Float32[np.ndarray, "channels samples"], sample_rate: int, rate: int = AUDIO_RATE
) -> Float32[np.ndarray, "channels new_samples"]:
    """Resample to 48 kHz, the rate of every audio track of a video, or to another `rate`.

    Raises:
        ValueError: not mono or stereo, or a sample is NaN or infinite.
    """
    if waveform.ndim != 2 or len(waveform) not in LAYOUTS:
        raise ValueError(f"expected shape (1 or 2 channels, samples), got {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise ValueError("expected finite samples, got a waveform with NaN or inf")
    if sample_rate == rate or not waveform.shape[1]:
        return waveform
    resampler = AudioResampler(format="fltp", layout=LAYOUTS[len(waveform)], rate=rate)
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(waveform), "fltp", LAYOUTS[len(waveform)])
    frame.sample_rate = sample_rate
    parts = [part.to_ndarray() for part in (*resampler.resample(frame), *resampler.resample(None))]
    length = round(Fraction(waveform.shape[1] * rate, sample_rate))
    return pad_or_trim(np.concatenate(parts, axis=1), length)


def pad_or_trim(
    waveform: Float32[np.ndarray, "channels n"], length: int
) -> Float32[np.ndarray, "channels m"]:
    """Trim, or pad with silence, to `length` samples."""
    return np.pad(waveform[:, :length], ((0, 0), (0, max(0, length - waveform.shape[1]))))


def limit_peak(
    waveform: Float32[np.ndarray, "channels samples"], kind: Container, max_dbfs: float
) -> Float32[np.ndarray, "channels samples"]:
    """Attenuate audio until its peak is at most `max_dbfs` *after* encoding and decoding."""
    gain = peak_gain(waveform, kind, max_dbfs)
    return waveform if gain == 1.0 else waveform * np.float32(gain)


def peak_gain(
    waveform: Float32[np.ndarray, "channels samples"], kind: Container, max_dbfs: float
) -> float:
    """The factor of `limit_peak`, at most 1.

    Lossy codecs overshoot by an amount that must be measured: AAC by under 0.1 dB on recordings,
    by 6 dB on a square wave that starts at full level. Audio below the limit is not changed.
    """
    limit = 10 ** (max_dbfs / 20)
    peak = float(np.abs(waveform).max(initial=0))
    gain = min(1.0, limit / peak) if peak else 1.0
    for _ in range(8 if kind.bit_rate_per_channel else 0):
        decoded = _decoded_peak(waveform * np.float32(gain), kind)
        if decoded <= limit:
            break
        gain *= 0.995 * limit / decoded
    return gain


def _decoded_peak(waveform: Float32[np.ndarray, "channels samples"], kind: Container) -> float:
    """Peak magnitude after encoding and decoding."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = add_audio_track(output, kind, len(waveform))
        for packet in audio_packets(stream, waveform):
            output.mux(packet)
    file.seek(0)
    with av.open(file, "r") as encoded:
        return max(
            (float(np.abs(frame.to_ndarray()).max()) for frame in encoded.decode(audio=0)),
            default=0.0,
        )
