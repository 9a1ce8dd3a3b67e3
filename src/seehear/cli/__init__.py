"""The command line: `main`, with its exit codes."""

import errno
import sys
from collections.abc import Sequence

from seehear.cli.stop_signals import Stopped, raise_if_stopped, stopping_on_signals
from seehear.errors import Cancelled, SeehearError

# Errors of the operating system that the user can mend, wherever they occur.
_USER_ERRNOS = (errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ELOOP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The arguments after `seehear`; None: those of the process.

    Returns:
        The exit code: 0; 1 if a replay differs, or if a part of a batch is not done; 2 for a user
        error; 130 after Ctrl-C, 143 after SIGTERM. Any other error is a bug and keeps its
        traceback.
    """
    with stopping_on_signals() as stop:
        try:
            return _run(arguments)
        except BaseException as error:  # libraries may replace `Stopped` by errors of their own
            if stop.number is None:
                raise
            notes = getattr(error, "__notes__", [])
    print("; ".join([stop.text(), *notes]), file=sys.stderr)
    return stop.exit_code


def _run(arguments: Sequence[str] | None) -> int:
    # Imported here, so that a signal while modules are imported ends in one line, too.
    from seehear.cli.commands import app

    try:
        app(args=arguments, prog_name="seehear")
    except Cancelled:
        return 130
    except SeehearError as error:
        raise_if_stopped()
        print(f"seehear: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _USER_ERRNOS:
            raise
        print(f"seehear: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except Stopped:
        raise
    except SystemExit as done:
        return int(done.code or 0)
    return 0


__all__ = ["main"]
