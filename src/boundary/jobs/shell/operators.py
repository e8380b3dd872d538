"""What operators ask and do, each written once as steps.

What belongs here: flows for the person on call. What does not: what every caller can do (`flows`),
and what an answer means (`core`).
"""

from __future__ import annotations

import secrets
from datetime import datetime

from msgspec import Struct

from boundary.jobs.core import why as reasons
from boundary.jobs.core import wire
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.operations import Explain, Find, Group, Groups, Instruct, Order, Stats, Word
from boundary.jobs.core.records import Job, JobError
from boundary.jobs.core.why import Why
from boundary.jobs.shell.flows import PAGE, Flow, JobId, ask, checked_limit
from boundary.jobs.shell.options import as_id, as_instant


class FailureGroup(Struct, frozen=True, kw_only=True):
    """Dead letters with one cause: job type, exception type, innermost frames.

    Attributes:
        fingerprint: What `retry_failed` and `delete_failed` take.
        queues: In which they are.
        count: How many there are now (since the instant asked for).
        error: Of the latest.
        sample: The latest; None if it has gone meanwhile.
    """

    fingerprint: str
    job_type: str
    queues: tuple[str, ...]
    count: int
    first_seen: datetime
    last_seen: datetime
    error: JobError | None = None
    sample: Job | None = None


def why(job_id: JobId) -> Flow[Why | None]:
    """Why the job is not running, at this moment. None: no such job."""
    facts = yield from ask(Explain(as_id(job_id)))
    return None if facts is None else reasons.why(facts)


def failure_groups(
    *, queue: str | None, job_type: str | None, since: datetime | None, limit: int
) -> Flow[list[FailureGroup]]:
    """Dead letters by cause, that seen last first."""
    groups = yield from ask(
        Groups(
            None if queue is None else checked_name("queue", queue),
            None if job_type is None else checked_name("job type", job_type),
            None if since is None else as_instant("since", since),
            checked_limit(limit, PAGE),
        )
    )
    samples = yield from ask(Find(tuple([group.sample for group in groups])))
    jobs = [None if record is None else wire.job_of(record) for record in samples]
    return [_group(group, job) for group, job in zip(groups, jobs, strict=True)]


def _group(group: Group, sample: Job | None) -> FailureGroup:
    return FailureGroup(
        fingerprint=group.cause,
        job_type=group.job_type,
        queues=group.queues,
        count=group.count,
        first_seen=wire.at(group.first),
        last_seen=wire.at(group.last),
        error=None if sample is None else sample.error,
        sample=sample,
    )


def instruct(word: Word, worker: str | None) -> Flow[int]:
    """This worker is given an order, or all are. How many.

    Args:
        worker: Its id, the beginning of it (``host:pid``), or its process id; None: all.
    """
    order = Order(secrets.token_bytes(16), word)
    meant = None
    if worker is not None:
        snapshot = yield from ask(Stats())
        meant = tuple([row.worker for row in snapshot.workers if _is_called(row.worker, worker)])
    told = yield from ask(Instruct(order, meant))
    return len(told)


def _is_called(id: str, name: str) -> bool:
    return id == name or id.startswith(f"{name}:") or id.split(":")[1:2] == [name]
