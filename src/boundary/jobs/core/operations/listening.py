"""What is worth telling of each operation: `Topic`, `Interest`, `notices`.

What belongs here: who may want to know that an operation happened. What does not: how a store
passes it on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from boundary.jobs.core.operations.duties import Promote, Reclaim, Repaired
from boundary.jobs.core.operations.enqueuing import Enqueue
from boundary.jobs.core.operations.leases import Depart, Inherit
from boundary.jobs.core.operations.operating import Cancel, Delete, Edit, Purge, Retry, SetPaused
from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.operations.orders import Instruct
from boundary.jobs.core.operations.saving import Save
from boundary.jobs.core.operations.schedules import Fire, PutSchedule
from boundary.jobs.core.operations.settling import Settle, SettleAndClaim
from boundary.jobs.core.operations.undoing import Undo


class Topic(StrEnum):
    """What a listener can be told of. A notice is a hint: it may come late, twice or never."""

    WORK = "work"
    """A queue may hold a job it did not hold before, or something may be due sooner.

    Of those that wait for work at least one is told; a claim that leaves ready jobs behind tells
    the next.
    """
    RESULT = "result"
    """A job may have reached its end."""
    CONTROL = "control"
    """A worker may have been asked something (a running job was cancelled, an order given)."""


class Interest(Struct, frozen=True):
    """What a listener wants to be told of; it may be told of more.

    Attributes:
        queues: Of `WORK`, in these queues; None: in any.
        job: Of `RESULT`, of the job with this id; None: of any.
    """

    topic: Topic
    queues: tuple[str, ...] | None = None
    job: bytes | None = None


def notices(operation: Operation[object], reply: object) -> frozenset[Topic]:
    """Who may want to know that this operation happened; stores pass it on after the fact."""
    if isinstance(operation, SettleAndClaim):
        return _settle_notices(operation.settle)
    if isinstance(operation, Settle):
        return _settle_notices(operation)
    if isinstance(reply, Repaired):
        return _WORK if reply.amiss else frozenset()
    return _NOTICES.get(type(operation), frozenset()) if reply else frozenset()


def _settle_notices(operation: Settle) -> frozenset[Topic]:
    if not operation.outcomes:
        return frozenset()
    events = {outcome.event for outcome in operation.outcomes}
    return frozenset({Topic.RESULT, Topic.WORK} if events & _REQUEUING else {Topic.RESULT})


_REQUEUING = frozenset({"fail", "release", "snooze"})
_WORK = frozenset({Topic.WORK})
_NOTICES: dict[type[Operation[Any]], frozenset[Topic]] = {
    Enqueue: _WORK,
    Fire: _WORK,
    PutSchedule: _WORK,
    Retry: _WORK,
    Edit: _WORK,
    Undo: _WORK | {Topic.RESULT},
    SetPaused: _WORK,
    Promote: _WORK,
    Reclaim: _WORK | {Topic.RESULT},
    Depart: _WORK | {Topic.RESULT},
    Inherit: _WORK | {Topic.RESULT},
    Cancel: frozenset({Topic.RESULT, Topic.CONTROL}),
    Delete: frozenset({Topic.RESULT, Topic.CONTROL}),
    Purge: frozenset({Topic.RESULT}),
    Instruct: frozenset({Topic.CONTROL}),
    Save: _WORK | {Topic.RESULT},
}
"""What each operation that is not answered with nothing (0, False, none) is worth telling."""
