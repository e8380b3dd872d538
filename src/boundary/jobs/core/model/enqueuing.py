"""What `Enqueue` means.

What belongs here: how a job comes in, and a parked one starts to wait. What does not: ticks
(`schedules`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.model import standing
from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    Enqueue,
    Enqueued,
)
from boundary.jobs.core.wire import Millis, NewJob, Record


def enqueue(state: State, operation: Enqueue, now: Millis) -> Enqueued:
    return Enqueued(now, tuple([admit(state, job, now) for job in operation.jobs]))


def admit(state: State, job: NewJob, now: Millis) -> bool:
    """The job is stored; whether it is new, or was parked."""
    known = state.jobs.get(job.id)
    if known is not None and not (known.parked and not job.parked):
        return False
    if known is None:
        state.last_seq += 1
        known = Record(
            state.last_seq, job.id, job.job_type, job.queue, job.priority, job.payload, now, now
        )
    record = replace(known, queue=job.queue, priority=job.priority, parked=job.parked, updated=now)
    due = job.run_at if job.run_at is not None else now + job.delay_ms
    if job.parked:
        state.jobs[job.id] = record
    elif due > now:
        standing.wait(state, record, due)
    else:
        standing.ready(state, replace(record, execute_at=job.run_at))
    return True
