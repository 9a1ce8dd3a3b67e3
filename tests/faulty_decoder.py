"""A decoder that crashes, hangs or fills the memory, as the name of the file says.

Preload it in the processes that decode: see `seehear.media.isolated.PRELOADED`.
"""

import os
import signal
import time
from pathlib import Path

import av

_open = av.open


def _faulty_open(file, *args, **kwargs):
    name = Path(file).name if isinstance(file, str) else ""  # else encoded in memory
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        time.sleep(3600)
    if name.startswith("bomb"):
        bytearray(2**40)
    return _open(file, *args, **kwargs)


av.open = _faulty_open
