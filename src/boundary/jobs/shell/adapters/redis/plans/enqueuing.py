"""The plan of `Enqueue`, and enqueues that share calls.

What belongs here: which script takes new jobs in, and the replies as one. What does not: a job's
bytes (`redis.records`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import NewJob
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import (
    LONGEST,
    ONE,
    Call,
    Partitions,
    Plan,
    grouped,
)


def merged(operations: Sequence[ops.Enqueue]) -> tuple[ops.Enqueue, ...]:
    """The same enqueues in fewer operations, each as large as one may be.

    Callers that come at the same moment share calls; `shared` tells their replies apart.
    """
    jobs = [job for operation in operations for job in operation.jobs]
    most = ops.ENQUEUE_BATCH
    return tuple(
        ops.Enqueue(tuple(jobs[start : start + most])) for start in range(0, len(jobs), most)
    )


def shared(
    operations: Sequence[ops.Enqueue], replies: Sequence[ops.Enqueued]
) -> list[ops.Enqueued]:
    """For each of the operations that were `merged` its own reply."""
    fresh = [one for reply in replies for one in reply.fresh]
    now = replies[0].now if replies else 0
    watched = any(reply.watched for reply in replies)
    own: list[ops.Enqueued] = []
    start = 0
    for operation in operations:
        end = start + len(operation.jobs)
        own.append(ops.Enqueued(now, tuple(fresh[start:end]), watched))
        start = end
    return own


def enqueue(operation: ops.Enqueue, partitions: Partitions) -> Plan[ops.Enqueued]:
    jobs = operation.jobs
    if not jobs:
        (now,) = yield [Call("time")]
        return ops.Enqueued(now, ())
    _check_instants(jobs)
    if partitions.count == 1 and all(map(records.is_plain, jobs)):
        # Nearly every enqueue is one, and is put together a third faster without groups.
        (reply,) = yield [Call("enqueue", _arrivals(jobs))]
        if reply is None:
            (reply,) = yield [Call("admit", tuple(map(records.admission, jobs)))]
        return _taken(jobs, reply)
    places = grouped([job.id for job in jobs], partitions)
    groups = [[jobs[place] for place in mine] for mine in places.values()]
    plain = [all(map(records.is_plain, group)) for group in groups]
    replies = yield [
        Call("enqueue", _arrivals(group), number)
        if easy
        else Call("admit", tuple(map(records.admission, group)), number)
        for number, group, easy in zip(places, groups, plain, strict=True)
    ]
    again = [at for at, reply in enumerate(replies) if reply is None]
    if again:
        numbers = list(places)
        more = yield [
            Call("admit", tuple(map(records.admission, groups[at])), numbers[at]) for at in again
        ]
        replies = list(replies)
        for at, reply in zip(again, more, strict=True):
            replies[at] = reply
    fresh = [True] * len(jobs)
    now, watched = 0, False
    for mine, group, reply in zip(places.values(), groups, replies, strict=True):
        taken = _taken(group, reply)
        now, watched = max(now, taken.now), watched or taken.watched
        for place, flag in zip(mine, taken.fresh, strict=True):
            fresh[place] = flag
    return ops.Enqueued(now, tuple(fresh), watched)


def _taken(jobs: Sequence[NewJob], reply: Any) -> ops.Enqueued:
    """What one script says of these jobs."""
    if isinstance(reply, int):
        return ops.Enqueued(reply, (True,) * len(jobs))
    now, flags, seen = reply
    return ops.Enqueued(now, tuple([flag == ONE for flag in flags]), bool(seen))


def _arrivals(jobs: Sequence[NewJob]) -> tuple[bytes | int, ...]:
    """Jobs that are ready at once, each with the number of its lane."""
    numbers: dict[bytes, int] = {}
    arrivals: list[bytes] = []
    for job in jobs:
        lane = records.lane(job.queue, job.priority)
        number = numbers.get(lane)
        if number is None:
            number = numbers[lane] = len(numbers) + 1
        arrivals.append(records.arrival(job, lane, number))
    return (len(numbers), *numbers, *arrivals)


def _check_instants(jobs: Iterable[NewJob]) -> None:
    for job in jobs:
        if not -LONGEST < (job.run_at or job.delay_ms) < LONGEST:
            raise UsageError(
                f"a {job.job_type} job cannot wait until {job.run_at or job.delay_ms} ms: "
                "that is further away than any calendar goes"
            )
