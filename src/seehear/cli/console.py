"""Output of the commands: results to stdout; progress, warnings and errors to stderr."""

from pathlib import Path

from rich.console import Console

from seehear.errors import SeehearError

# File names may contain brackets, so markup is off. Colours are used on a terminal only.
out = Console(markup=False, highlight=False, soft_wrap=True)
err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def print_error(error: SeehearError, *paths: Path) -> None:
    """Print a user error in one line. It begins with the first path unless it names one of them."""
    message = str(error)
    if paths and not any(str(path) in message for path in paths):
        message = f"{paths[0]}: {message}"
    err.print(f"seehear: error: {message}", style="red")
