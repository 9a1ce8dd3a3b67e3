"""Model families shared by all visitors: each is loaded once and used by one job at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seehear.errors import SettingsError
from seehear.models.cache import path_of
from seehear.models.catalogue import find_model
from seehear.models.families import PAPER_AUDIO, PAPER_IMAGE, PAPER_MOTION
from seehear.models.load_options import LoadOptions
from seehear.pipeline.studio import Studio, load_studio
from seehear.pipeline.task import TASKS

JOINT = "joint model"  # the first family with a joint model as its backbone


def families_here() -> tuple[str, ...]:
    """The families whose weights are on this machine; visitors cannot start downloads."""
    needed = [find_model(name) for name in ("imagebind", PAPER_AUDIO, PAPER_IMAGE, PAPER_MOTION)]
    is_complete = all(entry is not None and path_of(entry) is not None for entry in needed)
    return ("pocket", "paper") if is_complete else ("pocket",)


class ModelPool:
    """The families that visitors may choose from."""

    def __init__(self, names: Sequence[str], device: str = "cpu", backbone: str | None = None):
        """Create a pool; `use` loads the models.

        Args:
            names: Families of `seehear.models.families`; the first is the default.
            device: Device of the models.
            backbone: As `LoadOptions.backbone`, for the tasks of a joint model; None: none.
        """
        self.names = tuple(names)
        self._options = {n: LoadOptions(models=n, device=device) for n in self.names}
        if backbone is not None:
            joint = LoadOptions(models=self.names[0], device=device, backbone=backbone)
            self._options[JOINT] = joint
        self._studios: dict[str, Studio] = {}
        self._lock = threading.Lock()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that the models can do."""
        return tuple(
            name for name, t in TASKS.items() if JOINT in self._options or not t.needs_joint_model
        )

    @contextmanager
    def use(self, name: str) -> Iterator[Studio]:
        """Lock a family for one job; the first use loads it.

        Raises:
            SettingsError: The pool has no such family.
            WeightsError: Its weights cannot be loaded.
        """
        if name not in self._options:
            raise SettingsError(f"expected one of the models {', '.join(self.names)}, got {name!r}")
        with self._lock:
            if name not in self._studios:
                self._studios[name] = load_studio(self._options[name])
            yield self._studios[name]
