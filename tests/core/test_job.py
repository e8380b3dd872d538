"""The seed's pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from boundary.jobs import IllegalTransition, Job, JobError, RetryPolicy, UsageError
from boundary.jobs.core.job import (
    calculate_retry_delay,
    cancel_job,
    complete_job,
    create_job,
    fail_job,
    prepare_retry,
    schedule_job,
    start_job,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ID = UUID(int=7)
ARGS = {"to": "a@b.c", "nested": [1, [True, {"x": None}]], "template": "welcome"}


def made(**more: object) -> Job:
    return create_job({"job_type": "send-email", "args": ARGS, **more}, ID, NOW)


def test_a_new_job_has_the_seeds_defaults() -> None:
    """S16-S26."""
    job = made()
    assert (job.id, job.job_type, job.args) == (ID, "send-email", ARGS)
    assert (job.status, job.queue, job.priority) == ("pending", "default", "normal")
    assert (job.max_retries, job.retry_count, job.metadata) == (3, 0, {})
    assert (job.created_at, job.updated_at, job.execute_at) == (NOW, NOW, None)


def test_what_is_given_wins() -> None:
    """S18-S21."""
    job = made(priority="high", max_retries=10, metadata={"user-id": 7}, queue="bulk-operations")
    assert (job.priority, job.max_retries, job.queue) == ("high", 10, "bulk-operations")
    assert job.metadata == {"user-id": 7}


def test_scheduling_keeps_the_instant() -> None:
    """S27, S64."""
    local = datetime(2026, 5, 2, 8, tzinfo=timezone(timedelta(hours=2)))
    job = schedule_job({"job_type": "report"}, ID, local, NOW)
    assert job.execute_at == local
    assert job.execute_at.tzinfo is UTC


def test_the_path_to_completion() -> None:
    """S28, S29, S41."""
    started = start_job(made(), NOW)
    assert (started.status, started.started_at) == ("running", NOW)
    done = complete_job(started, {"ok": True}, NOW + timedelta(seconds=1))
    assert (done.status, done.result) == ("completed", {"ok": True})
    assert done.completed_at == NOW + timedelta(seconds=1)


def test_the_path_through_retries_to_the_end() -> None:
    """S30, S33, S42, S43, S58."""
    job = made(max_retries=2)
    for number in (1, 2):
        job = fail_job(start_job(job, NOW), {"message": f"no {number}", "type": "T"}, NOW)
        assert (job.status, job.retry_count) == ("retrying", number)
        job = prepare_retry(job, RetryPolicy(jitter=False), NOW, 0.5)
        assert job.status == "pending"
        assert job.execute_at == NOW + timedelta(seconds=2 ** (number - 1))
    job = fail_job(start_job(job, NOW), JobError("no 3", "T", "trace"), NOW)
    assert (job.status, job.retry_count, job.completed_at) == ("failed", 2, NOW)
    assert job.error == JobError("no 3", "T", "trace")
    assert [run.attempt for run in job.errors] == [1, 2, 3]


def test_never_again() -> None:
    """S59."""
    assert (
        fail_job(start_job(made(max_retries=0), NOW), {"message": "m", "type": "T"}, NOW).status
        == "failed"
    )


def test_cancelling() -> None:
    """S31."""
    assert cancel_job(made(), NOW).status == "cancelled"


def test_steps_that_do_not_exist_are_refused() -> None:
    """S44."""
    job = made()
    for step in (
        lambda: complete_job(job, None, NOW),
        lambda: fail_job(job, {"message": "", "type": ""}, NOW),
        lambda: start_job(cancel_job(job, NOW), NOW),
        lambda: cancel_job(complete_job(start_job(job, NOW), None, NOW), NOW),
        lambda: prepare_retry(job, RetryPolicy(), NOW, 0.5),
    ):
        with pytest.raises(IllegalTransition):
            step()


def test_nothing_is_changed_and_the_same_gives_the_same() -> None:
    """S34."""
    given = {"job_type": "x", "args": {"a": [1]}}
    first, second = create_job(given, ID, NOW), create_job(given, ID, NOW)
    assert first == second
    started = start_job(first, NOW)
    assert start_job(second, NOW) == started
    fail_job(started, {"message": "m", "type": "T"}, NOW)
    assert (first, given) == (second, {"job_type": "x", "args": {"a": [1]}})
    assert started == start_job(first, NOW)


def test_delays_by_the_seeds_mapping() -> None:
    """S32, S52-S55."""
    config = {
        "max_retries": 3,
        "backoff_strategy": "exponential",
        "initial_delay_ms": 500,
        "max_delay_ms": 3_000,
        "jitter": False,
    }
    assert [calculate_retry_delay(n, config, 0.9) for n in (1, 2, 3, 4)] == [
        500,
        1_000,
        2_000,
        3_000,
    ]
    assert calculate_retry_delay(1, {"jitter": True}, 0.0) == 900
    assert calculate_retry_delay(1, {}, 0.5) == 1_000


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: create_job({}, ID, NOW), "job_type"),
        (lambda: create_job({"job_type": "x", "prority": "low"}, ID, NOW), "'prority'"),
        (lambda: create_job({"job_type": "x", "args": [1]}, ID, NOW), "args"),
        (lambda: create_job({"job_type": "a b"}, ID, NOW), "a b"),
        (lambda: create_job({"job_type": "x"}, ID, datetime(2026, 1, 1)), "time zone"),
        (lambda: schedule_job({"job_type": "x"}, ID, datetime(2026, 1, 1), NOW), "execute_at"),
        (lambda: calculate_retry_delay(0, {}, 0.5), "retry_count"),
        (lambda: calculate_retry_delay(1, {"delay": 1}, 0.5), "'delay'"),
        (lambda: calculate_retry_delay(1, {"initial_delay_ms": "1"}, 0.5), "initial_delay_ms"),
        (lambda: calculate_retry_delay(1, {"backoff_strategy": "x"}, 0.5), "'x'"),
        (lambda: calculate_retry_delay(1, {"jitter": "false"}, 0.5), "jitter"),
    ],
)
def test_wrong_input_is_named(call: object, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()  # type: ignore[operator]
    assert says in str(caught.value)
