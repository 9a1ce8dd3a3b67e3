"""Read images as upright 8-bit RGB."""

import io
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageFile
import torch
from jaxtyping import Float64, UInt8

from seehear.errors import MediaError
from seehear.media.folders import existing_file, reason_of
from seehear.media.isolated import (
    Limits,
    can_fork,
    in_child_process,
    limits_here,
    too_slow,
)
from seehear.media.kinds import Image

MAX_DECODE_S = 60.0  # to decode an image
MAX_PIXELS = 16_000_000  # of an image in memory
# Formats whose data Pillow reads in small parts, between which a deadline can be checked. Other
# formats are decoded in one call, which can only be ended with its process.
_IN_PARTS = {"BMP", "GIF", "JPEG", "MPO", "PNG"}
_BLOCK = 1024  # bytes of a part; one can contain ten passes over all pixels of a progressive JPEG
_PROGRAMS = {"EPS"}  # Pillow runs Ghostscript for these
_WHITES = (255.0, 65_535.0, 2.0**31 - 1, 2.0**32 - 1)  # of grey images that do not say it
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}  # by EXIF orientation


def read_image(path: str | Path, *, max_seconds: float = MAX_DECODE_S) -> Image:
    """Read an image as upright 8-bit RGB. Transparent pixels are blended with white.

    An animation gives its first frame. Images of more than 16 million pixels are scaled down to
    that. 16-bit and 32-bit images are scaled to 8 bits, and NaN is black. Images that Pillow
    decodes in one call, such as TIFF and WebP, are read in a child process, which can be ended.

    Args:
        path: Any image that Pillow can read without another program.
        max_seconds: Deadline for decoding.

    Raises:
        MediaError: not an image, damaged, larger than 89 million pixels (Pillow's limit against
            decompression bombs), or not decoded in time.
    """
    path, limits = existing_file(path), limits_here()
    if limits is None:
        if not can_fork() or _is_decoded_in_parts(path, max_seconds):
            return decode_image(path, max_seconds)
        limits = Limits(seconds=max_seconds)
    limits = replace(limits, seconds=min(limits.seconds, max_seconds))
    return in_child_process(decode_image, path, limits.seconds, limits=limits)


def decode_image(path: Path, max_seconds: float) -> Image:
    """Decode an image in this process; see `read_image`."""
    with _opened(path, max_seconds) as image:
        turn = _TURNS.get(_exif_orientation(image))
        image.decodermaxblock = _BLOCK
        rgb = _to_rgb(_reduced(image))
        upright = rgb if turn is None else rgb.transpose(turn)
    return Image(pixels=torch.from_numpy(np.array(upright).transpose(2, 0, 1).copy()), path=path)


def image_size(path: Path, max_seconds: float) -> tuple[int, int] | None:
    """Width and height if the file is an image, else None.

    Raises:
        MediaError: Too many pixels, or the header is not read in time.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _TimedFile(path, max_seconds) as file, PIL.Image.open(file) as image:
                is_video = image.format == "GIF" and getattr(image, "is_animated", False)
                return None if is_video or image.format == "MPEG" else image.size
        except _LateError as error:
            raise too_slow(path, max_seconds) from error
        except PIL.Image.DecompressionBombError as error:
            raise MediaError(f"{path}: too many pixels ({error}); scale it down") from error
        except Exception:  # Pillow's parsers raise any built-in error on damaged data
            return None


def _is_decoded_in_parts(path: Path, max_seconds: float) -> bool:
    """Whether Pillow reads the data of an image in many small parts."""
    with _opened(path, max_seconds) as image:
        return image.format in _IN_PARTS


class _LateError(Exception):
    """The deadline has passed."""


class _TimedFile(io.BufferedReader):
    """A file that cannot be read after a deadline, which ends a decoder between two reads."""

    def __init__(self, path: Path, max_seconds: float):
        super().__init__(io.FileIO(path))
        self._deadline = time.monotonic() + max_seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes of the file; raises `_LateError` after the deadline."""
        if time.monotonic() > self._deadline:
            raise _LateError
        return super().read(size)


@contextmanager
def _opened(path: Path, max_seconds: float) -> Iterator[PIL.ImageFile.ImageFile]:
    """Open an image, and turn the errors of reading it into a MediaError.

    Pillow's parsers raise any built-in error on damaged data, such as IndexError and struct.error.
    """
    try:
        with warnings.catch_warnings(), _TimedFile(path, max_seconds) as file:
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # damaged EXIF is not an error
            with PIL.Image.open(file) as image:
                if image.format in _PROGRAMS:
                    raise MediaError(
                        f"{path}: expected an image such as .png or .jpg, got {image.format}, "
                        "which contains a program; export it as .png"
                    )
                yield image
    except MediaError:
        raise
    except _LateError as error:
        raise too_slow(path, max_seconds) from error
    except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: too many pixels ({error}); scale it down") from error
    except PIL.UnidentifiedImageError as error:
        raise MediaError(
            f"{path}: expected an image such as .png or .jpg, but its format is unknown; export it "
            "as .png"
        ) from error
    except Exception as error:
        raise MediaError(
            f"{path}: expected an image such as .png or .jpg, but it cannot be read as one "
            f"({type(error).__name__}: {reason_of(error)}); export it again"
        ) from error


def _exif_orientation(image: PIL.Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or cannot be read.

    Only this tag is read, so that damage in others does not matter.
    """
    try:
        return int(image.getexif().get(PIL.ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def _reduced(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image, scaled down by a whole number if it has too many pixels."""
    across, down = _reduction(image)
    if across == down == 1:
        return image
    if image.format == "JPEG2000":  # Pillow decodes it as a whole, with 4 bytes a channel
        raise PIL.Image.DecompressionBombError(
            f"{image.width} x {image.height}, expected at most {MAX_PIXELS // 10**6} million"
        )
    image.draft(None, (image.width // across, image.height // down))  # JPEG decodes smaller
    across, down = _reduction(image)
    if image.mode in ("P", "1") or image.mode.startswith("I;16"):  # Pillow cannot average these
        return image.resize((image.width // across, image.height // down))
    return image.reduce((across, down))


def _reduction(image: PIL.Image.Image) -> tuple[int, int]:
    """Divisors of width and height that leave at most `MAX_PIXELS`; strips keep one pixel."""
    width, height = image.size
    factor = max(1, math.ceil(math.sqrt(width * height / MAX_PIXELS)))
    across, down = min(factor, width), min(factor, height)
    if down < factor:
        across = math.ceil(width * (height // down) / MAX_PIXELS)
    elif across < factor:
        down = math.ceil(height * (width // across) / MAX_PIXELS)
    return across, down


def _to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Convert any Pillow mode to 8-bit RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        whites: tuple[float, ...] = (1.0, *_WHITES) if image.mode == "F" else _WHITES
        if image.mode.startswith("I;16"):
            whites = (65_535.0,)
        image = PIL.Image.fromarray(_grey_8_bit(np.asarray(image, np.float64), whites))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image)
    return image.convert("RGB")


def _grey_8_bit(
    grey: Float64[np.ndarray, "height width"], whites: Sequence[float]
) -> UInt8[np.ndarray, "height width"]:
    """Scale grey values to 8 bits, by the smallest of the usual white levels that contains them."""
    brightest = grey[np.isfinite(grey)].max(initial=0)
    white = next((white for white in whites if brightest <= white), brightest)
    scaled = np.nan_to_num(grey / white * 255, nan=0.0, posinf=255.0, neginf=0.0)
    return scaled.round().clip(0, 255).astype(np.uint8)
