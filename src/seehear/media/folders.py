"""Files and folders: that inputs exist, and that outputs have a folder."""

from pathlib import Path

from seehear.errors import MediaError


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
    """Raise MediaError if the parent folder of an output file is missing."""
    if not path.parent.is_dir():
        raise MediaError(f"{path}: there is no folder {path.parent}; create it first")


def existing_file(path: str | Path) -> Path:
    """Check that `path` is a readable, non-empty file and return it as a Path.

    Raises:
        MediaError: the file is missing, a folder, empty or unreadable.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            first_byte = file.read(1)
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file; check the name") from None
    except IsADirectoryError:
        raise MediaError(f"{path}: expected a media file, got a folder") from None
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be read ({error}); check its permissions") from error
    if not first_byte:
        raise MediaError(f"{path}: the file is empty (0 bytes); export or download it again")
    return path
