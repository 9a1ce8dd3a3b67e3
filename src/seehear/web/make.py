"""Run requests: job, steps with previews, and the output files."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from seehear.dsp.events import Curve, motion_energy
from seehear.errors import MediaError
from seehear.guidance.sampling import StepProgress
from seehear.media import write_audio
from seehear.media.isolated import Limits, isolated
from seehear.pipeline.job import Job, OnStep, at_final_level
from seehear.pipeline.messages import (
    guidance_failures,
    ineffective_options,
    output_summary,
    prompt_note,
    total_loss,
)
from seehear.pipeline.replay import differences, hashes_of
from seehear.pipeline.result import Result
from seehear.pipeline.task import TASKS
from seehear.web.drawings import filmstrip, spectrogram_picture, waveform_over_motion
from seehear.web.model_pool import ModelPool
from seehear.web.requests import ReplayRequest, WebRequest, input_motion
from seehear.web.run_thread import DoneEvent, Event, Output, Preview, Run, StepEvent

logger = logging.getLogger("seehear.web")
PREVIEW_EVERY = 5  # steps; fewer in short runs

Tell = Callable[[Event], None]

AnyRequest = WebRequest | ReplayRequest


@dataclass(frozen=True, kw_only=True)
class RunJob:
    """Runs the requests of one button: one output, or an unguided and a guided one."""

    asked: tuple[tuple[str, AnyRequest], ...]  # with their titles
    folder: Path  # empty; only this run writes to it
    studios: ModelPool
    run: Run
    decoding: Limits = field(default_factory=Limits)  # of the processes that read the input

    def __call__(self, tell: Tell) -> DoneEvent:
        """Generate all outputs; errors as `WebRequest.job`, and Cancelled after a stop."""
        with isolated(self.decoding):
            return self._outputs(tell)

    def _outputs(self, tell: Tell) -> DoneEvent:
        tell(StepEvent(title="", step=0, num_steps=1))
        outputs: list[Output] = []
        verdict: tuple[str, ...] = ()
        for k, (title, request) in enumerate(self.asked):
            with self.studios.use(request.models) as studio, _recorded_threads(request):
                self.run.check()
                job = request.job(studio)
                began = time.perf_counter()
                result = studio.make(job, self._on_step(k, title, job, tell))
                took_s = time.perf_counter() - began
                verdict = _verdict(request, result)
                ineffective = ineffective_options(job, studio.captioner)
            note = prompt_note(job.naming, job.prompt, job.captioned_by)
            notes = [note, *ineffective, *guidance_failures(result)]
            summary = "; ".join([f"{output_summary(result)} in {took_s:.1f} s", *notes])
            outputs.append(self._save_output(title, job, result, request.max_duration_s, summary))
        return DoneEvent(outputs=tuple(outputs), verdict=verdict)

    def _on_step(self, k: int, title: str, job: Job, tell: Tell) -> OnStep:
        """A callback for the steps of output k; all outputs have equally many steps."""
        losses: list[float] = []
        num_steps = job.preset.settings.num_steps * max(1, len(job.shots))
        every = max(1, min(PREVIEW_EVERY, job.preset.settings.num_steps // 3))

        def on_step(step: StepProgress) -> None:
            self.run.check()
            loss = total_loss(step)
            if loss is not None:
                losses.append(loss)
            done = step.i + 1
            is_previewed = done % every == 0 and done < num_steps
            tell(
                StepEvent(
                    title=title,
                    step=k * num_steps + done,
                    num_steps=len(self.asked) * num_steps,
                    losses=tuple(losses),
                    preview=self._preview(title, job, step) if is_previewed else None,
                )
            )

        return on_step

    def _preview(self, title: str, job: Job, step: StepProgress) -> Preview | None:
        """Images and audio of the current estimate; None if it contains NaN or inf."""
        media = step.preview()
        stem = self.folder / f"preview_{title}_{step.i + 1:03d}"
        audio, frames = media.get("audio"), media.get("video")
        if any(not values.isfinite().all() for values in media.values()):
            return None
        audio_path = None
        if audio is not None:
            rate = int(job.backbones["audio"].sample_rate)
            waveform = at_final_level(job, audio[0].float().cpu()[: round(job.duration_s * rate)])
            audio_path = stem.with_suffix(".wav")
            write_audio(audio_path, waveform[None], rate)
        if frames is not None:
            rounded = (frames[0].float().cpu() * 255).round().to(torch.uint8)
            image = filmstrip(rounded)
        else:
            image = spectrogram_picture(waveform, rate)
        image.save(stem.with_suffix(".png"))
        return Preview(
            step=step.i + 1,
            picture=stem.with_suffix(".png"),
            audio=audio_path,
            is_frames=frames is not None,
        )

    def _save_output(
        self, title: str, job: Job, result: Result, max_duration_s: float, summary: str
    ) -> Output:
        result = replace(result, inputs=[_without_path(entry) for entry in result.inputs])
        stem = job.path.stem[:60] if job.path is not None else "seehear"
        folder = self.folder / title
        folder.mkdir()
        media, manifest = _save_media(result, folder / stem)
        audio_file = drawing = None
        if result.waveform is not None and result.sample_rate is not None:
            waveform, rate = result.waveform.mean(dim=0), result.sample_rate
            drawing = folder / f"{stem}_over_time.png"
            motion = _motion(result, input_motion(job, max_duration_s))
            waveform_over_motion(waveform, rate, motion).save(drawing)
            audio_file = folder / f"{stem}.wav"
            if media != audio_file:
                write_audio(audio_file, result.waveform, rate)
        return Output(
            title=title,
            task=job.task,
            summary=summary,
            media=media,
            manifest=manifest,
            audio=audio_file,
            drawing=drawing,
        )


def _save_media(result: Result, stem: Path) -> tuple[Path, Path]:
    """Save in a format that browsers play, unless the input video needs another one."""
    task = TASKS[result.task]
    if task.suffix is not None:
        return result.save(stem.with_suffix(task.suffix), upscale=None)
    assert result.video_path is not None
    is_webm = result.video_path.suffix.lower() == ".webm"
    for suffix in (".webm" if is_webm else ".mp4", ".mkv"):
        try:
            return result.save(stem.with_suffix(suffix))
        except MediaError:  # the container does not support the codec
            logger.debug("%s is not saved as %s", result.video_path, suffix, exc_info=True)
    return result.save(stem.with_suffix(".mp4"), reencode=True)


def _without_path(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an input without its path on the server."""
    return {name: value for name, value in entry.items() if name != "path"}


def _motion(result: Result, input_motion: Curve | None) -> Curve | None:
    """Motion of the generated video, else of the input video."""
    if result.frames is None or len(result.frames) < 2 or result.fps is None:
        return input_motion
    return motion_energy(result.frames[None].float() / 255, float(result.fps))


@contextmanager
def _recorded_threads(request: AnyRequest) -> Iterator[None]:
    """Replay with the recorded number of threads, which affects rounding in sums."""
    before = torch.get_num_threads()
    versions = request.record["versions"] if isinstance(request, ReplayRequest) else {}
    recorded = versions.get("threads")
    if isinstance(recorded, int) and 1 <= recorded <= before:
        torch.set_num_threads(recorded)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _verdict(request: AnyRequest, result: Result) -> tuple[str, ...]:
    if isinstance(request, WebRequest):
        return ()
    replayed, compared = result.manifest(), hashes_of(request.record, "the JSON")
    if all(replayed[name] == request.record[name] for name in compared):
        return ("Same media, bit for bit.",)
    return ("It differs from the original.", *differences(request.record, replayed))
