"""The command line. PyTorch and the models are imported inside the commands that need them."""

import errno
import sys
from collections.abc import Sequence

from seehear.cli.app import app
from seehear.cli.batch import batch
from seehear.cli.data import data
from seehear.cli.doctor import doctor
from seehear.cli.evaluate import evaluate
from seehear.cli.generate_audio import i2a, v2a
from seehear.cli.generate_video import a2i, a2v, joint
from seehear.cli.models import models_app
from seehear.cli.presets import presets
from seehear.cli.replay import replay
from seehear.cli.report import report
from seehear.cli.stop_signals import Stopped, raise_if_stopped, stopping_on_signals
from seehear.cli.web import web
from seehear.errors import Cancelled, SeehearError

# In the order of `seehear --help`; groups of commands come after them.
COMMANDS = {
    "v2a": v2a,
    "i2a": i2a,
    "replay": replay,
    "presets": presets,
    "a2v": a2v,
    "a2i": a2i,
    "joint": joint,
    "doctor": doctor,
    "eval": evaluate,
    "batch": batch,
    "report": report,
    "web": web,
}
GROUPS = {"models": models_app, "data": data}

for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


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
