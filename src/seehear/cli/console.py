"""Output of the commands: results to stdout; progress, warnings and errors to stderr."""

from pathlib import Path

from rich.console import Console

from seehear.errors import SeehearError

# File names may contain brackets, so markup is off. Colours are used on a terminal only.
out = Console(markup=False, highlight=False, soft_wrap=True)
err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def print_error(error: SeehearError, path: Path | None = None) -> None:
    """Print a user error in one line, with the path of the file that it is about."""
    message = str(error)
    if path is not None and str(path) not in message:
        message = f"{path}: {message}"
    err.print(f"seehear: error: {message}", style="red")
