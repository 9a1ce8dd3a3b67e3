"""A run in its thread: events, stop and failure."""

import threading
import time

import pytest

from seehear.errors import MediaError
from seehear.web.run_thread import DoneEvent, ErrorEvent, Run, Runs, StepEvent, StoppedEvent


def step(k):
    return StepEvent(title="made", step=k, num_steps=1000)


def test_a_run_yields_its_steps_in_order_and_then_its_outcome():
    def work(tell):
        for k in (1, 2, 3):
            tell(step(k))
        return DoneEvent(outputs=())

    assert list(Run().events(work)) == [step(1), step(2), step(3), DoneEvent(outputs=())]


def endless(run, tell):
    for k in range(1, 1000):
        run.check()
        tell(step(k))
        time.sleep(0.01)
    raise AssertionError("was not stopped")


def test_stop_ends_a_run_after_the_current_step():
    run = Run()
    seen = []
    is_read = threading.Semaphore(0)

    def work(tell):
        def tell_and_wait(event):  # the next step starts only after this one was read
            tell(event)
            is_read.acquire(timeout=10)

        return endless(run, tell_and_wait)

    for event in run.events(work):
        seen.append(event)
        if isinstance(event, StepEvent) and event.step == 3:
            run.stop()
        is_read.release()
    assert isinstance(seen[-1], StoppedEvent)
    assert seen[-1].step == 3
    assert run.ended.wait(1)


def test_closing_the_events_ends_a_run():
    run = Run()
    events = run.events(lambda tell: endless(run, tell))
    next(events)
    events.close()
    assert run.ended.wait(1)


def test_a_run_stopped_before_its_start_does_no_work():
    run, begun = Run(), threading.Event()
    run.stop()
    assert list(run.events(lambda tell: begun.set())) == [StoppedEvent(0)]
    assert not begun.is_set()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MediaError("clip.mp4: the file is empty"), "clip.mp4: the file is empty"),
        (MemoryError(), "not enough memory"),
        (ZeroDivisionError("secret"), "internal error on the server"),
    ],
)
def test_failures_give_one_error_message_without_a_traceback(error, sentence, caplog):
    def work(tell):
        raise error

    (event,) = Run().events(work)
    assert isinstance(event, ErrorEvent)
    assert event.sentence.startswith(sentence)
    assert "secret" not in event.sentence
    assert ("secret" in caplog.text) == isinstance(error, ZeroDivisionError)  # only in the log


def test_a_session_has_one_run_and_stops_only_its_own():
    runs = Runs()
    first, second, other = runs.begin("a"), runs.begin("a"), runs.begin("b")
    for run, is_stopped in ((first, True), (second, False), (other, False)):
        seen = list(run.events(lambda tell: DoneEvent(outputs=())))
        assert (seen == [StoppedEvent(0)]) == is_stopped
    assert runs.stop("nobody") is None
    assert runs.stop("a") is None  # it has ended


def test_after_close_no_run_starts_and_the_current_one_has_ended():
    runs = Runs()
    run = runs.begin("a")
    events = run.events(lambda tell: endless(run, tell))
    next(events)
    runs.close()
    assert run.ended.is_set()
    assert list(runs.begin("b").events(lambda tell: DoneEvent(outputs=()))) == [StoppedEvent(0)]
