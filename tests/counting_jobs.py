"""Jobs that cost nothing, to test and time everything around them."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from seehear.batch.ledger import ListedJob
from seehear.errors import MediaError


def entries(count: int, first: int = 0, text: str = "") -> list[ListedJob]:
    names = [f"{i:03d}" for i in range(first, first + count)]
    return [
        ListedJob(
            name, json.dumps({"id": name, "output": f"{name}.mp4", "text": text}), f"{name}.mp4"
        )
        for name in names
    ]


@dataclass(frozen=True)
class WritesItsName:
    """Writes the job's own line; waits, fails or dies where told to."""

    seconds: float = 0.0
    refuses: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    dies_once: str | None = None  # folder for a mark that says it did
    dies_always: tuple[str, ...] = ()
    num_bytes: int = 0  # at least so long is the output

    def __call__(self, spec: str, folder: Path) -> None:
        entry = json.loads(spec)
        name = entry["id"]
        if name in self.refuses:
            raise MediaError(f"{name}: cannot be made")
        if name in self.breaks:
            raise ZeroDivisionError("a bug")
        if name in self.dies_always:
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / entry["output"]).write_text(spec[: len(spec) // 2])
        if self.dies_once and not (mark := Path(self.dies_once) / name).exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        (folder / entry["output"]).write_text(spec.ljust(self.num_bytes))
        (folder / entry["output"]).with_suffix(".json").write_text(json.dumps({"id": name}))
