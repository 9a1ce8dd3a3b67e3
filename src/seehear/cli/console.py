"""Output of the commands: results to stdout; progress, warnings and errors to stderr."""

from pathlib import Path

from rich.console import Console

from seehear.errors import SeehearError

# File names may hold brackets, so nothing is read as markup; off a terminal neither uses colours.
out = Console(markup=False, highlight=False, soft_wrap=True)
err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def tell_error(error: SeehearError, path: Path | None = None) -> None:
    """Say in one sentence what the caller can put right, and of which file."""
    sentence = str(error)
    if path is not None and str(path) not in sentence:
        sentence = f"{path}: {sentence}"
    err.print(f"seehear: error: {sentence}", style="red")
