"""A run in its own thread, reported as events. A stop takes effect after the current step."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import Cancelled, SeehearError

logger = logging.getLogger("seehear.web")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A preview of the current clean estimate."""

    step: int  # counted from 1
    picture: Path  # spectrogram or filmstrip
    audio: Path | None
    is_frames: bool


@dataclass(frozen=True, kw_only=True)
class StepEvent:
    """A denoising step has finished, or the run has started."""

    title: str  # "guided" or "unguided"
    step: int  # counted from 1 over all outputs of the run; 0: the models are being loaded
    num_steps: int
    losses: tuple[float, ...] = ()  # of the guided steps so far
    preview: Preview | None = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output and its files."""

    title: str
    task: str
    summary: str  # duration, run time and prompt
    media: Path
    manifest: Path
    audio: Path | None = None  # the audio alone
    drawing: Path | None = None  # its waveform over the motion of the video


@dataclass(frozen=True, kw_only=True)
class DoneEvent:
    """The run has finished."""

    outputs: tuple[Output, ...]
    verdict: tuple[str, ...] = ()  # of a replay: whether the media are equal, and the differences


@dataclass(frozen=True)
class ErrorEvent:
    """The run has failed."""

    sentence: str


@dataclass(frozen=True)
class StoppedEvent:
    """The visitor has stopped the run."""

    step: int


Event = StepEvent | DoneEvent | ErrorEvent | StoppedEvent
Work = Callable[[Callable[[Event], None]], DoneEvent]


class Run:
    """Work that reports its progress and can be stopped from any thread."""

    def __init__(self) -> None:
        self._is_stopping, self.ended = threading.Event(), threading.Event()
        self.is_begun, self.step = False, 0

    def stop(self) -> None:
        """End the work after its current step."""
        self._is_stopping.set()

    def check(self) -> None:
        """Raise Cancelled after a stop; the work calls this after every step."""
        if self._is_stopping.is_set():
            raise Cancelled("stopped")

    def events(self, work: Work) -> Iterator[Event]:
        """Run the work in a thread and yield its events; the last event is its outcome.

        Closing the iterator early stops the work.
        """
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()

        def tell(event: Event) -> None:
            if isinstance(event, StepEvent):
                self.step = event.step
            events.put(event)

        def target() -> None:
            try:
                events.put(self._outcome(work, tell))
            finally:
                self.ended.set()

        self.is_begun = True
        # A daemon thread, so that a hanging run does not keep the server from exiting.
        threading.Thread(target=target, daemon=True, name="seehear-web-run").start()
        try:
            while True:
                event = events.get()
                yield event
                if not isinstance(event, StepEvent):
                    return
        finally:
            self.stop()

    def _outcome(self, work: Work, tell: Callable[[Event], None]) -> Event:
        try:
            self.check()
            return work(tell)
        except Cancelled:
            return StoppedEvent(self.step)
        except SeehearError as error:
            return ErrorEvent(str(error))
        except MemoryError:
            return ErrorEvent("not enough memory on the server; use a shorter duration")
        except Exception:  # the server survives any failure of a run
            logger.exception("a run failed")
            return ErrorEvent("internal error on the server; see the server's log")


class Runs:
    """The runs of all sessions, at most one per session."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def begin(self, session: str) -> Run:
        """Create a run; stops the session's previous run."""
        run = Run()
        with self._lock:
            previous = self._runs.get(session)
            self._runs[session] = run
            if self._is_closed:
                run.stop()
        if previous is not None:
            previous.stop()
        return run

    def stop(self, session: str) -> Run | None:
        """Stop the session's run; None if none is active."""
        with self._lock:
            run = self._runs.get(session)
        if run is None or run.ended.is_set():
            return None
        run.stop()
        return run

    def forget(self, session: str) -> None:
        """Stop the session's run and remove it."""
        self.stop(session)
        with self._lock:
            self._runs.pop(session, None)

    def close(self, wait_s: float = 60.0) -> None:
        """Stop all runs, and later ones too, and wait for the current steps.

        PyTorch may abort the process if it exits while a thread is computing.
        """
        with self._lock:
            self._is_closed = True
            runs = list(self._runs.values())
        for run in runs:
            run.stop()
        for run in runs:
            if run.is_begun:
                run.ended.wait(wait_s)
