"""Events: of which happenings they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest

from boundary.jobs import Job, JobError, Progress, UsageError
from boundary.jobs.core import events, trails, wire
from boundary.jobs.core.events import EventType
from boundary.jobs.core.happenings import (
    Admitted,
    Answered,
    Cancelled,
    Ended,
    Happening,
    LeaseLost,
    Progressed,
    Retried,
    Started,
    TakenBack,
)
from boundary.jobs.core.operations import Outcome
from boundary.jobs.core.wire import NewJob, Record

ID = bytes(range(16))
RECORD = Record(1, ID, "send", "mail", 2, b"", 0, 0, "running", retry_count=1, token=2)


def told(happening: Happening) -> list[events.Event]:
    """The events of a happening, each of a type it was said to be able to be."""
    rows = events.rows_of(happening)
    assert {row.type for row in rows} <= events.types_of(happening)
    seen = [events.event_of(row) for row in rows]
    assert all((one.job_id, one.job_type) == (UUID(bytes=ID), "send") for one in seen)
    return seen


def test_jobs_that_come_in_are_told_unless_they_are_parked() -> None:
    now, later, parked = (
        NewJob(ID, "send", "mail", 2, b""),
        NewJob(ID, "send", "mail", 2, b"", delay_ms=500),
        NewJob(ID, "send", "mail", 2, b"", parked=True),
    )
    seen = told(Admitted(7, (now, later, parked)))
    assert [(one.type, one.delay) for one in seen] == [
        ("enqueued", None),
        ("enqueued", timedelta(milliseconds=500)),
    ]
    assert seen[0].at == wire.at(7)


def test_a_start_tells_which_attempt_it_is() -> None:
    (one,) = told(Started(7, "w", (RECORD,)))
    assert (one.type, one.attempt, one.worker, one.final) == ("started", 2, "w", False)


@pytest.mark.parametrize("message", [None, "half way"])
def test_progress_says_how_far_it_is(message: str | None) -> None:
    data = wire.encode_progress(Progress(0.5, message))
    (one,) = told(Progressed(7, "w", RECORD, data))
    assert (one.type, one.progress) == ("progress", Progress(0.5, message))


def test_each_end_of_a_run_has_its_event_if_it_counts() -> None:
    error = JobError("boom", "ValueError")
    failed = trails.failed(b"", 2, 7, error)
    because = trails.because(b"", "not wanted")
    ends = (
        (Outcome(ID, 2, "succeed", duration_ms=3.0), "succeeded", None, None, None),
        (Outcome(ID, 2, "fail", failed, delay_ms=40), "retrying", error, None, 40),
        (Outcome(ID, 2, "exhaust", failed), "dead", error, None, None),
        (Outcome(ID, 2, "quarantine", b"not a trail"), "dead", None, None, None),
        (Outcome(ID, 2, "snooze", because, delay_ms=9), "released", None, "not wanted", 9),
        (Outcome(ID, 2, "cancel", because), "cancelled", None, "not wanted", None),
        (Outcome(ID, 2, "release"), "released", None, None, 0),
    )
    runs = tuple((RECORD, outcome) for outcome, *_ in ends)
    seen = told(Ended(7, "w", runs, (True,) * len(ends), {}))
    for one, (_, kind, error_, reason, delay) in zip(seen, ends, strict=True):
        waits = None if delay is None else timedelta(milliseconds=delay)
        assert (one.type, one.error, one.reason, one.delay) == (kind, error_, reason, waits)
        assert (one.attempt, one.worker) == (2, "w")
    assert seen[0].duration == timedelta(milliseconds=3)
    assert told(Ended(7, "w", runs, (False,) * len(ends), {})) == []


def test_jobs_taken_back_are_free_again_or_dead() -> None:
    again = Record(1, ID, "send", "mail", 2, b"", 0, 0)
    dead = Record(1, ID, "send", "mail", 2, b"", 0, 0, "failed", ending="crash")
    stopped = Record(1, ID, "send", "mail", 2, b"", 0, 0, "cancelled", ending="cancel")
    seen = told(TakenBack(7, (again, dead, stopped)))
    assert [one.type for one in seen] == ["released", "dead", "cancelled"]
    assert [one.error and one.error.type for one in seen] == [None, "WorkerLost", None]


def test_what_operators_do_is_told_with_how_long_a_retry_waits() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(
        id=UUID(bytes=ID), job_type="send", queue="mail", reason="why", created_at=at, updated_at=at
    )
    (cancelled,) = told(Cancelled(7, (job,)))
    assert (cancelled.type, cancelled.attempt, cancelled.reason) == ("cancelled", 0, "why")
    ran = Job(
        id=UUID(bytes=ID),
        job_type="send",
        queue="mail",
        retry_count=1,
        created_at=at,
        updated_at=at,
        started_at=at,
        execute_at=wire.at(1_000),
    )
    at_once, later = told(Retried(400, (job, ran)))
    assert (at_once.delay, later.delay) == (timedelta(0), timedelta(milliseconds=600))
    assert (later.type, later.attempt) == ("retrying", 2)


def test_what_is_not_about_jobs_makes_no_event() -> None:
    for happening in (LeaseLost("w", 3), Answered("Claim", 0.1, failed=False)):
        assert events.rows_of(happening) == []
        assert events.types_of(happening) == frozenset()


def test_types_are_checked() -> None:
    assert events.checked_types(None) is None
    assert events.checked_types("dead") == {"dead"}
    assert events.checked_types(get_args(EventType)) == set(get_args(EventType))
    with pytest.raises(UsageError, match="there is no event 'died'; there are enqueued"):
        events.checked_types({"dead", "died"})
