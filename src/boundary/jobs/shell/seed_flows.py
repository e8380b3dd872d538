"""What the seed's calls do, as steps: handing whole jobs to a store and back.

What belongs here: `dequeue_job`, `save_job` and `update_job_status` in terms of operations. What
does not: calls that are the same for everybody (`flows`), and the seed's names (`seed`).

The seed's caller holds a job as a value and saves it after each step of its life. A store changes
a status only by the operation for it; so a saved job is compared with the stored one, and the
step between the two is taken. A dequeued job is held under a lease by a worker of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from boundary.jobs.core import conversion, lifecycle, outcome, priority, retry, trails, wire
from boundary.jobs.core.happenings import Admitted, Ended, Started
from boundary.jobs.core.job import JSON, Job, Status
from boundary.jobs.core.names import checked_name, shown_id
from boundary.jobs.core.operations import (
    BATCH,
    Cancel,
    Claim,
    Depart,
    Enqueue,
    Find,
    Operation,
    Outcome,
    Peek,
    Promote,
    Reclaim,
    Retry,
    Save,
    Settle,
    Settling,
    Take,
    Time,
)
from boundary.jobs.core.steering import as_job_error
from boundary.jobs.core.wire import NewJob, Record
from boundary.jobs.errors import IllegalTransition, LeaseLost
from boundary.jobs.shell.flows import Flow, Tell, ask, find
from boundary.jobs.shell.ids import incarnation
from boundary.jobs.shell.options import as_instant

_EVENTS: dict[Status, Settling] = {
    "completed": "succeed",
    "failed": "exhaust",
    "cancelled": "cancel",
    "retrying": "fail",
    "pending": "release",
}
"""How a running job comes to each other status."""


class Terms(Struct, frozen=True):
    """Under which terms jobs are held and kept (all but the counts in milliseconds)."""

    lease: int
    finished: int
    dead: int
    max_crashes: int
    max_unhandled: int

    def keep(self, job: Job) -> int:
        """How long the record stays if it ends as it is."""
        if job.status == "failed":
            return self.dead
        own = job.keep_result
        return self.finished if own is None else round(own / timedelta(milliseconds=1))


# The queue


def enqueue(queue: str, job: Job, execute_at: datetime | None) -> Flow[UUID]:
    """The job waits in the queue, or for its instant."""
    if job.status != "pending":
        raise IllegalTransition(
            f"job {job.id} is {job.status}; only a pending one can be enqueued",
            status=job.status,
            event="enqueue",
        )
    new = NewJob(
        job.id.bytes,
        checked_name("job type", job.job_type),
        checked_name("queue", queue),
        priority.rank(job.priority),
        wire.encode_payload(conversion.payload_of(job)),
        run_at=None if execute_at is None else as_instant("execute_at", execute_at),
    )
    reply = yield from ask(Enqueue((new,)))
    if reply.fresh[0]:
        yield Tell(Admitted(reply.now, (new,)), reply.watched)
    return job.id


def dequeue(queue: str, terms: Terms) -> Flow[Job | None]:
    """The next job of the queue, held; what lost workers held is taken back first."""
    name = checked_name("queue", queue)
    yield from ask(Reclaim(terms.max_crashes, terms.dead))
    worker = incarnation()
    claimed = yield from ask(Claim(worker, (name,), 1, terms.lease, join=True))
    if not claimed.jobs:
        yield from ask(Depart(worker, terms.finished))
        return None
    yield Tell(Started(claimed.now, worker, claimed.jobs), claimed.watched)
    return replace(conversion.job_of(claimed.jobs[0]), status="pending")


def peek(queue: str) -> Flow[Job | None]:
    """The job the next dequeue would give."""
    records = yield from ask(Peek(checked_name("queue", queue)))
    return conversion.job_of(records[0]) if records else None


def acknowledge(job: Job, terms: Terms) -> Flow[None]:
    """The dequeued job is completed without a result."""
    done = replace(job, status="completed", result=None, error=None)
    yield from _settle(job, _outcome(done, job.retry_count, terms))


def promote() -> Flow[int]:
    """Every job whose instant has come waits in its queue. How many."""
    count = 0
    while some := (yield from ask(Promote())):
        count += some
    return count


def reclaim(terms: Terms) -> Flow[int]:
    """What lost workers held is back in its queues. How many."""
    count = 0
    while taken := (yield from ask(Reclaim(terms.max_crashes, terms.dead))):
        count += len(taken)
        if len(taken) < BATCH:
            break
    return count


# The store


def save(job: Job, terms: Terms, u: float) -> Flow[Job]:
    """The job is stored; the outcome of a dequeued one settles it."""
    (record,) = yield from ask(Find((job.id.bytes,)))
    if record is None or not _moves(job, record):
        yield from _put(job, record, terms)
    elif _holds(job, record):
        yield from _settle(job, (yield from _end(job, record, terms, u)))
    elif job.worker is not None:
        raise LeaseLost(_lost(job))
    else:
        result = _told(job)
        yield from update_status(job.id, job.status, result, terms, u)
    return (yield from find(job.id)) or job


def _moves(job: Job, record: Record) -> bool:
    """Whether saving this job takes the stored one to another status.

    A dequeued job is shown as pending; as long as it has not failed, saving it moves nothing.
    """
    if _holds(job, record):
        return job.status != "running" and (
            job.status != "pending" or job.retry_count > record.retry_count
        )
    return job.status != record.status or job.fencing_token != record.token


def _holds(job: Job, record: Record) -> bool:
    held = ("running", job.worker, job.fencing_token)
    return (record.status, record.worker, record.token) == held


def _put(job: Job, record: Record | None, terms: Terms) -> Flow[None]:
    """The job as it is given, in the status it is stored in."""
    if record is not None:
        job = replace(job, status=record.status)
    kept: dict[str, int] = {job.status: terms.keep(job)}
    verdict = yield from ask(
        Save(conversion.record_of(job, kept), terms.lease, job.fingerprint or "")
    )
    if verdict == "refused":
        raise LeaseLost(f"job {job.id} was changed by another at this moment; find it again")


def _end(job: Job, record: Record, terms: Terms, u: float) -> Flow[Outcome]:
    """How the run of a held job ended, by the job its holder saves."""
    if job.status not in {"retrying", "pending"}:
        return _outcome(job, job.retry_count, terms)
    retrying = replace(job, status="retrying")
    if job.execute_at is None or job.execute_at == wire.instant(record.execute_at):
        delay = retry.delay_ms(max(job.retry_count, 1), job.retry, u)
    else:
        now = yield from ask(Time())
        delay = max(0, wire.millis(job.execute_at) - now)
    return replace(_outcome(retrying, job.retry_count, terms), delay_ms=delay)


def _outcome(job: Job, retry_count: int, terms: Terms) -> Outcome:
    ran = timedelta(0) if job.started_at is None else job.updated_at - job.started_at
    return Outcome(
        job.id.bytes,
        job.fencing_token,
        _EVENTS[job.status],
        conversion.trail_of(job),
        retry_count,
        keep_ms=terms.keep(job),
        duration_ms=max(0.0, ran / timedelta(milliseconds=1)),
    )


def _settle(job: Job, ended: Outcome) -> Flow[None]:
    """The outcome is in, and the worker that was made for this one job is gone."""
    worker = job.worker or ""
    settled = yield from ask(Settle(worker, (ended,)))
    if not settled.accepted[0]:
        raise LeaseLost(_lost(job))
    # A saved job that will be tried again counts that try already.
    before = ended.retry_count - (ended.event == "fail")
    run = (replace(conversion.record_of(job, {}), retry_count=max(0, before)), ended)
    yield Tell(Ended(settled.now, worker, (run,), (True,), {}), settled.watched)
    yield from ask(Depart(worker, ended.keep_ms))


def _lost(job: Job) -> str:
    return (
        f"job {job.id} ({job.job_type}) is no longer held under fencing token "
        f"{job.fencing_token}: its lease ended and it was given to another, or it was settled; "
        "this outcome changes nothing"
    )


def _told(job: Job) -> JSON:
    """What a job without a holder says of its last run."""
    if job.status in {"failed", "retrying"} and job.error is not None:
        return {
            "message": job.error.message,
            "type": job.error.type,
            "stacktrace": job.error.stacktrace,
        }
    return job.result


def update_status(
    job_id: UUID, status: Status, result: JSON, terms: Terms, u: float
) -> Flow[Job | None]:
    """The job has this status, by the operation that leads there. None: no such job."""
    (record,) = yield from ask(Find((job_id.bytes,)))
    if record is None:
        return None
    if record.status != status:
        if not lifecycle.can_become(record.status, status):
            raise IllegalTransition(
                f"job {job_id} is {record.status}, which does not lead to {status!r:.40}",
                status=record.status,
                event=str(status),
            )
        yield from _lead(record, status, result, terms, u)
    return (yield from find(job_id))


def _lead(record: Record, status: Status, result: JSON, terms: Terms, u: float) -> Flow[None]:
    """Take the one step from the record's status to the other."""
    if record.status == "failed":
        yield from _done(record, status, Retry((record.id,)))
    elif record.status == "running":
        yield from _conclude(record, status, result, terms, u)
    elif status == "cancelled":
        yield from _done(record, status, Cancel((record.id,), terms.finished))
    else:
        taken = yield from ask(Take(record.id, incarnation(), terms.lease))
        if taken is None:
            raise _refused(record, status)
        if status != "running":
            yield from _conclude(taken, status, result, terms, u)


def _done(record: Record, status: Status, operation: Operation[tuple[str, ...]]) -> Flow[None]:
    verdicts = yield from ask(operation)
    if verdicts != ("done",):
        raise _refused(record, status)


def _refused(record: Record, status: Status) -> IllegalTransition:
    return IllegalTransition(
        f"job {shown_id(record.id)} is no longer {record.status}; look again",
        status=record.status,
        event=status,
    )


def _conclude(record: Record, status: Status, result: JSON, terms: Terms, u: float) -> Flow[None]:
    """A running job goes to another status, whoever holds it."""
    now = yield from ask(Time())
    job = conversion.job_of(record)
    count, delay, trail = record.retry_count, 0, record.trail
    if status == "completed":
        trail = trails.succeeded(trail, wire.json_value(result, "result"))
    elif status in {"failed", "retrying"}:
        trail = trails.failed(trail, count + 1, now, as_job_error(result))
    if status == "retrying":
        count += 1
        delay = retry.delay_ms(count, job.retry, u)
    ended = Outcome(
        record.id,
        record.token,
        _EVENTS[status],
        trail,
        count,
        delay,
        terms.keep(replace(job, status=status)),
        float(max(0, now - (record.started or now))),
    )
    yield from _settle(job, ended)


def release_unhandled(job: Job, known: tuple[str, ...], terms: Terms) -> Flow[Job | None]:
    """A dequeued job of a type nobody here knows waits for another worker, or is dead."""
    (record,) = yield from ask(Find((job.id.bytes,)))
    if record is None or not _holds(job, record):
        raise LeaseLost(_lost(job))
    now = yield from ask(Time())
    keep = outcome.Keep(terms.finished, terms.dead)
    ended = outcome.Run(record, wire.decode_payload(record.payload), now, 0.0, 0.0, keep)
    yield from _settle(job, outcome.unhandled(ended, known, terms.max_unhandled))
    return (yield from find(job.id))
