"""`@jobs.on_event`: users' functions that are told of what happens."""

from __future__ import annotations

import threading
import time

import pytest

from boundary.jobs import Discard, Event, Jobs, UsageError
from boundary.jobs.shell.telemetry import hooks
from tests.waiting import PATIENCE, eventually


def test_a_reporter_gets_the_event_and_what_was_raised(jobs: Jobs) -> None:
    told: list[tuple[Event, BaseException | None]] = []

    @jobs.on_event("dead", "failed", "retrying")
    def report(event: Event, error: BaseException | None) -> None:
        told.append((event, error))

    @jobs.handler(max_retries=0)
    def breaks() -> None:
        raise ValueError("broken")

    @jobs.handler(max_retries=0)
    async def breaks_on_the_loop() -> None:
        raise KeyError("broken")

    @jobs.handler
    def gives_up() -> None:
        raise Discard("of no use")

    breaks.enqueue()
    breaks_on_the_loop.enqueue()
    gives_up.enqueue()
    jobs.worker().run_until_empty()
    eventually("all are told", lambda: len(told) == 3)
    found = {event.job_type: (event.type, type(error)) for event, error in told}
    assert found == {
        "breaks": ("dead", ValueError),
        "breaks_on_the_loop": ("dead", KeyError),
        "gives_up": ("failed", Discard),
    }
    error = next(error for event, error in told if event.job_type == "breaks")
    assert error is not None
    assert error.__traceback__ is not None


def test_a_bare_hook_is_told_of_everything_in_order(jobs: Jobs) -> None:
    told: list[str] = []

    @jobs.on_event
    def note(event: Event) -> None:
        told.append(event.type)

    @jobs.handler
    def work() -> None: ...

    job = work.enqueue()
    jobs.worker().run_until_empty()
    jobs.cancel(work.using(delay=60).enqueue().id)
    eventually("all is told", lambda: len(told) == 5)
    assert told == ["enqueued", "started", "succeeded", "enqueued", "cancelled"]
    assert jobs.result(job.id) is None


def test_a_hook_that_fails_or_hangs_is_no_jobs_trouble(jobs: Jobs, caplog) -> None:
    release = threading.Event()

    @jobs.on_event("succeeded")
    def broken(event: Event) -> None:
        release.wait(30)
        raise RuntimeError("the reporter is broken")

    @jobs.handler
    def work() -> str:
        return "done"

    job = work.enqueue()
    began = time.monotonic()
    jobs.worker().run_until_empty()
    assert time.monotonic() - began < 10
    assert jobs.result(job.id, timeout=PATIENCE) == "done"
    release.set()
    eventually("it is logged", lambda: "the reporter is broken" in caplog.text)


def test_hooks_that_are_too_slow_are_passed_over(monkeypatch, caplog) -> None:
    monkeypatch.setattr(hooks, "WAITING", 3)
    jobs = Jobs("memory://")
    release = threading.Event()
    told: list[Event] = []

    @jobs.on_event
    def slow(event: Event) -> None:
        release.wait(30)
        told.append(event)

    for _ in range(10):
        jobs.enqueue("work")
    release.set()
    eventually("it is said", lambda: "hooks are too slow" in caplog.text)
    assert 3 <= len(told) < 10


def test_wrong_hooks_are_refused() -> None:
    jobs = Jobs("memory://")
    with pytest.raises(UsageError, match="there is no event 'done'"):
        jobs.on_event("done")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="is async"):

        @jobs.on_event
        async def waits(event: Event) -> None: ...

    with pytest.raises(UsageError, match="must take an event"):

        @jobs.on_event
        def nothing() -> None: ...


def test_without_hooks_nothing_is_kept_of_what_is_raised(jobs: Jobs) -> None:
    from boundary.jobs.shell.telemetry.wiring import Telemetry

    assert not jobs.registry.subscribers
    assert not jobs.voice.stream
    assert Telemetry.__init__.__defaults__ == ((), None)
