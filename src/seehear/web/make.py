"""From requests to files: job, steps with previews, media, audio, manifest and drawing."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seehear.dsp.events import Curve, motion_energy
from seehear.errors import MediaError
from seehear.guidance.sampling import StepProgress
from seehear.media import finish_level, write_audio
from seehear.pipeline.job import Job, OnStep
from seehear.pipeline.messages import ineffective_options, output_summary, prompt_note, total_loss
from seehear.pipeline.replay import differences, hashes_of
from seehear.pipeline.result import Result
from seehear.pipeline.task import TASKS
from seehear.web.drawings import filmstrip, spectrogram_picture, waveform_over_motion
from seehear.web.model_pool import ModelPool
from seehear.web.requests import ReplayRequest, WebRequest, motion_given
from seehear.web.run_thread import DoneEvent, Event, Output, Preview, Run, StepEvent

LOOK_EVERY = 5  # steps, in a run of usual length

Tell = Callable[[Event], None]

AnyRequest = WebRequest | ReplayRequest


@dataclass(frozen=True, kw_only=True)
class RunJob:
    """The run of one button: one output, or an unguided and a guided one side by side."""

    asked: tuple[tuple[str, AnyRequest], ...]  # with their titles
    folder: Path  # empty, for this run alone
    studios: ModelPool
    run: Run

    def __call__(self, tell: Tell) -> DoneEvent:
        """Make everything; errors as `WebRequest.job`, and Cancelled once the run is stopped."""
        tell(StepEvent(title="", step=0, num_steps=1))
        outputs: list[Output] = []
        verdict: tuple[str, ...] = ()
        for k, (title, asked) in enumerate(self.asked):
            with self.studios.use(asked.models) as studio, _threads_of(asked):
                self.run.check()
                job = asked.job(studio)
                began = time.perf_counter()
                result = studio.make(job, self._on_step(k, title, job, tell))
                took_s = time.perf_counter() - began
                verdict = _verdict(asked, result)
                clauses = ineffective_options(job, studio.captioner)
            words = prompt_note(job.named, job.prompt, job.captioned_by)
            said = "; ".join([f"{output_summary(result)} in {took_s:.1f} s", words, *clauses])
            outputs.append(self._saved(title, job, result, asked.max_duration_s, said))
        return DoneEvent(outputs=tuple(outputs), verdict=verdict)

    def _on_step(self, k: int, title: str, job: Job, tell: Tell) -> OnStep:
        """A callback for the steps of output k; all outputs have the same number."""
        losses: list[float] = []
        own = job.preset.settings.num_steps
        every = max(1, min(LOOK_EVERY, own // 3))

        def on_step(step: StepProgress) -> None:
            self.run.check()
            loss = total_loss(step)
            if loss is not None:
                losses.append(loss)
            done = step.i + 1
            tell(
                StepEvent(
                    title=title,
                    step=k * own + done,
                    num_steps=len(self.asked) * own,
                    losses=tuple(losses),
                    look=self._look(title, job, step) if done % every == 0 and done < own else None,
                )
            )

        return on_step

    def _look(self, title: str, job: Job, step: StepProgress) -> Preview | None:
        """Pictures and sound of the present estimate, or None where it is no number."""
        media = step.preview()
        stem = self.folder / f"preview_{title}_{step.i + 1:03d}"
        sound, frames = media.get("audio"), media.get("video")
        if any(not values.isfinite().all() for values in media.values()):
            return None
        heard = None
        if sound is not None:
            rate = int(job.backbones["audio"].sample_rate)
            waveform = finish_level(sound[0].float().cpu()[: round(job.duration_s * rate)], rate)
            heard = stem.with_suffix(".wav")
            write_audio(heard, waveform[None], rate)
        if frames is not None:
            kept = (frames[0].float().cpu() * 255).round().to(torch.uint8)
            picture = filmstrip(kept)
        else:
            picture = spectrogram_picture(waveform, rate)
        picture.save(stem.with_suffix(".png"))
        return Preview(
            step=step.i + 1,
            picture=stem.with_suffix(".png"),
            sound=heard,
            is_frames=frames is not None,
        )

    def _saved(
        self, title: str, job: Job, result: Result, max_duration_s: float, said: str
    ) -> Output:
        result = replace(result, inputs=[_without_path(entry) for entry in result.inputs])
        stem = job.path.stem[:60] if job.path is not None else "seehear"
        folder = self.folder / title
        folder.mkdir()
        media, manifest = _save(result, folder / stem)
        sound = drawing = None
        if result.waveform is not None and result.sample_rate is not None:
            waveform, rate = result.waveform.mean(dim=0), result.sample_rate
            drawing = folder / f"{stem}_over_time.png"
            motion = _motion(result, motion_given(job, max_duration_s))
            waveform_over_motion(waveform, rate, motion).save(drawing)
            sound = folder / f"{stem}.wav"
            if media != sound:
                write_audio(sound, result.waveform, rate)
        return Output(
            title=title,
            task=job.task,
            said=said,
            media=media,
            manifest=manifest,
            sound=sound,
            drawing=drawing,
        )


def _save(result: Result, stem: Path) -> tuple[Path, Path]:
    """In the kind of file that browsers play, where the given picture allows it."""
    task = TASKS[result.task]
    if task.suffix is not None:
        return result.save(stem.with_suffix(task.suffix), upscale=None)
    assert result.video_path is not None
    is_webm = result.video_path.suffix.lower() == ".webm"
    try:
        return result.save(stem.with_suffix(".webm" if is_webm else ".mp4"))
    except MediaError:  # a picture that it cannot hold; Matroska holds nearly every one
        return result.save(stem.with_suffix(".mkv"))


def _without_path(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An input without the place where the server kept it."""
    return {name: value for name, value in entry.items() if name != "path"}


def _motion(result: Result, given: Curve | None) -> Curve | None:
    """Of the picture that goes with the sound: the given one, or the one made."""
    if result.frames is None or len(result.frames) < 2 or result.fps is None:
        return given
    return motion_energy(result.frames[None].float() / 255, float(result.fps))


@contextmanager
def _threads_of(asked: AnyRequest) -> Iterator[None]:
    """As many threads as a manifest tells of: how many share a sum changes its bits."""
    before = torch.get_num_threads()
    wanted = asked.record["versions"].get("threads") if isinstance(asked, ReplayRequest) else None
    if isinstance(wanted, int) and 1 <= wanted <= before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _verdict(asked: AnyRequest, result: Result) -> tuple[str, ...]:
    if isinstance(asked, WebRequest):
        return ()
    again, compared = result.manifest(), hashes_of(asked.record, "the JSON")
    if all(again[name] == asked.record[name] for name in compared):
        return ("Same media, bit for bit.",)
    return ("It differs from the original.", *differences(asked.record, again))
