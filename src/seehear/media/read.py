"""Read audio, and probe media files."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from jaxtyping import Float32

from seehear.errors import MediaError
from seehear.media.folders import existing_file
from seehear.media.images import MAX_DECODE_S, image_size
from seehear.media.isolated import isolatable
from seehear.media.kinds import Audio, Probe
from seehear.media.opening import (
    audio_stream,
    check_duration,
    check_gap,
    content_of,
    declared_duration,
    decodable_frames,
    decoding,
    exact,
    open_media,
    seconds,
    video_stream,
)

MAX_AUDIO_S = 3600.0
# Containers round timestamps (Matroska to 1 ms), so smaller jumps between frames are not gaps.
_CLOCK_TOLERANCE_S = 0.02
MAX_SAMPLE = 1e12  # 32-bit integers as floats reach 2e9; larger sums could overflow
MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1000, 768_000  # sample rates in Hz
_HALF_POWER = 0.5**0.5
# Weights of a channel in left and right.
_STEREO_WEIGHTS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("FL", "FLC", "DL"), (1.0, 0.0)),
    **dict.fromkeys(("FR", "FRC", "DR"), (0.0, 1.0)),
    **dict.fromkeys(("FC", "TFC", "TC"), (_HALF_POWER, _HALF_POWER)),
    **dict.fromkeys(("BL", "SL", "TFL", "TBL", "TSL", "WL", "SDL"), (_HALF_POWER, 0.0)),
    **dict.fromkeys(("BR", "SR", "TFR", "TBR", "TSR", "WR", "SDR"), (0.0, _HALF_POWER)),
    **dict.fromkeys(("BC", "TBC"), (0.5, 0.5)),
    **dict.fromkeys(("LFE", "LFE2"), (0.0, 0.0)),
}
_OTHER_WEIGHTS = (0.5, 0.5)  # of a position that BS.775 does not name, as for the back centre
_Samples = Float32[np.ndarray, "channels samples"]


@isolatable
def probe(path: str | Path, *, max_seconds: float = MAX_DECODE_S) -> Probe:
    """Detect whether a file is an image, a video or audio, and read its size and duration.

    An animated GIF is a video. Audio with cover art is audio. The size is 0 x 0 for a video with
    an unknown codec.

    Args:
        path: The file.
        max_seconds: Deadline for reading the header of an image.

    Raises:
        MediaError: missing, a folder, empty, unreadable, or none of the three kinds.
    """
    size = image_size(existing_file(path), max_seconds)
    if size is not None:
        return Probe(kind="image", duration_s=0.0, width=size[0], height=size[1])
    with open_media(path) as container, decoding(path):
        video, audio = video_stream(container), audio_stream(container)
        stream = video or audio
        if stream is None:
            raise MediaError(f"{path}: expected video or audio, got {content_of(container)}")
        duration = declared_duration(container, stream)
        size = (0, 0)
        if video is not None and video.codec_context is not None:
            size = (video.width, video.height)
        return Probe(
            kind="video" if video else "audio",
            duration_s=None if duration is None else float(duration),
            width=size[0],
            height=size[1],
            has_audio=audio is not None,
            fps=float(video.average_rate) if video and video.average_rate else None,
        )


@isolatable
def read_audio(
    path: str | Path,
    sample_rate: int | None = 16_000,
    *,
    mono: bool = True,
    max_duration_s: float = MAX_AUDIO_S,
) -> Audio:
    """Read and resample the audio of an audio or video file.

    Time zero is the start of the audio, or of the video track if there is one. A late start and
    gaps are filled with silence. Encoder priming and padding are removed if the file marks them.

    Args:
        path: Any file with an audio track that FFmpeg can read.
        sample_rate: Output sample rate; None: that of the file.
        mono: Average the channels into one. Otherwise there are one or two channels: more are
            mixed to stereo, see `downmixed`.
        max_duration_s: Longer files are rejected.

    Raises:
        MediaError: no audio track, nothing can be decoded, a sample is NaN or infinite, or longer
            than `max_duration_s`.
    """
    with open_media(path) as container, decoding(path):
        stream = audio_stream(container)
        if stream is None:
            raise MediaError(f"{path}: expected an audio track, got none")
        check_duration(path, declared_duration(container, stream), max_duration_s)
        video = video_stream(container)
        zero = seconds(video.start_time, video.time_base) if video else None
        rate = stream.codec_context.sample_rate
        sample_rate = sample_rate or rate
        num_samples, blocks = 0, []
        for block in _resampled(
            _samples_in_order(path, container, stream, zero), rate, sample_rate, mono
        ):
            num_samples += block.shape[1]
            check_duration(path, Fraction(num_samples, sample_rate), max_duration_s + 1)
            blocks.append(block)
    if not num_samples:
        raise MediaError(
            f"{path}: expected decodable audio, got none; the file is damaged or empty"
        )
    waveform = torch.from_numpy(np.concatenate(blocks, axis=1))
    return Audio(waveform=waveform, sample_rate=sample_rate, path=Path(path))


def _samples_in_order(
    path: str | Path, container: InputContainer, stream: AudioStream, zero: Fraction | None
) -> Iterator[_Samples]:
    """Decode at the native sample rate; timestamps place the samples, from `zero` seconds on.

    Blocks have one or two channels.
    """
    rate = stream.codec_context.sample_rate
    counts_samples = exact(stream.time_base) == Fraction(1, rate)
    to_float, accepted, num_channels = None, None, 0
    position = 0  # of the next sample, in samples after `zero`
    for frame in decodable_frames(container, stream):
        if (frame.format.name, frame.layout.name, frame.sample_rate) != accepted:
            accepted = (frame.format.name, frame.layout.name, frame.sample_rate)
            _check_format(path, frame)
            to_float = AudioResampler(format="flt", layout=frame.layout, rate=rate)
        assert to_float is not None
        time, length = seconds(frame.pts, frame.time_base), frame.duration
        # A packed format: planar frames of more than eight channels crash in `to_ndarray`.
        parts = [
            part.to_ndarray().reshape(-1, frame.layout.nb_channels).T
            for part in to_float.resample(frame)
        ]
        if not parts:
            continue
        decoded = np.concatenate(parts, axis=1)
        if not (np.abs(decoded) <= MAX_SAMPLE).all():
            raise MediaError(
                f"{path}: expected finite samples, got NaN, inf or a sample beyond "
                f"{MAX_SAMPLE:g}; export the audio again"
            )
        samples = downmixed(decoded, _channel_names(frame))
        if num_channels and len(samples) != num_channels:
            samples = np.broadcast_to(samples.mean(axis=0), (num_channels, samples.shape[1]))
        num_channels = len(samples)
        if counts_samples and length and frame.sample_rate == rate:
            samples = samples[:, :length]  # the last AAC frame is padded to 1024 samples
        if zero is None:
            zero = time or Fraction(0)
        gap = 0 if time is None else round((time - zero) * rate) - position
        if position == 0 or abs(gap) > _CLOCK_TOLERANCE_S * rate:
            check_gap(path, Fraction(gap, rate))
            for start in range(0, max(0, gap), rate):
                yield np.zeros((num_channels, min(rate, gap - start)), np.float32)
            position += max(0, gap)
            samples = samples[:, max(0, -gap) :]  # drop samples before zero and duplicates
        position += samples.shape[1]
        if samples.shape[1]:
            yield np.ascontiguousarray(samples)


def _check_format(path: str | Path, frame: AudioFrame) -> None:
    """Refuse numbers that no audio has, before memory is reserved by them."""
    if not 1 <= frame.layout.nb_channels <= MAX_CHANNELS:
        raise MediaError(
            f"{path}: expected 1 to {MAX_CHANNELS} channels, got {frame.layout.nb_channels}"
        )
    if not MIN_RATE <= frame.sample_rate <= MAX_RATE:
        raise MediaError(
            f"{path}: expected a sample rate of {MIN_RATE} to {MAX_RATE} Hz, got "
            f"{frame.sample_rate}"
        )


def _channel_names(frame: AudioFrame) -> tuple[str, ...]:
    return tuple(channel.name for channel in frame.layout.channels)


def downmixed(
    samples: _Samples, names: Sequence[str]
) -> Float32[np.ndarray, "new_channels samples"]:
    """Mix more than two channels to stereo with the weights of ITU-R BS.775.

    Channels at the centre and at the back have a weight of 0.707, and the low-frequency channel is
    left out. Channels at other positions have a weight of 0.5 in both; if no position is known, all
    channels are averaged to mono.

    Args:
        samples: Samples of every channel.
        names: FFmpeg's names of the channels, such as FL, FC, LFE and BL.
    """
    if len(samples) <= 2:
        return samples
    known = [name for name in names if name in _STEREO_WEIGHTS]
    if len(names) != len(samples) or not known:
        return samples.mean(axis=0, keepdims=True)
    weights = [_STEREO_WEIGHTS.get(name, _OTHER_WEIGHTS) for name in names]
    return np.array(weights, np.float32).T @ samples


def _resampled(
    blocks: Iterator[_Samples], rate: int, new_rate: int, mono: bool
) -> Iterator[_Samples]:
    """Resample block by block: n samples give round(n * new_rate / rate) samples."""
    resamplers: list[AudioResampler] = []
    num_in = num_out = 0
    for block in blocks:
        if mono:
            block = block.mean(axis=0, keepdims=True)
        num_in += block.shape[1]
        if rate == new_rate:
            yield block
            continue
        # One resampler per channel: FFmpeg needs a named layout for multi-channel audio.
        resamplers = resamplers or [
            AudioResampler(format="fltp", layout="mono", rate=new_rate) for _ in block
        ]
        converted = np.stack(
            [_push(resampler, row, rate) for resampler, row in zip(resamplers, block, strict=True)]
        )
        num_out += converted.shape[1]
        yield converted
    if resamplers:
        tail = np.stack([_push(resampler, None, rate) for resampler in resamplers])
        missing = round(Fraction(num_in * new_rate, rate)) - num_out
        assert missing >= 0
        yield np.pad(tail[:, :missing], ((0, 0), (0, max(0, missing - tail.shape[1]))))


def _push(
    resampler: AudioResampler, samples: Float32[np.ndarray, " n"] | None, rate: int
) -> Float32[np.ndarray, " m"]:
    """Push samples of one channel (None flushes) and return the resampled output."""
    frame = None
    if samples is not None:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
        frame.sample_rate = rate
    parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
