"""Files and folders: that inputs exist, and that outputs have a folder."""

import os
import stat
from pathlib import Path

from seehear.errors import MediaError

# Of a file name, without its suffix. File systems allow 255 with it, and the manifest beside an
# output has a longer suffix.
MAX_STEM_BYTES = 240


def ensure_folder(path: str | Path) -> Path:
    """Create a folder and its missing parents, and return its path.

    Raises:
        MediaError: `path` is a file, or the folder cannot be created.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"{path}: expected a folder or a path for a new one, got {error.strerror}; choose "
            "another name"
        ) from error
    return path


def check_folder_of(path: Path) -> None:
    """Raise MediaError if an output has no folder, or a name that is too long."""
    check_name(path)
    if not path.parent.is_dir():
        raise MediaError(f"{path}: there is no folder {path.parent}; create it first")


def check_name(path: Path) -> None:
    """Raise MediaError if the name of an output is too long."""
    if len(os.fsencode(path.stem)) > MAX_STEM_BYTES:
        raise MediaError(
            f"{path}: expected a file name of at most {MAX_STEM_BYTES} bytes before the suffix, "
            f"got {len(os.fsencode(path.stem))}; choose a shorter one"
        )


def existing_file(path: str | Path) -> Path:
    """Check that `path` is a readable, non-empty file and return it as a Path.

    Raises:
        MediaError: the file is missing, a folder, a pipe or device, empty or unreadable.
    """
    path = Path(path)
    try:
        kind = path.stat().st_mode
        is_special = not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)
        # A pipe without a writer would block.
        first_byte = b"" if is_special else _first_byte(path)
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file; check the name") from None
    except IsADirectoryError:
        raise MediaError(f"{path}: expected a media file, got a folder") from None
    except (OSError, ValueError) as error:
        raise MediaError(
            f"{path}: cannot be read ({reason_of(error)}); check its permissions"
        ) from error
    if is_special:
        raise MediaError(
            f"{path}: expected a file, got a pipe or a device; save the media to a file first"
        )
    if not first_byte:
        raise MediaError(f"{path}: the file is empty (0 bytes); export or download it again")
    return path


def reason_of(error: Exception) -> str:
    """What an error says, without the path that errors of the system and of FFmpeg repeat."""
    return getattr(error, "strerror", None) or str(error)


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)
