"""Sounds and videos out. A file appears under its name only when it is complete."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
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
from jaxtyping import Float, UInt8
from torch import Tensor

from seehear.errors import MediaError
from seehear.media.encode import (
    SOUND_RATE,
    add_sound,
    container_for,
    fitted,
    sound_for_tracks,
    sound_packets,
    turned_down,
)
from seehear.media.folders import check_folder_of

# What each suffix means to soundfile.
SOUND_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
}
# What each suffix means to Pillow.
PICTURE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there at the end, or remove it on an error.

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
            f"{path}: could not be written ({error}); check space and permissions"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_audio(
    path: str | Path, waveform: Float[Tensor, "channels samples"], sample_rate: int
) -> float:
    """Write a sound as .wav, .flac (both 16 bits) or .ogg.

    Returns:
        The gain applied: 1.0, or less when the waveform would have exceeded full scale.

    Raises:
        MediaError: another suffix, a missing folder, or a disk that refuses.
        ValueError: a sample is not a finite number.
    """
    path = Path(path)
    if path.suffix.lower() not in SOUND_FORMATS:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'!r} sounds; "
            f"choose one of {', '.join(SOUND_FORMATS)}"
        )
    if not waveform.isfinite().all():
        raise ValueError("the waveform has samples that are not finite numbers")
    file_format, subtype = SOUND_FORMATS[path.suffix.lower()]
    samples = waveform.detach().cpu().float().numpy().T
    full_scale = 1 - 2**-15  # the largest positive number in 16 bits
    peak = float(np.abs(samples).max(initial=0))
    gain = full_scale / peak if peak > 1 else 1.0
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


def write_video(
    path: str | Path,
    frames: UInt8[Tensor, "n 3 height width"],
    fps: float | Fraction,
    waveform: Float[Tensor, "channels samples"] | None = None,
    sample_rate: int | None = None,
    *,
    max_dbfs: float = -1.0,
    comment: str | None = None,
    crf: int = 18,
) -> None:
    """Write frames, and a sound of the same length, as .mp4, .mov, .m4v, .mkv or .webm.

    H.264 with AAC in the first three, with Opus in Matroska; VP9 with Opus in WebM. Odd widths
    and heights grow by one pixel. The sound starts with the first frame and is cut or padded
    with silence to n / fps seconds. `comment` goes into the file's metadata. `crf` is the encoder's
    constant rate factor: 18 looks like the original, 30 takes a fraction of the space.

    Raises:
        MediaError: another suffix, a missing folder, or a disk that refuses.
        ValueError: no frames, or a sound without sample rate.
    """
    path = Path(path)
    kind = container_for(path)
    if not len(frames):
        raise ValueError("expected at least one frame, got none")
    rate = Fraction(fps).limit_denominator(1001)
    sound = None
    if waveform is not None:
        if sample_rate is None:
            raise ValueError("a waveform needs its sample_rate")
        sound = sound_for_tracks(waveform.detach().cpu().float().numpy(), sample_rate)
        sound = turned_down(fitted(sound, round(len(frames) / rate * SOUND_RATE)), kind, max_dbfs)
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format=kind.format, options=dict(kind.options)) as output,
    ):
        if comment is not None:
            output.metadata["comment"] = comment
        picture = output.add_stream(kind.picture_codec, rate=rate, options={"crf": str(crf)})
        assert isinstance(picture, VideoStream)
        height, width = frames.shape[2:]
        picture.width, picture.height = width + width % 2, height + height % 2
        picture.pix_fmt = "yuv420p"
        track = None if sound is None else add_sound(output, kind, len(sound))
        for frame in frames:
            output.mux(picture.encode(_even_frame(frame)))
        output.mux(picture.encode(None))
        if track is not None and sound is not None:
            output.mux(list(sound_packets(track, sound)))


def write_image(
    path: str | Path, pixels: UInt8[Tensor, "3 height width"], comment: str | None = None
) -> None:
    """Write a picture as .png, .jpg or .webp, with `comment` in its metadata.

    In PNG it is the text "Comment", in the others EXIF's image description.

    Raises:
        MediaError: another suffix, a missing folder, or a disk that refuses.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURE_FORMATS:
        raise MediaError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'!r} pictures; "
            f"choose one of {', '.join(PICTURE_FORMATS)}"
        )
    kind = PICTURE_FORMATS[path.suffix.lower()]
    options: dict[str, object] = {"quality": 95} if kind != "PNG" else {}
    if comment is not None and kind == "PNG":
        info = PIL.PngImagePlugin.PngInfo()
        info.add_text("Comment", comment)
        options["pnginfo"] = info
    elif comment is not None:
        exif = PIL.Image.Exif()
        exif[PIL.ExifTags.Base.ImageDescription] = comment
        options["exif"] = exif
    picture = PIL.Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())
    with replacing(path) as temporary:
        picture.save(temporary, kind, **options)


def upscaled(
    frames: UInt8[Tensor, "n 3 height width"], factor: int
) -> UInt8[Tensor, "n 3 tall wide"]:
    """Frames enlarged by a whole factor with Pillow's Lanczos filter.

    Raises:
        ValueError: The factor is not positive.
    """
    if factor < 1:
        raise ValueError(f"expected a factor of at least 1, got {factor}")
    if factor == 1:
        return frames
    count, channels, height, width = frames.shape
    size = (factor * width, factor * height)
    # Filled frame by frame: a minute of large ones is a gigabyte, and stacking would take two.
    large = torch.empty((count, channels, size[1], size[0]), dtype=torch.uint8)
    for frame, tall in zip(frames, large, strict=True):
        picture = PIL.Image.fromarray(frame.permute(1, 2, 0).cpu().numpy())
        enlarged = np.array(picture.resize(size, PIL.Image.Resampling.LANCZOS))
        tall.copy_(torch.from_numpy(enlarged).permute(2, 0, 1))
    return large


def _even_frame(frame: UInt8[Tensor, "3 height width"]) -> VideoFrame:
    """A frame for chroma at half size: the last row or column is repeated where needed."""
    pixels = frame.permute(1, 2, 0).cpu().numpy()
    height, width, _ = pixels.shape
    pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
