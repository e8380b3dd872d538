"""The watch over handlers, in a program that runs a worker itself."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import pytest

from boundary.jobs import Jobs
from boundary.jobs.shell import process, watch
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


@pytest.mark.parametrize("taken", [False, True])
def test_a_closed_stream_is_open_again_and_leads_nowhere(*, taken: bool) -> None:
    """In a fork, for these are this process's own streams. SQLite may have taken the number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(1)
            if taken:
                assert os.open(os.devnull, os.O_RDONLY) == 1
            process.keep_streams_open()
            os.write(1, b"nowhere")
            sys.stdout = open("/dev/null", "w")  # noqa: PTH123, SIM115
            sys.stdout.close()
            process.keep_streams_open()
            print("nowhere", flush=True)
            is_nowhere = os.fstat(1).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116
            code = 0 if is_nowhere else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
