"""The seed's pure functions over a job.

What belongs here: making a job and turning it into the next one, as the seed names it. What does
not: the records themselves (`records`), which steps exist (`lifecycle`), how long a retry waits
(`retry`).

Every function takes `now` (an aware datetime) and, where chance is involved, `u` (a number in
[0, 1)); none reads a clock, draws a number or changes its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from msgspec.structs import replace

from boundary.jobs.core import lifecycle, priority
from boundary.jobs.core import retry as retries
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.records import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_QUEUE,
    FailedRun,
    Job,
    JobError,
    Priority,
    Progress,
    Status,
)
from boundary.jobs.core.retry import BackoffStrategy, RetryPolicy
from boundary.jobs.core.steering import as_job_error
from boundary.jobs.core.values import JSON
from boundary.jobs.errors import UsageError

__all__ = [
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_QUEUE",
    "JSON",
    "BackoffStrategy",
    "FailedRun",
    "Job",
    "JobError",
    "Priority",
    "Progress",
    "RetryPolicy",
    "Status",
    "calculate_retry_delay",
    "cancel_job",
    "complete_job",
    "create_job",
    "fail_job",
    "prepare_retry",
    "schedule_job",
    "start_job",
]

ERRORS_KEPT = 10
_INPUT = ("job_type", "args", "queue", "priority", "max_retries", "metadata")
_CONFIG = ("max_retries", "backoff_strategy", "initial_delay_ms", "max_delay_ms", "jitter")


def create_job(job_input: Mapping[str, Any], job_id: UUID, now: datetime) -> Job:
    """A pending job with the seed's defaults: queue `default`, priority normal, three retries.

    Args:
        job_input: `job_type`, and optionally `args`, `queue`, `priority`, `max_retries`,
            `metadata`.

    Raises:
        UsageError: A key is unknown or a value is not what it may be.

    Source: the seed's "Enqueue Jobs".
    """
    given = _known("job_input", job_input, _INPUT)
    if "job_type" not in given:
        raise UsageError("job_input has no job_type; name the handler that shall run")
    now = _utc("now", now)
    return Job(
        id=job_id,
        job_type=checked_name("job type", given["job_type"]),
        queue=checked_name("queue", given.get("queue", DEFAULT_QUEUE)),
        args=_mapping("args", given.get("args")),
        priority=priority.name(priority.rank(given.get("priority", "normal"))),
        max_retries=retries.checked_retries(given.get("max_retries", DEFAULT_MAX_RETRIES)),
        metadata=_mapping("metadata", given.get("metadata")),
        created_at=now,
        updated_at=now,
    )


def schedule_job(
    job_input: Mapping[str, Any], job_id: UUID, execute_at: datetime, now: datetime
) -> Job:
    """As `create_job`, to be run at `execute_at` (an aware datetime of any zone)."""
    job = create_job(job_input, job_id, now)
    return replace(job, execute_at=_utc("execute_at", execute_at))


def start_job(job: Job, now: datetime) -> Job:
    """The job is running since `now`.

    Raises:
        IllegalTransition: It is not pending.
    """
    now = _utc("now", now)
    status = lifecycle.after(job.status, "claim")
    return replace(job, status=status, started_at=now, updated_at=now)


def complete_job(job: Job, result: JSON, now: datetime) -> Job:
    """The job is completed with `result`.

    Raises:
        IllegalTransition: It is not running.
    """
    now = _utc("now", now)
    status = lifecycle.after(job.status, "succeed")
    return replace(job, status=status, result=result, error=None, completed_at=now, updated_at=now)


def fail_job(job: Job, error: JobError | Mapping[str, Any], now: datetime) -> Job:
    """The run failed: retrying if a retry is left (and counted), else failed.

    Args:
        error: `message`, `type` and optionally `stacktrace`.

    Raises:
        IllegalTransition: The job is not running.
    """
    now = _utc("now", now)
    why = as_job_error(error if isinstance(error, JobError) else dict(error))
    again = retries.next_step(job.retry_count, job.max_retries) == "retry"
    run = FailedRun(job.retry_count + 1, now, why)
    return replace(
        job,
        status=lifecycle.after(job.status, "fail" if again else "exhaust"),
        retry_count=job.retry_count + 1 if again else job.retry_count,
        error=why,
        errors=(*job.errors, run)[-ERRORS_KEPT:],
        completed_at=None if again else now,
        updated_at=now,
    )


def cancel_job(job: Job, now: datetime) -> Job:
    """The job is cancelled and never runs again.

    Raises:
        IllegalTransition: It has reached its end already.
    """
    now = _utc("now", now)
    status = lifecycle.after(job.status, "cancel")
    return replace(job, status=status, completed_at=now, updated_at=now)


def calculate_retry_delay(
    retry_count: int, config: RetryPolicy | Mapping[str, Any], u: float
) -> int:
    """Milliseconds before retry number `retry_count` (1 is the first).

    Args:
        config: A policy, or the seed's mapping of `backoff_strategy`, `initial_delay_ms`,
            `max_delay_ms`, `jitter` (and `max_retries`, which does not matter here).
        u: In [0, 1); ignored without jitter.

    Raises:
        UsageError: `retry_count` is below 1, or the config is wrong.
    """
    if retry_count < 1:
        raise UsageError(f"retry_count is the number of a retry, from 1 on, not {retry_count!r}")
    return retries.delay_ms(retry_count, _policy(config), u)


def prepare_retry(
    job: Job, retry_config: RetryPolicy | Mapping[str, Any], now: datetime, u: float
) -> Job:
    """A retrying job is pending, not before its delay is over.

    Raises:
        IllegalTransition: The job is not retrying.
    """
    now = _utc("now", now)
    status = lifecycle.after(job.status, "promote")
    delay = calculate_retry_delay(max(job.retry_count, 1), retry_config, u)
    return replace(
        job, status=status, execute_at=now + timedelta(milliseconds=delay), updated_at=now
    )


def _policy(config: RetryPolicy | Mapping[str, Any]) -> RetryPolicy:
    if isinstance(config, RetryPolicy):
        return config
    given = _known("the retry config", config, _CONFIG)
    retries.checked_retries(given.get("max_retries", DEFAULT_MAX_RETRIES))
    return RetryPolicy(
        strategy=given.get("backoff_strategy", "exponential"),
        initial_delay=_seconds(given, "initial_delay_ms", 1_000),
        max_delay=_seconds(given, "max_delay_ms", 60_000),
        jitter=given.get("jitter", True),
    )


def _seconds(given: Mapping[str, Any], key: str, default: int) -> float:
    value = given.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UsageError(f"{key} is a number of milliseconds, not {value!r}")
    return value / 1000


def _known(what: str, given: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    unknown = [key for key in given if key not in keys]
    if unknown:
        raise UsageError(f"{what} has no key {unknown[0]!r}; it may have {', '.join(keys)}")
    return given


def _mapping(what: str, value: object) -> dict[str, JSON]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} is a mapping of names to values, not {value!r}")
    return dict(cast("Mapping[str, JSON]", value))


def _utc(what: str, moment: datetime) -> datetime:
    """The same instant in UTC; an instant without a zone is none."""
    if moment.tzinfo is None:
        raise UsageError(
            f"{what} ({moment.isoformat()}) has no time zone, so it is no instant; "
            "give it one, as in datetime.now(UTC) or moment.replace(tzinfo=ZoneInfo(…))"
        )
    return moment.astimezone(UTC)
