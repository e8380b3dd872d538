"""What a caller can do with jobs, each written once as steps.

What belongs here: which operations a call takes, in which order, and what becomes of the replies.
What does not: performing a step (`driving`; the blocking door, `client`, and the asyncio one,
`aio`, have no logic of their own), and flows about something else (`statistics_flows`,
`schedule_flows`, `order_flows`, `operator_flows`, `audit_flows`).

A flow is a generator: it yields steps and is sent their replies; what a step raises is raised in
the flow.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeAlias, TypeVar, cast, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import conversion, lifecycle, wire
from boundary.jobs.core.happenings import Admitted, Cancelled, Happening, Retried
from boundary.jobs.core.names import checked_name, shown_id
from boundary.jobs.core.operations import (
    ENQUEUE_BATCH,
    Act,
    Cancel,
    DeadLetters,
    Delete,
    Enqueue,
    Find,
    History,
    Interest,
    Operation,
    Retry,
    Search,
    SetPaused,
    Topic,
    What,
)
from boundary.jobs.core.records import Job, Status
from boundary.jobs.core.values import JSON
from boundary.jobs.core.wire import Record
from boundary.jobs.errors import (
    IllegalTransition,
    JobCancelled,
    JobFailed,
    JobNotFound,
    ResultTimeout,
    UsageError,
)
from boundary.jobs.shell.draft import Draft, jobs_of
from boundary.jobs.shell.hands import Hand
from boundary.jobs.shell.options import as_id, as_instant, as_span

R = TypeVar("R")

PAGE = 200
"""Most jobs of one answer, as `operations.Search` has it."""

RECHECK = 5.0
"""Longest seconds a wait relies on a notice, which may get lost."""


class Listen(Struct, frozen=True):
    """Hear of this from now on, to the end of the flow."""

    interest: Interest


class Wait(Struct, frozen=True):
    """Go on at the next notice, or after so many seconds."""

    seconds: float


class Tell(Struct, frozen=True):
    """Tell of it: here, and those who watch the store, if somebody does or may."""

    happening: Happening
    watched: bool = True


class Here(Operation[R], frozen=True):
    """What is done in this process: the store is not asked, though a handler in it may ask."""


Step: TypeAlias = Operation[Any] | Listen | Wait | Tell
Flow: TypeAlias = Generator[Step, Any, R]
JobId: TypeAlias = UUID | str


class JobPage(Struct, frozen=True):
    """Some of the jobs a search found, newest first.

    Attributes:
        cursor: Where the next page begins; None: this was the last. A page may be short, even
            empty, and not be the last.
    """

    jobs: tuple[Job, ...]
    cursor: str | None = None

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)


def ask(operation: Operation[R]) -> Flow[R]:
    """The store's answer."""
    return cast("R", (yield operation))


# Jobs come in


def enqueue(draft: Draft) -> Flow[Job]:
    """The job as stored; one round trip, two if its id was there already."""
    (job,) = yield from _enqueue_batch([draft])
    return job


def enqueue_many(drafts: Iterable[Draft]) -> Flow[list[Job]]:
    """The jobs as stored, one round trip a batch; drafts are drawn as they are needed."""
    source = iter(drafts)
    jobs: list[Job] = []
    while batch := list(islice(source, ENQUEUE_BATCH)):
        jobs += yield from _enqueue_batch(batch)
    return jobs


def _enqueue_batch(drafts: list[Draft]) -> Flow[list[Job]]:
    for draft in drafts:
        if not isinstance(cast("object", draft), Draft):
            raise UsageError(f"enqueue_many takes what handler.job(…) makes, not {draft!r:.80}")
    new = tuple([one.new for one in drafts])
    reply = yield from ask(Enqueue(new))
    jobs = jobs_of(drafts, reply.now)
    if all(reply.fresh):
        yield Tell(Admitted(reply.now, new), reply.watched)
        return jobs
    fresh = tuple([one for one, fresh in zip(new, reply.fresh, strict=True) if fresh])
    yield Tell(Admitted(reply.now, fresh), reply.watched)
    again = [place for place, fresh in enumerate(reply.fresh) if not fresh]
    found = yield from ask(Find(tuple([drafts[place].new.id for place in again])))
    for place, record in zip(again, found, strict=True):
        if record is not None:
            jobs[place] = conversion.job_of(record)
    return jobs


# One job


def _one(job_id: JobId) -> Flow[Record | None]:
    (record,) = yield from ask(Find((as_id(job_id),)))
    return record


def find(job_id: JobId) -> Flow[Job | None]:
    """The job, or None."""
    record = yield from _one(job_id)
    return None if record is None else conversion.job_of(record)


def result(job_id: JobId, timeout: float | timedelta | None) -> Flow[JSON]:
    """What the job's handler returned, once it has.

    Listens first and looks then, so an end in between is not missed.
    """
    limit = None if timeout is None else as_span("timeout", timeout) / 1000
    until = None if limit is None else time.monotonic() + limit
    record = yield from _one(job_id)
    if record is None or record.status in lifecycle.FINISHED:
        return _value(job_id, record)
    yield Listen(Interest(Topic.RESULT, job=record.id))
    while True:
        record = yield from _one(job_id)
        if record is None or record.status in lifecycle.FINISHED:
            return _value(job_id, record)
        left = RECHECK if until is None else until - time.monotonic()
        if left <= 0:
            raise ResultTimeout(
                f"job {job_id} ({record.job_type}) is {record.status} after {limit:g} s; it goes "
                "on, ask for its result later"
            )
        yield Wait(min(left, RECHECK))


def _value(job_id: JobId, record: Record | None) -> JSON:
    """The value of a finished job, or why there is none."""
    if record is None:
        raise JobNotFound(
            f"no job {job_id} is stored: it was never enqueued, was deleted, or its result was "
            "not kept so long"
        )
    job = conversion.job_of(record)
    if job.status == "completed":
        return job.result
    name = f"job {job.id} ({job.job_type})"
    if job.status == "cancelled":
        raise JobCancelled(f"{name} was cancelled: {job.reason or 'by request'}")
    error = job.error
    if error is None:
        raise JobFailed(f"{name} failed", error_type="", stacktrace=None)
    raise JobFailed(
        f"{name} failed: {error.type}: {error.message}",
        error_type=error.type,
        stacktrace=error.stacktrace,
    )


def cancel(job_id: JobId, keep_ms: int, hand: Hand | None) -> Flow[Job | None]:
    """The job never runs, or its run is asked to stop. None: no such job."""
    before = yield from find(job_id)
    if before is None:
        return None
    own = before.keep_result
    kept = keep_ms if own is None else round(own / timedelta(milliseconds=1))
    (verdict,) = yield from ask(
        Cancel((before.id.bytes,), kept, _act(hand, "cancel", str(before.id)))
    )
    if verdict == "missing":
        return None
    job = (yield from find(job_id)) or replace(before, status="cancelled")
    if verdict == "requested" and job.status != "running":
        # It has stopped since. What was done to it is still a request, and cannot be undone.
        job = replace(before, status="running", cancel_requested=True)
    if verdict == "done":
        yield Tell(Cancelled(wire.millis(job.updated_at), (job,)))
    if verdict == "refused":
        raise IllegalTransition(
            f"job {job.id} is {job.status}, there is nothing left to cancel",
            status=job.status,
            event="cancel",
        )
    return job


def _act(hand: Hand | None, what: What, target: str) -> Act | None:
    return None if hand is None else hand.act(what, target)


def retry(job_id: JobId, hand: Hand | None = None) -> Flow[Job | None]:
    """The failed job waits in its queue with a full budget. None: no such job."""
    id = as_id(job_id)
    (verdict,) = yield from ask(Retry((id,), act=_act(hand, "retry", str(shown_id(id)))))
    if verdict == "missing":
        return None
    job = yield from find(job_id)
    if verdict == "done" and job is not None:
        yield Tell(Retried(wire.millis(job.updated_at), (job,)))
    if verdict == "refused" and job is not None:
        raise IllegalTransition(
            f"job {job.id} is {job.status}; only a failed job can be retried",
            status=job.status,
            event="retry",
        )
    return job


def retry_if_failed(job_id: JobId) -> Flow[Job | None]:
    """As `retry`; None too if the job has not failed."""
    try:
        return (yield from retry(job_id))
    except IllegalTransition:
        return None


def delete(job_id: JobId, hand: Hand | None = None) -> Flow[bool]:
    """No such job is stored. Whether it was."""
    id = as_id(job_id)
    (was,) = yield from ask(Delete((id,), _act(hand, "delete", str(shown_id(id)))))
    return was


# Many jobs


def search(
    *,
    status: Status | None,
    job_type: str | None,
    queue: str | None,
    since: datetime | None,
    until: datetime | None,
    text: str | None,
    limit: int,
    cursor: str | None,
) -> Flow[JobPage]:
    """The jobs that match all conditions, newest first, a page of them."""
    if status is not None and status not in get_args(Status):
        raise UsageError(
            f"there is no status {status!r}; it is one of {', '.join(get_args(Status))}"
        )
    page = yield from ask(
        Search(
            status,
            job_type_or_none(job_type),
            queue_or_none(queue),
            None if since is None else as_instant("since", since),
            None if until is None else as_instant("until", until),
            text,
            checked_limit(limit, PAGE),
            cursor,
        )
    )
    return JobPage(tuple([conversion.job_of(record) for record in page.records]), page.cursor)


def found(
    *, status: Status | None, job_type: str | None, queue: str | None, limit: int
) -> Flow[list[Job]]:
    """The newest jobs that match, over as many pages as it takes."""
    jobs: list[Job] = []
    cursor: str | None = None
    checked_limit(limit, None)
    while len(jobs) < limit:
        page = yield from search(
            status=status,
            job_type=job_type,
            queue=queue,
            since=None,
            until=None,
            text=None,
            limit=min(limit - len(jobs), PAGE),
            cursor=cursor,
        )
        jobs += page.jobs
        cursor = page.cursor
        if cursor is None:
            break
    return jobs


def failed(limit: int) -> Flow[list[Job]]:
    """The newest dead letters first."""
    records = yield from ask(DeadLetters(checked_limit(limit, None)))
    return [conversion.job_of(record) for record in records]


def history(job_type: str, limit: int) -> Flow[list[Job]]:
    """The newest finished jobs of a type."""
    name = checked_name("job type", job_type)
    records = yield from ask(History(name, checked_limit(limit, None)))
    return [conversion.job_of(record) for record in records]


def checked_limit(limit: object, most: int | None, name: str = "limit", least: int = 1) -> int:
    """The number of jobs (or of what `name` says) asked for.

    Raises:
        UsageError: It is not a whole number from `least` to `most`.
    """
    if isinstance(limit, int) and limit is not True and least <= limit <= (most or limit):
        return limit
    upper = "on" if most is None else f"to {most}"
    raise UsageError(f"{name} is a whole number from {least} {upper}, not {limit!r:.40}")


def queue_or_none(name: str | None) -> str | None:
    """The name of a queue, if one is given and it is one."""
    return None if name is None else checked_name("queue", name)


def job_type_or_none(name: str | None) -> str | None:
    """The same of a job type."""
    return None if name is None else checked_name("job type", name)


# Queues


def set_paused(queue: str, *, paused: bool, hand: Hand | None = None) -> Flow[bool]:
    """Workers pass over the queue, or no longer do. Whether that is a change."""
    act = _act(hand, "pause" if paused else "resume", checked_name("queue", queue))
    return (yield from ask(SetPaused(queue, paused, act)))
