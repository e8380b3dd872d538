"""Which failures have one cause."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from boundary.jobs.core.causes import fingerprint, frames
from boundary.jobs.core.records import Job, JobError


def failing(number: int) -> None:
    if number > 1:
        raise ValueError(f"no {number}")
    raise ValueError("one")


def other() -> None:
    raise ValueError("one")


def error_of(call: Callable[[], None]) -> JobError:
    try:
        call()
    except ValueError as error:
        return JobError(str(error), type(error).__name__, traceback.format_exc())
    raise AssertionError


def test_neither_message_nor_line_number_counts() -> None:
    first, second = error_of(lambda: failing(1)), error_of(lambda: failing(7))
    assert first.stacktrace != second.stacktrace
    assert fingerprint("send", first) == fingerprint("send", second)
    assert len(fingerprint("send", first)) == 16


def test_type_exception_and_frames_count() -> None:
    first = error_of(lambda: failing(1))
    moved = JobError(first.message, "KeyError", first.stacktrace)
    prints = {
        fingerprint("send", first),
        fingerprint("read", first),
        fingerprint("send", moved),
        fingerprint("send", error_of(other)),
        fingerprint("send", JobError("one", "ValueError")),
    }
    assert len(prints) == 5


def test_only_the_innermost_frames_count_by_the_end_of_their_path() -> None:
    def trace(root: str, depth: int) -> str:
        lines = [f'  File "{root}/app/part{n}.py", line {n}, in f{n}' for n in range(depth)]
        return "Traceback (most recent call last):\n" + "\n    code()\n".join(lines)

    assert frames(trace("/srv/1", 9)) == ["app/part6.py:f6", "app/part7.py:f7", "app/part8.py:f8"]
    assert frames(trace("/srv/1", 9)) == frames(trace("C:\\srv\\2", 9))
    assert frames(None) == frames("nonsense") == []


def test_what_no_code_did_is_named() -> None:
    assert fingerprint("send", JobError("3 workers were lost", "WorkerLost")) == "WorkerLost:send"
    assert fingerprint("send", None) == "Unknown:send"


def test_a_hostile_name_is_no_trouble() -> None:
    assert len(fingerprint("send", JobError("m", "\ud800|\n", "File"))) == 16


def test_a_job_that_failed_knows_its_cause() -> None:
    error = error_of(lambda: failing(1))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(
        id=UUID(int=1),
        job_type="send",
        queue="mail",
        status="failed",
        error=error,
        created_at=now,
        updated_at=now,
    )
    assert job.fingerprint == fingerprint("send", error)
    assert replace(job, status="retrying").fingerprint is None
