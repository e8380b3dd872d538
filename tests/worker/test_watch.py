"""The watch over handlers, in a program that runs a worker itself."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import watch
from tests.waiting import PATIENCE, eventually
from tests.worker.conftest import working


def test_handlers_left_behind_are_named_until_they_end(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with its job, its thread and its stack."""
    monkeypatch.setattr(watch, "REMIND", 0.3)
    let_go = threading.Event()

    @jobs.handler(timeout=0.1, max_retries=0)
    def stuck() -> None:
        let_go.wait(30)

    def reminders() -> list[str]:
        said = [record.getMessage() for record in caplog.records]
        return [one for one in said if "go on though they were asked to stop" in one]

    job = stuck.enqueue()
    with working(jobs):
        eventually("it is named twice", lambda: len(reminders()) >= 2)
        assert str(job.id) in reminders()[0]
        assert "in thread 0x" in reminders()[0]
        assert "let_go.wait(30)" in reminders()[0]
        let_go.set()
        eventually("its thread is back", lambda: _is_quiet(reminders))


def _is_quiet(reminders: object) -> bool:
    count = len(reminders())  # type: ignore[operator]
    threading.Event().wait(1.0)
    return len(reminders()) == count  # type: ignore[operator]


def test_streams_and_signals_of_a_program_are_its_own(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    @jobs.handler
    async def fine() -> str:
        return "fine"

    with working(jobs), caplog.at_level(logging.ERROR, "boundary.jobs"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            assert jobs.result(fine.enqueue().id, timeout=PATIENCE) == "fine"
            threading.Event().wait(3 * watch.LOOK)
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
        finally:
            signal.signal(signal.SIGTERM, before)
    assert not caplog.records
