"""A network that is on its device while it speaks, and may leave afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

OFFLOAD_DEVICE = torch.device("cpu")


class OffloadedModel:
    """A frozen network with a device of its own.

    A captioner says one sentence before the first step and is not needed again, so on a small
    accelerator it gives its room to the models that make something.
    """

    def __init__(self, model: Any, device: str | torch.device, *, lean: bool = False):
        """Put the network where it waits.

        Args:
            model: Of transformers.
            device: Where it runs.
            lean: Wait in the computer's own memory.
        """
        self.device = torch.device(device)
        self.waits_on = OFFLOAD_DEVICE if lean else self.device
        self.model = model.eval().to(self.waits_on)

    @contextmanager
    def on_device(self) -> Iterator[Any]:
        """The network on its device; afterwards it is where it waits."""
        self.model.to(self.device)
        try:
            yield self.model
        finally:
            self.model.to(self.waits_on)
