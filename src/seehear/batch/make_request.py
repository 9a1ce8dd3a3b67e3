"""Jobs that are orders: each worker loads a family of models once and makes what it gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from seehear.batch.job_list import Entry
from seehear.pipeline.result import Result
from seehear.pipeline.studio import Studio, load


@dataclass(frozen=True)
class RequestMaker:
    """Makes orders with a family of models that is loaded once, when the first job comes."""

    models: str = "pocket"
    options: Mapping[str, Any] = field(default_factory=dict)  # of `seehear.pipeline.studio.load`
    threads: int | None = 1  # of PyTorch, in each worker
    _studio: list[Studio] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, spec: str, folder: Path) -> None:
        """Make media and manifest; errors as `Order.job` and `Result.save`."""
        entry = Entry.from_json_line(spec)
        result = entry.order.make(self.studio())
        entry.order.save(timeless(result), folder / entry.output)

    def studio(self) -> Studio:
        """The models, loaded when first asked for."""
        if not self._studio:
            if self.threads is not None:
                torch.set_num_threads(self.threads)
            self._studio.append(load(self.models, **self.options))
        return self._studio[0]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_studio": []}  # models are not sent


def timeless(result: Result) -> Result:
    """A result whose manifest doesn't say how long steps took: the same job gives the same bytes.

    How long each job took is in the ledger.
    """
    volatile = ("seconds", "align_seconds")
    trace = [{k: v for k, v in step.items() if k not in volatile} for step in result.trace]
    return replace(result, trace=trace)
