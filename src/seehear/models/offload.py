"""CPU offload: a network that is on its device only while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

OFFLOAD_DEVICE = torch.device("cpu")


class OffloadedModel:
    """A frozen network that can be offloaded to the CPU between calls.

    A captioner runs once before the first step. Offloading it leaves the memory of a small
    accelerator to the generating models.
    """

    def __init__(self, model: Any, device: str | torch.device, *, lean: bool = False):
        """Move the network to the device where it waits.

        Args:
            model: A model of transformers.
            device: Device that the model runs on.
            lean: Offload the model to the CPU between calls.
        """
        self.device = torch.device(device)
        self.waits_on = OFFLOAD_DEVICE if lean else self.device
        self.model = model.eval().to(self.waits_on)

    @contextmanager
    def on_device(self) -> Iterator[Any]:
        """A context in which the network is on its device."""
        self.model.to(self.device)
        try:
            yield self.model
        finally:
            self.model.to(self.waits_on)
