"""The command line. PyTorch and the models are imported inside the commands that need them."""

import sys
from collections.abc import Sequence

from seehear.cli.web import app  # with it, all commands
from seehear.errors import Cancelled, SeehearError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What comes after `seehear`; None takes them from the shell.

    Returns:
        The exit code: 0; 1 if a replay differs; 2 for an error that the caller can put right;
        130 when interrupted. Anything unexpected is a bug and keeps its traceback.
    """
    try:
        app(args=arguments, prog_name="seehear")
    except Cancelled:
        return 130
    except SeehearError as error:
        print(f"seehear: error: {error}", file=sys.stderr)
        return 2
    except SystemExit as done:
        return int(done.code or 0)
    return 0


__all__ = ["main"]
