"""Read audio and images, and probe media files."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from jaxtyping import Float32

from seehear.errors import MediaError
from seehear.media.folders import existing_file
from seehear.media.kinds import Audio, Image, Probe
from seehear.media.opening import (
    audio_stream,
    check_duration,
    declared_duration,
    decodable_frames,
    open_media,
    seconds,
    video_stream,
)

MAX_AUDIO_S = 3600.0
# Containers round timestamps (Matroska to 1 ms), so smaller jumps between frames are not gaps.
_CLOCK_TOLERANCE_S = 0.02
_Samples = Float32[np.ndarray, "channels samples"]


def probe(path: str | Path) -> Probe:
    """Detect whether a file is an image, a video or audio, and read its size and duration.

    An animated GIF is a video. Audio with cover art is audio. The size is 0 x 0 for a video with
    an unknown codec.

    Raises:
        MediaError: missing, a folder, empty, unreadable, or none of the three kinds.
    """
    size = _image_size(existing_file(path))
    if size is not None:
        return Probe(kind="image", duration_s=0.0, width=size[0], height=size[1])
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        stream = video or audio
        if stream is None:
            raise MediaError(f"{path}: expected video or audio, got {container.format.long_name}")
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


def read_image(path: str | Path) -> Image:
    """Read an image as upright 8-bit RGB. Transparent pixels are blended with white.

    An animation gives its first frame. 16-bit images are scaled to 8 bits.

    Raises:
        MediaError: not an image, damaged, or larger than 89 million pixels (Pillow's limit
            against decompression bombs).
    """
    path = existing_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning)  # damaged EXIF is not an error
        try:
            with PIL.Image.open(path) as image:
                rgb = _to_rgb(PIL.ImageOps.exif_transpose(image))
        except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
            raise MediaError(f"{path}: too many pixels ({error}); scale it down") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise MediaError(
                f"{path}: expected an image such as .png or .jpg, but it cannot be read as "
                f"one ({error})"
            ) from error
    return Image(pixels=torch.from_numpy(np.array(rgb).transpose(2, 0, 1).copy()), path=path)


def read_audio(
    path: str | Path,
    sample_rate: int = 16_000,
    *,
    mono: bool = True,
    max_duration_s: float = MAX_AUDIO_S,
) -> Audio:
    """Read and resample the audio of an audio or video file.

    Time zero is the start of the audio, or of the video track if there is one. A late start and
    gaps are filled with silence. Encoder priming and padding are removed if the file marks them.

    Args:
        path: Any file with an audio track that FFmpeg can read.
        sample_rate: Output sample rate.
        mono: Average the channels into one.
        max_duration_s: Longer files are rejected.

    Raises:
        MediaError: no audio track, nothing can be decoded, a sample is NaN or infinite, or longer
            than `max_duration_s`.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            raise MediaError(f"{path}: expected an audio track, got none")
        check_duration(path, declared_duration(container, stream), max_duration_s)
        video = video_stream(container)
        zero = seconds(video.start_time, video.time_base) if video else None
        rate = stream.codec_context.sample_rate
        num_samples, blocks = 0, []
        for block in _resampled(
            _samples_in_order(container, stream, zero), rate, sample_rate, mono
        ):
            if not np.isfinite(block).all():
                raise MediaError(
                    f"{path}: expected finite samples, got NaN or inf; export the audio again"
                )
            num_samples += block.shape[1]
            check_duration(path, Fraction(num_samples, sample_rate), max_duration_s + 1)
            blocks.append(block)
    if not num_samples:
        raise MediaError(
            f"{path}: expected decodable audio, got none; the file is damaged or empty"
        )
    waveform = torch.from_numpy(np.concatenate(blocks, axis=1))
    return Audio(waveform=waveform, sample_rate=sample_rate, path=Path(path))


def mono_or_stereo(audio: Audio) -> Audio:
    """Average the channels if there are more than two; a written track has at most two."""
    if len(audio.waveform) <= 2:
        return audio
    return replace(audio, waveform=audio.waveform.mean(dim=0, keepdim=True))


def _samples_in_order(
    container: InputContainer, stream: AudioStream, zero: Fraction | None
) -> Iterator[_Samples]:
    """Decode at the native sample rate; timestamps place the samples, from `zero` seconds on."""
    rate = stream.codec_context.sample_rate
    counts_samples = stream.time_base == Fraction(1, rate)
    to_float, accepted = None, None
    position = 0  # of the next sample, in samples after `zero`
    for frame in decodable_frames(container, stream):
        if (frame.format.name, frame.layout.name, frame.sample_rate) != accepted:
            accepted = (frame.format.name, frame.layout.name, frame.sample_rate)
            to_float = AudioResampler(format="fltp", layout=stream.layout, rate=rate)
        assert to_float is not None
        time, length = seconds(frame.pts, frame.time_base), frame.duration
        parts = [part.to_ndarray() for part in to_float.resample(frame)]
        if not parts:
            continue
        samples = np.concatenate(parts, axis=1)
        if counts_samples and length and frame.sample_rate == rate:
            samples = samples[:, :length]  # the last AAC frame is padded to 1024 samples
        if zero is None:
            zero = time or Fraction(0)
        gap = 0 if time is None else round((time - zero) * rate) - position
        if position == 0 or abs(gap) > _CLOCK_TOLERANCE_S * rate:
            if gap > 0:
                yield np.zeros((len(samples), gap), np.float32)
                position += gap
            samples = samples[:, max(0, -gap) :]  # drop samples before zero and duplicates
        position += samples.shape[1]
        if samples.shape[1]:
            yield samples


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


def _image_size(path: Path) -> tuple[int, int] | None:
    """Width and height if the file is an image, else None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path) as image:
                is_video = image.format == "GIF" and getattr(image, "is_animated", False)
                return None if is_video or image.format == "MPEG" else image.size
        except PIL.Image.DecompressionBombError as error:
            raise MediaError(f"{path}: too many pixels ({error}); scale it down") from error
        except (OSError, SyntaxError, ValueError):
            return None


def _to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Convert any Pillow mode to 8-bit RGB."""
    if image.mode.startswith("I;16") or image.mode == "I":
        grey = np.asarray(image).astype(np.float64) / 257  # 65535 is white
        image = PIL.Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    elif image.mode == "F":
        grey = np.asarray(image, np.float64)
        # Float images are in [0, 1] or, by an older convention, in [0, 255].
        grey = grey * 255 if grey.max(initial=0) <= 1 else grey
        image = PIL.Image.fromarray(np.nan_to_num(grey).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image)
    return image.convert("RGB")
