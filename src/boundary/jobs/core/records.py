"""A job as data.

What belongs here: the records a person sees, `Job` and its parts. What does not: the rules that
turn one job into the next (`job`, `lifecycle`, `retry`), and how a job is laid down in a store
(`wire`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct, field

from boundary.jobs.core.redaction import redacted
from boundary.jobs.core.retry import RetryPolicy
from boundary.jobs.core.values import JSON

Status: TypeAlias = Literal["pending", "running", "completed", "failed", "retrying", "cancelled"]
Priority: TypeAlias = Literal["critical", "high", "normal", "low"]

DEFAULT_QUEUE = "default"
DEFAULT_MAX_RETRIES = 3


class JobError(Struct, frozen=True, gc=False):
    """Why a run failed, as text: nothing in it can be executed or imported."""

    message: str
    type: str
    stacktrace: str | None = None


class FailedRun(Struct, frozen=True, gc=False):
    """One failed run of a job: the attempt number (1 is the first run), when, and why."""

    attempt: int
    at: datetime
    error: JobError


class Attempt(Struct, frozen=True, gc=False):
    """One run of a job that has ended.

    Attributes:
        number: 1 is the first run; it starts again at 1 when a dead letter is retried.
        worker: Incarnation of the worker that ran it.
        started_at: When that worker took the job; the handler may have started a moment later.
        outcome: The life-cycle event it ended with: ``succeed``, ``fail`` (a retry follows),
            ``exhaust`` (none is left), ``discard``, ``cancel``, ``snooze`` or ``release`` (its
            worker stopped).
        error: Why it failed; kept for the last ten failures.
    """

    number: int
    worker: str | None
    started_at: datetime | None
    ended_at: datetime
    outcome: str
    error: JobError | None = None


class Progress(Struct, frozen=True, gc=False):
    """How far a running job has come: `fraction` in [0, 1], and a message for people."""

    fraction: float
    message: str | None = None


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """One job, as it was when read. All datetimes are aware and in UTC.

    Attributes:
        id: UUID, version 7 if generated here; the same across retries.
        job_type: Name the handler is registered under.
        queue: Queue it waits in.
        args: Arguments by parameter name, JSON values.
        status: One of the six statuses; a scheduled job is ``pending`` with `execute_at` ahead.
        priority: Order within the queue.
        retry_count: Retries used so far (0 while in its first run).
        max_retries: Retries allowed; 3 means at most four runs.
        retry: How long retries wait.
        execute_at: Earliest start; None if it was ready at once.
        created_at: When the store accepted it.
        updated_at: When its status last changed.
        started_at: Start of the latest run.
        completed_at: When it reached its end (completed, failed or cancelled).
        timeout: Longest a run may take.
        expires_at: Latest start; after that it is cancelled instead.
        keep_result: How long the record is kept once finished.
        result: What the handler returned, a JSON value.
        error: Why the latest run failed.
        errors: The latest failed runs, oldest first, limited in number.
        attempts: The latest runs that have ended, oldest first, limited in number; a run whose
            worker was lost shows only in `crash_count`.
        reason: The reason given by `Cancel`, `Discard`, an operator or an expiry.
        metadata: Free mapping for people and tools; never passed to the handler.
        progress: What the handler last reported.
        crash_count: Workers and isolated processes lost while running it.
        cancel_requested: A running job was asked to stop.
        worker: Incarnation of the worker that holds it.
        fencing_token: Number of the latest claim; grows with each.
    """

    id: UUID
    job_type: str
    queue: str = DEFAULT_QUEUE
    args: dict[str, JSON] = field(default_factory=dict[str, JSON])
    status: Status = "pending"
    priority: Priority = "normal"
    retry_count: int = 0
    max_retries: int = DEFAULT_MAX_RETRIES
    retry: RetryPolicy = RetryPolicy()
    execute_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    timeout: timedelta | None = None
    expires_at: datetime | None = None
    keep_result: timedelta | None = None
    result: JSON = None
    error: JobError | None = None
    errors: tuple[FailedRun, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    reason: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict[str, JSON])
    progress: Progress | None = None
    crash_count: int = 0
    cancel_requested: bool = False
    worker: str | None = None
    fencing_token: int = 0

    def __repr__(self) -> str:
        """What tells it from others; a `repr` ends up in logs, so that secrets are hidden."""
        return (
            f"Job(id={str(self.id)!r}, job_type={self.job_type!r}, queue={self.queue!r}, "
            f"status={self.status!r}, args={redacted(self.args)!r})"
        )

    @property
    def fingerprint(self) -> str | None:
        """Identifies the cause, as in `failure_groups`; None if the job has not failed."""
        from boundary.jobs.core.causes import fingerprint  # here: hashlib takes 2 ms

        return None if self.status != "failed" else fingerprint(self.job_type, self.error)
