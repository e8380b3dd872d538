"""The events others may follow: what they are, and which of them a happening is.

What belongs here: from happenings to rows, and from a row to the event people see. What does not:
the bytes by which rows go from one process to another, and what got lost on the way (`frames`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import lifecycle, trails, wire
from boundary.jobs.core.happenings import (
    Admitted,
    Cancelled,
    Ended,
    Happening,
    Progressed,
    Retried,
    Started,
    TakenBack,
)
from boundary.jobs.core.names import shown_id
from boundary.jobs.core.operations import Outcome
from boundary.jobs.core.records import Job, JobError, Progress
from boundary.jobs.core.telling import told_error
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.errors import UsageError

EventType: TypeAlias = Literal[
    "enqueued",
    "started",
    "progress",
    "succeeded",
    "retrying",
    "released",
    "failed",
    "dead",
    "cancelled",
]

FINAL: frozenset[str] = frozenset({"succeeded", "failed", "dead", "cancelled"})

TEXT = 1_000
"""Most bytes of a message in an event."""


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """Something happened to a job.

    Attributes:
        type: What. `enqueued`: it is stored, and waits. `started`: a worker holds it, and runs it as
            soon as a slot is free. `progress`: its handler said how far it is. `succeeded`.
            `retrying`: a run failed, the next one is due after `delay`; or an operator lets it run
            again (`error` None). `released`: it goes back to its queue unfinished, put off by its
            handler, by a worker that stops, or taken from one that was lost. `failed`: for good, by
            its handler's word. `dead`: for good, it is a dead letter. `cancelled`.
        at: When, by the store's clock.
        attempt: The number of the run, 1 for the first; 0: none has begun.
        worker: Incarnation of the worker that tells it; None: told by a caller.
        duration: How long the run took.
        error: Why the run failed; without its stack.
        progress: What the handler said.
        delay: How long the job waits now.
        reason: What ended or put off the job, if that was no error.
        lost: How many events before this one got lost; they may not have been of the kind one
            follows.
    """

    type: EventType
    job_id: UUID
    job_type: str
    queue: str
    at: datetime
    attempt: int = 0
    worker: str | None = None
    duration: timedelta | None = None
    error: JobError | None = None
    progress: Progress | None = None
    delay: timedelta | None = None
    reason: str | None = None
    lost: int = 0

    @property
    def final(self) -> bool:
        """Whether the job has reached its end."""
        return self.type in FINAL


class Row(Struct, array_like=True, frozen=True, gc=False):
    """An event in a frame. New fields go to the end; none is ever removed."""

    type: str
    id: bytes
    job_type: str
    queue: str
    at: Millis
    attempt: int = 0
    worker: str | None = None
    duration_ms: float | None = None
    error: tuple[str, str] | None = None
    progress: tuple[float, str | None] | None = None
    delay_ms: int | None = None
    reason: str | None = None


# From happenings to rows


def rows_of(happening: Happening) -> list[Row]:
    """The events of a happening; none of one that is not about jobs."""
    make = _ROWS.get(type(happening))
    return [] if make is None else make(happening)


def types_of(happening: Happening) -> AbstractSet[str]:
    """Which types of events a happening may be; quicker than to make them."""
    if isinstance(happening, Ended):
        return {ENDS[event] for event in {outcome.event for _, outcome in happening.runs}}
    return _TYPES.get(type(happening), frozenset())


def _admitted(happening: Admitted) -> list[Row]:
    return [
        Row("enqueued", job.id, job.job_type, job.queue, happening.at, delay_ms=_wait(job))
        for job in happening.jobs
        if not job.parked
    ]


def _wait(job: wire.NewJob) -> int | None:
    return job.delay_ms or None


def _started(happening: Started) -> list[Row]:
    at, worker = happening.at, happening.worker
    return [
        Row("started", one.id, one.job_type, one.queue, at, one.retry_count + 1, worker)
        for one in happening.records
    ]


def _progressed(happening: Progressed) -> list[Row]:
    fraction, message = wire.decode_progress(happening.progress)
    said = (fraction, None if message is None else _short(message))
    record = happening.record
    row = _row("progress", record, happening.at, happening.worker)
    return [replace(row, progress=said)]


def _row(kind: str, record: Record, at: Millis, worker: str | None = None) -> Row:
    attempt = record.retry_count + 1
    return Row(kind, record.id, record.job_type, record.queue, at, attempt, worker)


def _ended(happening: Ended) -> list[Row]:
    at, worker = happening.at, happening.worker
    rows: list[Row] = []
    for (record, outcome), counts in zip(happening.runs, happening.accepted, strict=True):
        if not counts:
            continue
        if outcome.event == "succeed":
            kind, attempt, ms = "succeeded", record.retry_count + 1, outcome.duration_ms
            rows.append(
                Row(kind, record.id, record.job_type, record.queue, at, attempt, worker, ms)
            )
        else:
            rows.append(_ended_otherwise(record, outcome, at, worker))
    return rows


ENDS: dict[str, EventType] = {
    "succeed": "succeeded",
    "fail": "retrying",
    "snooze": "released",
    "release": "released",
    "reclaim": "released",
    "discard": "failed",
    "exhaust": "dead",
    "quarantine": "dead",
    "crash": "dead",
    "cancel": "cancelled",
}
"""What each event by which a hold on a job ends is called here."""


def _ended_otherwise(record: Record, outcome: Outcome, at: Millis, worker: str) -> Row:
    kind = ENDS[outcome.event]
    row = _row(kind, record, at, worker)
    waits = outcome.delay_ms if kind in {"retrying", "released"} else None
    error, reason = None, None
    if kind in {"retrying", "failed", "dead"}:
        error = _error(record.payload, outcome.trail)
    else:
        reason = _reason(outcome.trail)
    return replace(row, duration_ms=outcome.duration_ms, error=error, delay_ms=waits, reason=reason)


def _error(payload: bytes, trail: bytes) -> tuple[str, str] | None:
    error = told_error(payload, trail)
    return None if error is None else (_short(error.message), _short(error.type))


def _reason(trail: bytes) -> str | None:
    reason = trails.reason_of(trail)
    return None if reason is None else _short(reason)


def _taken_back(happening: TakenBack) -> list[Row]:
    rows: list[Row] = []
    for record in happening.records:
        event = record.ending if record.status in lifecycle.FINISHED else "reclaim"
        row = _row(ENDS.get(event, "released"), record, happening.at)
        lost = ("its worker was lost", "WorkerLost") if event == "crash" else None
        rows.append(replace(row, error=lost))
    return rows


def _cancelled(happening: Cancelled) -> list[Row]:
    return [_of_job("cancelled", job, happening.at) for job in happening.jobs]


def _retried(happening: Retried) -> list[Row]:
    at = happening.at
    return [
        replace(_of_job("retrying", job, at), delay_ms=_until(job, at)) for job in happening.jobs
    ]


def _until(job: Job, at: Millis) -> int:
    """For how many ms the job waits."""
    return 0 if job.execute_at is None else max(0, wire.millis(job.execute_at) - at)


def _of_job(kind: str, job: Job, at: Millis) -> Row:
    attempt = job.retry_count + 1 if job.started_at is not None else 0
    return Row(kind, job.id.bytes, job.job_type, job.queue, at, attempt, reason=job.reason)


_ROWS: dict[type[Any], Callable[[Any], list[Row]]] = {
    Admitted: _admitted,
    Started: _started,
    Progressed: _progressed,
    Ended: _ended,
    TakenBack: _taken_back,
    Cancelled: _cancelled,
    Retried: _retried,
}


_TYPES: dict[type[Any], frozenset[str]] = {
    Admitted: frozenset({"enqueued"}),
    Started: frozenset({"started"}),
    Progressed: frozenset({"progress"}),
    TakenBack: frozenset({"released", "dead", "cancelled"}),
    Cancelled: frozenset({"cancelled"}),
    Retried: frozenset({"retrying"}),
}


def _short(text: str) -> str:
    """Its beginning, so that an event has room in a frame."""
    if len(text) <= TEXT // 4:
        return text
    data = text.encode(errors="backslashreplace")
    return text if len(data) <= TEXT else data[:TEXT].decode(errors="ignore") + "…"


# From rows to events


def event_of(row: Row, lost: int = 0) -> Event:
    """The event a row stands for."""
    return Event(
        type=row.type,  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - a newer one
        job_id=shown_id(row.id),
        job_type=row.job_type,
        queue=row.queue,
        at=wire.at(row.at),
        attempt=row.attempt,
        worker=row.worker,
        duration=_span(row.duration_ms),
        error=None if row.error is None else JobError(*row.error),
        progress=None if row.progress is None else Progress(*row.progress),
        delay=_span(row.delay_ms),
        reason=row.reason,
        lost=lost,
    )


def _span(ms: float | None) -> timedelta | None:
    return None if ms is None else timedelta(milliseconds=ms)


def checked_types(types: Collection[str] | None) -> frozenset[str] | None:
    """The types, if there are such.

    Raises:
        UsageError: One of them is none.
    """
    if types is None:
        return None
    chosen = {types} if isinstance(types, str) else set(types)
    if unknown := chosen - set(get_args(EventType)):
        raise UsageError(
            f"there is no event {min(map(str, unknown))!r}; there are "
            + ", ".join(get_args(EventType))
        )
    return frozenset(chosen)
