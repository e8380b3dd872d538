"""The way between a stored `Record` and the `Job` people see.

What belongs here: both directions (the seed's doors hand whole jobs in), and what a job of each
status has. What does not: the bytes (`wire`, `trails`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from msgspec.structs import replace

from boundary.jobs.core import lifecycle, priority
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.nesting import NESTING_LIMIT
from boundary.jobs.core.records import (
    Attempt,
    FailedRun,
    Job,
    JobError,
    Progress,
)
from boundary.jobs.core.trails import ERRORS_KEPT, RUNS_KEPT, RunRow, Trail, bounded, decode_trail
from boundary.jobs.core.wire import (
    DAMAGE,
    VERSION,
    Millis,
    Payload,
    Record,
    as_utf8,
    at,
    decode_payload,
    decode_progress,
    encode,
    encode_payload,
    encode_progress,
    instant,
    json_value,
    millis,
    retry_fields,
    retry_policy,
    said,
    span,
)
from boundary.jobs.errors import JobsError


def job_of(record: Record) -> Job:
    """The job a record holds; one that cannot be read still is a job, and says what is wrong."""
    try:
        payload, trail = decode_payload(record.payload), decode_trail(record.trail)
        progress = Progress(*decode_progress(record.progress)) if record.progress else None
        retry = retry_policy(payload.retry)
    except (JobsError, *DAMAGE) as problem:
        return _unreadable_job(record, problem)
    error = None if trail.error is None else JobError(*trail.error)
    if record.ending == "crash":
        error = _worker_lost(record)
    expires = None if payload.expires_ms is None else record.created + payload.expires_ms
    return Job(
        id=shown_id(record.id),
        job_type=record.job_type,
        queue=record.queue,
        args=payload.args,
        status=record.status,
        priority=priority.name(record.priority),
        retry_count=record.retry_count,
        max_retries=payload.max_retries,
        retry=retry,
        execute_at=instant(record.execute_at),
        created_at=at(record.created),
        updated_at=at(record.updated),
        started_at=instant(record.started),
        completed_at=instant(record.completed),
        timeout=span(payload.timeout_ms),
        expires_at=instant(expires),
        keep_result=span(payload.keep_ms),
        result=trail.result,
        error=error,
        errors=tuple([_failed_run(*row) for row in trail.errors]),
        attempts=_attempts(record, trail),
        reason=trail.reason,
        metadata=payload.metadata or {},
        progress=progress,
        crash_count=record.crashes + _lost(record, trail),
        cancel_requested=record.cancelling,
        worker=record.worker,
        fencing_token=record.token,
    )


def _lost(record: Record, trail: Trail) -> int:
    """Processes of its own the job cost since its budget was last full (see `lost`)."""
    is_fresh = record.retry_count == 0 and record.status in {"pending", "running"}
    return 0 if is_fresh else trail.lost


def _attempts(record: Record, trail: Trail) -> tuple[Attempt, ...]:
    """The runs of a trail, each with its error if that is still there."""
    errors = {(row[0], row[1]): JobError(*row[2:]) for row in trail.errors}
    runs = list(trail.runs)
    if trail.by is not None and record.completed is not None:
        attempt = record.retry_count + 1
        runs.append((attempt, trail.by, record.started, record.completed, record.ending))
    return tuple(
        [
            Attempt(number, worker, instant(began), at(ended), event, errors.get((number, ended)))
            for number, worker, began, ended, event in runs[-RUNS_KEPT:]
        ]
    )


def _run_row(attempt: Attempt) -> RunRow:
    began = None if attempt.started_at is None else millis(attempt.started_at)
    return attempt.number, attempt.worker, began, millis(attempt.ended_at), attempt.outcome


def _failed_run(
    attempt: int, moment: Millis, message: str, kind: str, stack: str | None
) -> FailedRun:
    return FailedRun(attempt, at(moment), JobError(message, kind, stack))


def _worker_lost(record: Record) -> JobError:
    """Why a job is dead that killed every worker that ran it; nobody was left to write it."""
    return JobError(
        f"{record.crashes} workers were lost while they ran this job; it may crash, exhaust or "
        "kill its process. Run it alone, then retry it",
        "WorkerLost",
    )


def _unreadable_job(record: Record, problem: Exception) -> Job:
    return Job(
        id=shown_id(record.id),
        job_type=record.job_type,
        queue=record.queue,
        status=record.status,
        priority=priority.name(record.priority),
        retry_count=record.retry_count,
        execute_at=instant(record.execute_at),
        created_at=at(record.created),
        updated_at=at(record.updated),
        started_at=instant(record.started),
        completed_at=instant(record.completed),
        error=JobError(said(problem), "RecordError"),
        crash_count=record.crashes,
        worker=record.worker,
        fencing_token=record.token,
    )


def as_its_status_has_it(record: Record, now: Millis) -> Record:
    """A record from outside, with what a job of its status has and nothing else.

    A pending one is parked, a retrying one is due at its `execute_at` (now if none), a running one
    has a worker (one of its own if none is named), a finished one has an ending and an end (now
    if none, or if that is ahead).
    """
    record = replace(record, due=None, parked=record.status == "pending")
    if record.status == "running":
        worker = record.worker or f"saved:{record.id.hex()}"
        return replace(record, worker=worker, ending="", completed=None, prune_at=None)
    record = replace(record, worker=None, cancelling=False)
    if record.status in lifecycle.FINISHED:
        ending = record.ending or lifecycle.ENDINGS[record.status]
        completed = now if record.completed is None else min(record.completed, now)
        return replace(record, ending=ending, completed=completed)
    record = replace(record, ending="", completed=None, prune_at=None)
    if record.status == "pending":
        return record
    due = now if record.execute_at is None else record.execute_at
    return replace(record, due=due, execute_at=due)


def payload_of(job: Job) -> Payload:
    """What of a job is written once (the seed's doors hand whole jobs to a store)."""
    expires = None if job.expires_at is None else millis(job.expires_at) - millis(job.created_at)
    return Payload(
        VERSION,
        cast("dict[str, Any]", json_value(job.args, "args", levels=NESTING_LIMIT + 1)),
        job.max_retries,
        retry_fields(job.retry),
        _span_ms(job.timeout),
        expires,
        _span_ms(job.keep_result),
        cast("dict[str, Any]", json_value(job.metadata, "metadata", levels=NESTING_LIMIT + 1))
        or None,
    )


def _span_ms(duration: timedelta | None) -> int | None:
    return None if duration is None else round(duration / timedelta(milliseconds=1))


def trail_of(job: Job) -> bytes:
    """What of a job is written by its runs."""
    trail: dict[str, Any] = {
        "result": json_value(job.result, "result"),
        "error": None if job.error is None else bounded(job.error),
        "errors": [
            (run.attempt, millis(run.at), *bounded(run.error)) for run in job.errors[-ERRORS_KEPT:]
        ]
        or None,
        "runs": [_run_row(one) for one in job.attempts[-RUNS_KEPT:]] or None,
        "reason": None if job.reason is None else as_utf8(job.reason),
    }
    kept = {name: value for name, value in trail.items() if value is not None}
    return encode(kept) if kept else b""


def record_of(job: Job, keep: Mapping[str, int]) -> Record:
    """A whole job as a record, for `Save`; `keep` says how long each finished status stays (ms)."""
    completed = None if job.completed_at is None else millis(job.completed_at)
    kept = keep.get(job.status)
    return Record(
        seq=0,
        id=job.id.bytes,
        job_type=job.job_type,
        queue=job.queue,
        priority=priority.rank(job.priority),
        payload=encode_payload(payload_of(job)),
        created=millis(job.created_at),
        updated=millis(job.updated_at),
        status=job.status,
        execute_at=None if job.execute_at is None else millis(job.execute_at),
        started=None if job.started_at is None else millis(job.started_at),
        completed=completed,
        worker=job.worker,
        token=job.fencing_token,
        retry_count=job.retry_count,
        crashes=job.crash_count,
        cancelling=job.cancel_requested,
        trail=trail_of(job),
        progress=b"" if job.progress is None else encode_progress(job.progress),
        prune_at=None if completed is None or kept is None else completed + kept,
    )
