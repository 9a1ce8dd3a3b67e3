"""Write audio, video and images. A file appears under its name only when it is complete."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.PngImagePlugin
import soundfile
import torch
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.media.encode import (
    AUDIO_CONTAINERS,
    AUDIO_RATE,
    Container,
    add_audio_track,
    audio_packets,
    container_for,
    limit_peak,
    look_ahead,
    pad_or_trim,
    resample_for_track,
)
from seehear.media.folders import check_folder_of, reason_of
from seehear.media.mixing import container_of, in_stereo
from seehear.media.suffixes import AUDIO_OUTPUTS, PCM_OUTPUTS
from seehear.media.track import Track

# soundfile format and subtype of each suffix that it writes.
AUDIO_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".aif": ("AIFF", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
}
# Pillow format of each suffix.
IMAGE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; move it to `path`, or delete it on an error.

    Raises:
        MediaError: the folder is missing, `path` is a folder, or the file cannot be written.
    """
    path = Path(path)
    check_folder_of(path)
    if path.is_dir():
        raise MediaError(f"{path}: expected a file name to write to, got a folder")
    temporary = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except (av.FFmpegError, soundfile.SoundFileError, OSError) as error:
        raise MediaError(
            f"{path}: could not be written ({reason_of(error)}); check space and permissions"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_audio(
    path: str | Path,
    waveform: Float[Tensor, "channels samples"],
    sample_rate: int,
    *,
    is_24_bit: bool = False,
) -> float:
    """Write audio as .wav, .flac, .aif, .ogg, .mp3, .m4a, .aac or .opus.

    .wav, .flac and .aif have 16 bits, or 24 with `is_24_bit`. .mp3, .m4a, .aac and .opus are
    resampled to 48 kHz. Decoders of .aac cannot know the exact length, so up to 0.1 s of silence
    surrounds the audio.

    Returns:
        The applied gain: 1.0, or less if the waveform exceeds full scale.

    Raises:
        MediaError: another suffix, a lossy format with 24 bits, a missing folder, or a write error.
        ValueError: a sample is NaN or infinite.
    """
    path = Path(path)
    if path.suffix.lower() not in AUDIO_OUTPUTS:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'!r} as audio; "
            f"choose one of {', '.join(AUDIO_OUTPUTS)}"
        )
    if not waveform.isfinite().all():
        raise ValueError("expected finite samples, got a waveform with NaN or inf")
    file_format, subtype = AUDIO_FORMATS.get(path.suffix.lower(), ("", ""))
    if is_24_bit:
        if path.suffix.lower() not in PCM_OUTPUTS:
            raise MediaError(
                f"{path}: expected .wav, .aif or .flac for PCM audio, got {path.suffix}; choose "
                "another suffix, or 16 bits"
            )
        subtype = "PCM_24"
    samples = waveform.detach().cpu().float().numpy().T
    full_scale = 1 - 2**-15  # the largest positive number in 16 bits
    peak = float(np.abs(samples).max(initial=0))
    gain = full_scale / peak if peak > 1 else 1.0
    if path.suffix.lower() in AUDIO_CONTAINERS:
        _encode_audio(path, samples.T * np.float32(gain), sample_rate)
        return gain
    with (
        replacing(path) as temporary,
        soundfile.SoundFile(
            temporary, "w", sample_rate, samples.shape[1], format=file_format, subtype=subtype
        ) as file,
    ):
        # libsndfile's Vorbis encoder overflows its stack on blocks of many seconds.
        for first in range(0, len(samples), sample_rate):
            file.write(samples[first : first + sample_rate] * np.float32(gain))
    return gain


def write_stem(
    path: Path, samples: Float32[np.ndarray, "channels samples"], sample_rate: int
) -> None:
    """Write a .wav file of 32-bit floats, which may exceed full scale."""
    soundfile.write(path, samples.T, sample_rate, format="WAV", subtype="FLOAT")


def _encode_audio(
    path: Path, samples: Float32[np.ndarray, "channels samples"], sample_rate: int
) -> None:
    kind = AUDIO_CONTAINERS[path.suffix.lower()]
    resampled = resample_for_track(samples, sample_rate)
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format=kind.format, options=dict(kind.options)) as output,
    ):
        track = add_audio_track(output, kind, len(resampled))
        output.mux(list(audio_packets(track, resampled)))


def write_video(
    path: str | Path,
    frames: UInt8[Tensor, "n 3 height width"],
    fps: float | Fraction,
    waveform: Float[Tensor, "channels samples"] | None = None,
    sample_rate: int | None = None,
    *,
    track: Track = Track(),  # noqa: B008 - frozen
    max_dbfs: float = -1.0,
    comment: str | None = None,
    crf: int = 18,
) -> None:
    """Write frames, and optionally audio, as .mp4, .mov, .m4v, .mkv or .webm.

    The codecs are H.264 with AAC in .mp4, .mov and .m4v, H.264 with Opus in .mkv, and VP9 with
    Opus in .webm. Odd widths and heights grow by one pixel. The audio starts with the first frame
    and is trimmed or padded with silence to n / fps seconds. `track` sets its channels and codec.
    `comment` is written to the metadata.
    `crf` is the constant rate factor of the encoder: 18 is visually lossless, 30 gives much smaller
    files.

    Raises:
        MediaError: another suffix, a missing folder, or a write error.
        ValueError: no frames, or a waveform without sample rate.
    """
    path = Path(path)
    kind = container_of(path, track)
    if track.has_stems:
        raise SettingsError(f"{path}: expected stems only for a video file as input")
    if not len(frames):
        raise ValueError("expected at least one frame, got none")
    rate = Fraction(fps).limit_denominator(1001)
    audio = None
    if waveform is not None:
        if sample_rate is None:
            raise ValueError("expected a sample_rate with the waveform, got None")
        audio = resample_for_track(waveform.detach().cpu().float().numpy(), sample_rate)
        if track.is_stereo:
            audio = in_stereo(audio)
        num_samples = round(len(frames) / rate * AUDIO_RATE)
        audio = limit_peak(pad_or_trim(audio, num_samples), kind, max_dbfs)
    with replacing(path) as temporary:
        encode_video(
            temporary, frames.cpu().numpy(), rate, audio, kind=kind, comment=comment, crf=crf
        )


def encode_video(
    path: Path,
    frames: Iterable[UInt8[np.ndarray, "3 height width"]],
    rate: Fraction,
    audio: Float32[np.ndarray, "channels samples"] | None = None,
    *,
    kind: Container | None = None,
    comment: str | None = None,
    crf: int = 18,
) -> None:
    """Encode frames one by one, and 48 kHz audio, into a file; the arguments of `write_video`.

    `kind` is the container; None: that of the suffix.
    """
    kind = kind or container_for(path)
    with av.open(str(path), "w", format=kind.format, options=dict(kind.options)) as output:
        if comment is not None:
            output.metadata["comment"] = comment
        converted = map(_even_frame, frames)
        first = next(converted)
        options = {"crf": str(crf)} | look_ahead(kind, first.width * first.height)
        video = output.add_stream(kind.video_codec, rate=rate, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
        audio_track = None if audio is None else add_audio_track(output, kind, len(audio))
        for frame in chain([first], converted):
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio_track is not None and audio is not None:
            output.mux(list(audio_packets(audio_track, audio)))


def write_image(
    path: str | Path, pixels: UInt8[Tensor, "3 height width"], comment: str | None = None
) -> None:
    """Write an image as .png, .jpg or .webp, with `comment` in its metadata.

    PNG stores it as the text "Comment", JPEG and WebP as the EXIF image description.

    Raises:
        MediaError: another suffix, a missing folder, or a write error.
    """
    path = Path(path)
    if path.suffix.lower() not in IMAGE_FORMATS:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'!r} as an image; "
            f"choose one of {', '.join(IMAGE_FORMATS)}"
        )
    kind = IMAGE_FORMATS[path.suffix.lower()]
    options: dict[str, object] = {"quality": 95} if kind != "PNG" else {}
    if comment is not None and kind == "PNG":
        info = PIL.PngImagePlugin.PngInfo()
        info.add_text("Comment", comment)
        options["pnginfo"] = info
    elif comment is not None:
        exif = PIL.Image.Exif()
        exif[PIL.ExifTags.Base.ImageDescription] = comment
        options["exif"] = exif
    image = PIL.Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
    with replacing(path) as temporary:
        image.save(temporary, kind, **options)


def upscaled(
    frames: UInt8[Tensor, "n 3 height width"], factor: int
) -> UInt8[Tensor, "n 3 tall wide"]:
    """Enlarge frames by an integer factor with Pillow's Lanczos filter.

    Raises:
        ValueError: `factor` is less than 1.
    """
    if factor < 1:
        raise ValueError(f"expected a factor of at least 1, got {factor}")
    if factor == 1:
        return frames
    count, channels, height, width = frames.shape
    size = (factor * width, factor * height)
    # Preallocated: a minute of large frames takes a gigabyte, and stacking would need two.
    large = torch.empty((count, channels, size[1], size[0]), dtype=torch.uint8)
    for frame, tall in zip(frames, large, strict=True):
        image = PIL.Image.fromarray(frame.permute(1, 2, 0).cpu().numpy())
        enlarged = np.array(image.resize(size, PIL.Image.Resampling.LANCZOS))
        tall.copy_(torch.from_numpy(enlarged).permute(2, 0, 1))
    return large


def _even_frame(frame: UInt8[np.ndarray, "3 height width"]) -> VideoFrame:
    """Pad to even sizes, which 4:2:0 chroma needs, by repeating the last row or column."""
    pixels = frame.transpose(1, 2, 0)
    height, width, _ = pixels.shape
    pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
