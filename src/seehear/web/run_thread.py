"""A run in a thread of its own, told as events; Stop takes effect within one denoising step."""

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
    """A preview: what the present clean estimate looks and sounds like."""

    step: int  # counted from 1
    picture: Path  # spectrogram or filmstrip
    sound: Path | None
    is_frames: bool


@dataclass(frozen=True, kw_only=True)
class StepEvent:
    """One denoising step is done, or the first is about to begin."""

    title: str  # "guided" or "unguided"
    step: int  # of all runs together, counted from 1; 0: the models are being loaded
    num_steps: int
    losses: tuple[float, ...] = ()  # of the guided steps so far
    look: Preview | None = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """One thing made, and its files."""

    title: str
    task: str
    said: str  # how much, how long it took, which words
    media: Path
    manifest: Path
    sound: Path | None = None  # the sound alone
    drawing: Path | None = None  # its waveform over the picture's motion


@dataclass(frozen=True, kw_only=True)
class DoneEvent:
    """All is done."""

    outputs: tuple[Output, ...]
    verdict: tuple[str, ...] = ()  # of a replay: whether it came out the same, and what differs


@dataclass(frozen=True)
class ErrorEvent:
    """It cannot be done; one sentence says why."""

    sentence: str


@dataclass(frozen=True)
class StoppedEvent:
    """The visitor asked for it."""

    step: int


Event = StepEvent | DoneEvent | ErrorEvent | StoppedEvent
Work = Callable[[Callable[[Event], None]], DoneEvent]


class Run:
    """Work that tells how it goes and can be stopped from any thread."""

    def __init__(self) -> None:
        self._is_stopping, self.ended = threading.Event(), threading.Event()
        self.is_begun, self.step = False, 0

    def stop(self) -> None:
        """Let the work end after the step that it is at."""
        self._is_stopping.set()

    def check(self) -> None:
        """Raise Cancelled if it is to stop; the work calls this after every step."""
        if self._is_stopping.is_set():
            raise Cancelled("stopped")

    def events(self, work: Work) -> Iterator[Event]:
        """Do the work in a thread and hand on what it tells; the last event is how it ended.

        Whoever closes the iterator early stops the work.
        """
        told: queue.SimpleQueue[Event] = queue.SimpleQueue()

        def tell(event: Event) -> None:
            if isinstance(event, StepEvent):
                self.step = event.step
            told.put(event)

        def done() -> None:
            try:
                told.put(self._end_of(work, tell))
            finally:
                self.ended.set()

        self.is_begun = True
        # A daemon, so that one that hangs does not keep the server from ending.
        threading.Thread(target=done, daemon=True, name="seehear-web-run").start()
        try:
            while True:
                event = told.get()
                yield event
                if not isinstance(event, StepEvent):
                    return
        finally:
            self.stop()

    def _end_of(self, work: Work, tell: Callable[[Event], None]) -> Event:
        try:
            self.check()
            return work(tell)
        except Cancelled:
            return StoppedEvent(self.step)
        except SeehearError as error:
            return ErrorEvent(str(error))
        except MemoryError:
            return ErrorEvent("not enough memory on the server: try something shorter")
        except Exception:  # the server goes on, whatever one visitor's file did
            logger.exception("a run failed")
            return ErrorEvent(
                "something went wrong that is not your fault; the server's log says what"
            )


class Runs:
    """The run of every session; a session has one at most."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def begin(self, session: str) -> Run:
        """A new run; one that the session still has is stopped."""
        run = Run()
        with self._lock:
            before = self._runs.get(session)
            self._runs[session] = run
            if self._is_closed:
                run.stop()
        if before is not None:
            before.stop()
        return run

    def stop(self, session: str) -> Run | None:
        """Stop the session's run, if it has one that is not over."""
        with self._lock:
            run = self._runs.get(session)
        if run is None or run.ended.is_set():
            return None
        run.stop()
        return run

    def forget(self, session: str) -> None:
        """Stop the session's run and remember nothing."""
        self.stop(session)
        with self._lock:
            self._runs.pop(session, None)

    def close(self, wait_s: float = 60.0) -> None:
        """Stop all, begin no more, and wait for the step at hand.

        PyTorch may abort the process if it ends while a thread is computing.
        """
        with self._lock:
            self._is_closed = True
            runs = list(self._runs.values())
        for run in runs:
            run.stop()
        for run in runs:
            if run.is_begun:
                run.ended.wait(wait_s)
