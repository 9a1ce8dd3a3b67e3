"""Run requests as jobs: each worker loads one family of models once."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from seehear.batch.job_list import Entry
from seehear.media.isolated import begin_importing, isolated
from seehear.models.load_options import LoadOptions
from seehear.pipeline.result import Result
from seehear.pipeline.run_request import check_output, run_request, save_output
from seehear.pipeline.studio import Studio, load_studio


@dataclass(frozen=True)
class RequestMaker:
    """Runs requests with a family of models, which the first job loads."""

    options: LoadOptions = field(default_factory=LoadOptions)
    threads: int | None = 1  # PyTorch threads of each worker; None: PyTorch's default
    _studio: list[Studio] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, spec: str, folder: Path) -> None:
        """Write the media and the manifest; raises the errors of `job_for` and `Result.save`.

        The input is read in child processes, so that a crash in a decoder costs one job.
        """
        entry = Entry.from_json_line(spec)
        request = entry.request
        begin_importing()  # of the decoders, while the models load
        studio = self.studio()
        with isolated():
            check_output(request, folder / entry.output)
            result = without_timings(run_request(studio, request))
            save_output(
                result,
                folder / entry.output,
                track=request.track,
                is_reencoded=request.reencode,
                upscale=request.upscale,
            )

    def studio(self) -> Studio:
        """The models, loaded on the first call."""
        if not self._studio:
            if self.threads is not None:
                torch.set_num_threads(self.threads)
            self._studio.append(load_studio(self.options))
        return self._studio[0]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_studio": []}  # models are not pickled


def recorded_options(options: LoadOptions, threads: int) -> str:
    """The models of a batch as a JSON text, in the form that version 0.1.0 recorded."""
    values: dict[str, Any] = {
        name: getattr(options, name) for name in ("audio", "video", "motion", "binder", "device")
    }
    values |= {"dtype": f"torch.{options.dtype}", "commercial": options.commercial}
    values["captioner"] = options.captioner
    if options.latent_encoders is not None:
        values["latent_encoders"] = options.latent_encoders
    if options.clip or options.binder_options:
        values |= {"clip": dict(options.clip), "binder_options": dict(options.binder_options)}
    if options.checkpointing or options.lean:
        values |= {"checkpointing": options.checkpointing, "lean": options.lean}
    texts = {name: str(value) for name, value in values.items()}
    return json.dumps([options.models, texts, threads])


def without_timings(result: Result) -> Result:
    """Drop the run time of each step, so that equal jobs write equal manifests.

    The ledger has the run time of each job.
    """
    volatile = ("seconds", "align_seconds")
    trace = [{k: v for k, v in step.items() if k not in volatile} for step in result.trace]
    return replace(result, trace=trace)
