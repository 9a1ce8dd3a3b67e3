"""Text from users: prompts, and files of text with a limit of their size."""

from pathlib import Path

from seehear.errors import SettingsError


def check_text(prompt: str | None) -> None:
    """Raise SettingsError if a prompt is no Unicode text, as from a terminal without UTF-8."""
    try:
        (prompt or "").encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"expected a prompt in UTF-8, got a byte that is not at position {error.start + 1}; "
            "check the encoding of the terminal or file"
        ) from error


def read_text(path: str | Path, kind: str, max_bytes: int) -> str:
    """The text of a file in UTF-8.

    Args:
        path: The file.
        kind: Its kind for messages, such as "a job file".
        max_bytes: Larger files are refused.

    Raises:
        SettingsError: The file cannot be read, is too large, or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{path!s:.300}: cannot be read ({reason}); expected {kind}, check its name and "
            "permissions"
        ) from error
    if len(content) > max_bytes:
        raise SettingsError(
            f"{path}: expected {kind} of at most {max_bytes // 10**6} MB, got a larger one; split "
            "the file"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: expected {kind} in UTF-8, got other bytes at {error.start}; save it as UTF-8"
        ) from error
