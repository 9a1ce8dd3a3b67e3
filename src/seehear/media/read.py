"""Sounds and pictures in, and a look at what a file holds."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
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
    check_duration,
    declared_duration,
    logger,
    open_media,
    picture_stream,
    seconds,
    sound_stream,
)

MAX_SOUND_S = 3600.0
# Containers round their clocks (Matroska to 1 ms), so smaller jumps between frames are no gaps.
_CLOCK_TOLERANCE_S = 0.02
_MAX_BROKEN = 10_000  # a file this broken is not worth the time
_Samples = Float32[np.ndarray, "channels samples"]


def probe(path: str | Path) -> Probe:
    """Tell whether a file is an image, a video or a sound, and how long it is.

    An animated GIF is a video; a sound with cover art is a sound. Of a picture in an unknown
    codec the size is 0 by 0.

    Raises:
        MediaError: missing, a folder, empty, unreadable or none of the three.
    """
    size = _still_size(existing_file(path))
    if size is not None:
        return Probe(kind="image", duration_s=0.0, width=size[0], height=size[1])
    with open_media(path) as container:
        picture, sound = picture_stream(container), sound_stream(container)
        stream = picture or sound
        if stream is None:
            raise MediaError(
                f"{path}: has neither picture nor sound: got {container.format.long_name}"
            )
        duration = declared_duration(container, stream)
        size = (0, 0)
        if picture is not None and picture.codec_context is not None:
            size = (picture.width, picture.height)
        return Probe(
            kind="video" if picture else "audio",
            duration_s=None if duration is None else float(duration),
            width=size[0],
            height=size[1],
            has_audio=sound is not None,
            fps=float(picture.average_rate) if picture and picture.average_rate else None,
        )


def read_image(path: str | Path) -> Image:
    """Read a photograph or drawing, upright; transparency is shown on white.

    Of an animation, the first frame. 16-bit pictures are scaled to 8 bits.

    Raises:
        MediaError: not a picture, damaged, or so large (over 89 million pixels) that it may be
            an attack.
    """
    path = existing_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning)  # damaged EXIF is no obstacle
        try:
            with PIL.Image.open(path) as picture:
                rgb = _rgb(PIL.ImageOps.exif_transpose(picture))
        except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
            raise MediaError(f"{path}: too many pixels ({error}); scale it down") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise MediaError(
                f"{path}: expected a picture such as .png or .jpg, but it cannot be read as one "
                f"({error})"
            ) from error
    return Image(pixels=torch.from_numpy(np.array(rgb).transpose(2, 0, 1).copy()), path=path)


def read_audio(
    path: str | Path,
    sample_rate: int = 16_000,
    *,
    mono: bool = True,
    max_duration_s: float = MAX_SOUND_S,
) -> Audio:
    """Read the sound of a sound or video file, resampled.

    Time zero is the start of the sound, or for a video the start of its picture: a track that
    begins later is padded with silence, gaps too. An encoder's priming and padding are cut off
    where the file marks them.

    Args:
        path: Any file with a sound track that FFmpeg reads.
        sample_rate: Wanted rate.
        mono: Average the channels into one.
        max_duration_s: Longer files are refused.

    Raises:
        MediaError: no sound, nothing decodes, samples that are not numbers, or longer than
            `max_duration_s`.
    """
    with open_media(path) as container:
        stream = sound_stream(container)
        if stream is None:
            raise MediaError(f"{path}: has no sound: expected a sound track, got none")
        check_duration(path, declared_duration(container, stream), max_duration_s)
        picture = picture_stream(container)
        zero = seconds(picture.start_time, picture.time_base) if picture else None
        rate = stream.codec_context.sample_rate
        num_samples, blocks = 0, []
        for block in _resampled(
            _samples_in_order(container, stream, zero), rate, sample_rate, mono
        ):
            if not np.isfinite(block).all():
                raise MediaError(
                    f"{path}: expected finite samples, got some that are not numbers; export the "
                    "sound again"
                )
            num_samples += block.shape[1]
            check_duration(path, Fraction(num_samples, sample_rate), max_duration_s + 1)
            blocks.append(block)
    if not num_samples:
        raise MediaError(f"{path}: its sound could not be decoded; the file is damaged or empty")
    waveform = torch.from_numpy(np.concatenate(blocks, axis=1))
    return Audio(waveform=waveform, sample_rate=sample_rate, path=Path(path))


def mono_or_stereo(audio: Audio) -> Audio:
    """The sound itself, or its channels' mean where it has more than a written track can hold."""
    if len(audio.waveform) <= 2:
        return audio
    return replace(audio, waveform=audio.waveform.mean(dim=0, keepdim=True))


def _samples_in_order(
    container: InputContainer, stream: AudioStream, zero: Fraction | None
) -> Iterator[_Samples]:
    """Decoded samples at the file's own rate, placed by its clock, from `zero` seconds on."""
    rate = stream.codec_context.sample_rate
    counts_samples = stream.time_base == Fraction(1, rate)
    to_float, accepted = None, None
    position = 0  # how many samples after `zero` the next one is
    for frame in _decodable_frames(container, stream):
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
            samples = samples[:, max(0, -gap) :]  # what lies before zero, or comes twice
        position += samples.shape[1]
        if samples.shape[1]:
            yield samples


def _decodable_frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decode and skip what is broken, as players do, but say so in the log."""
    num_broken = 0
    packets = container.demux(stream)
    packet = None
    while num_broken < _MAX_BROKEN:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            yield from packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            num_broken += 1
    if num_broken:
        logger.warning("%s: skipped %d damaged packets", container.name, num_broken)


def _resampled(
    blocks: Iterator[_Samples], rate: int, wanted_rate: int, mono: bool
) -> Iterator[_Samples]:
    """Convert block by block; round(n * wanted_rate / rate) samples come of n."""
    resamplers: list[AudioResampler] = []
    num_in = num_out = 0
    for block in blocks:
        if mono:
            block = block.mean(axis=0, keepdims=True)
        num_in += block.shape[1]
        if rate == wanted_rate:
            yield block
            continue
        # One resampler for each channel, since FFmpeg would need a name for their layout.
        resamplers = resamplers or [
            AudioResampler(format="fltp", layout="mono", rate=wanted_rate) for _ in block
        ]
        converted = np.stack(
            [_push(resampler, row, rate) for resampler, row in zip(resamplers, block, strict=True)]
        )
        num_out += converted.shape[1]
        yield converted
    if resamplers:
        tail = np.stack([_push(resampler, None, rate) for resampler in resamplers])
        missing = round(Fraction(num_in * wanted_rate, rate)) - num_out
        assert missing >= 0
        yield np.pad(tail[:, :missing], ((0, 0), (0, max(0, missing - tail.shape[1]))))


def _push(
    resampler: AudioResampler, samples: Float32[np.ndarray, " n"] | None, rate: int
) -> Float32[np.ndarray, " m"]:
    """Feed one channel, or None at the end, and take what comes out."""
    frame = None
    if samples is not None:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
        frame.sample_rate = rate
    parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _still_size(path: Path) -> tuple[int, int] | None:
    """Width and height if the file is a still picture, else None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path) as picture:
                is_film = picture.format == "GIF" and getattr(picture, "is_animated", False)
                return None if is_film or picture.format == "MPEG" else picture.size
        except PIL.Image.DecompressionBombError as error:
            raise MediaError(f"{path}: too many pixels ({error}); scale it down") from error
        except (OSError, SyntaxError, ValueError):
            return None


def _rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Any of Pillow's modes as 8-bit RGB."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        grey = np.asarray(picture).astype(np.float64) / 257  # 65535 is white
        picture = PIL.Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    elif picture.mode == "F":
        grey = np.asarray(picture, np.float64)
        # Float pictures are in [0, 1] or, by older custom, in [0, 255].
        grey = grey * 255 if grey.max(initial=0) <= 1 else grey
        picture = PIL.Image.fromarray(np.nan_to_num(grey).round().clip(0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", picture.size, "white")
        picture = PIL.Image.alpha_composite(white, picture)
    return picture.convert("RGB")
