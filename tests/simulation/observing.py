"""What one step of the store did, read off the state before and after it.

What belongs here: from an operation, its reply and the records it changed to events of a history
and to transitions of the life cycle. What does not: how the step is done; a store with a bug in
it is observed as well as one without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from boundary.jobs.core import lifecycle
from boundary.jobs.core.model import State
from boundary.jobs.core.operations import (
    Cancel,
    Claim,
    Delete,
    Depart,
    Enqueue,
    Fire,
    Inherit,
    Operation,
    Outcome,
    Promote,
    Prune,
    Purge,
    Reclaim,
    Retry,
    Settle,
    SettleAndClaim,
)
from boundary.jobs.core.wire import Record
from tests.proof.history import (
    Accepted,
    Asked,
    Claimed,
    Event,
    Fired,
    Removed,
    Revived,
    Stopped,
    Stored,
    TakenBack,
)

Transition = tuple[str, str]
"""(status, event) as in `core.lifecycle.TABLE`; ("", "enqueue") and ("", "fire") bring jobs in."""

_settling = lifecycle.settling

Names = Callable[[bytes], str]


class Before:
    """What a step may change, kept to compare."""

    def __init__(self, state: State) -> None:
        self.jobs = dict(state.jobs)
        self.expires = {name: one.expires for name, one in state.workers.items()}


def observe(
    operation: Operation[Any], reply: Any, before: Before, after: State, at: float, name: Names
) -> tuple[list[Event], list[Transition]]:
    """What happened, in order."""
    events: list[Event] = []
    steps: list[Transition] = []
    for event, step in _seen(operation, reply, before, after, at, name):
        if event is not None:
            events.append(event)
        if step is not None:
            steps.append(step)
    return events, steps


Seen = Iterator[tuple[Event | None, Transition | None]]


def _seen(
    operation: Operation[Any], reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    reader = _READERS.get(type(operation))
    if reader is not None:
        yield from reader(operation, reply, before, after, at, name)
    for id in before.jobs:
        if id not in after.jobs and _removes(operation, before.jobs[id]):
            yield Removed(name(id), at), None


def process_of(incarnation: str | None) -> str:
    """The process that goes by this name."""
    return (incarnation or "").rpartition(".")[0]


def _enqueued(
    operation: Enqueue, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for job, fresh in zip(operation.jobs, reply.fresh, strict=True):
        if fresh:
            due = reply.now + job.delay_ms if job.delay_ms else 0.0
            yield Stored(name(job.id), at, due), ("", "enqueue")


def _fired(
    operation: Fire, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    if reply:
        yield Fired(operation.name, operation.tick, at), ("", "fire")
        if operation.job.id not in before.jobs:
            yield Asked(name(operation.job.id), at), None


def _exchanged(
    operation: SettleAndClaim, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    yield from _settled(operation.settle, reply[0], before, after, at, name)
    yield from _claimed(operation.claim, reply[1], before, after, at, name)


def _settled(
    settle: Settle, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for outcome, accepted in zip(settle.outcomes, reply.accepted, strict=True):
        record = before.jobs.get(outcome.id)
        if not accepted or record is None:
            continue
        event = _settling(outcome.event, cancelling=record.cancelling)
        due = reply.now + outcome.delay_ms if _waits(event, outcome) else 0.0
        by = process_of(settle.worker)
        yield Accepted(name(outcome.id), outcome.token, by, at, event, due), ("running", event)


def _waits(event: str, outcome: Outcome) -> bool:
    return event in {"fail", "snooze", "release"} and outcome.delay_ms > 0


def _claimed(
    claim: Claim, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    yield from _promoted(claim, reply, before, after, at, name)
    by = process_of(claim.worker)
    for record in reply.jobs:
        yield Claimed(name(record.id), record.token, by, at), ("pending", "claim")


def _promoted(
    operation: Operation[Any], reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for old, new in _changed(before, after):
        if old.due is not None and new is not None and new.due is None:
            yield None, (old.status, "promote")


def _reclaimed(
    operation: Reclaim, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for id in reply:
        old, new = before.jobs[id], after.jobs.get(id)
        why = "lease" if new is None else _WHY.get(new.status, "lease")
        until = before.expires.get(old.worker or "", 0)
        by = process_of(old.worker)
        step = "reclaim" if why == "lease" else why
        yield TakenBack(name(id), old.token, by, at, why, until), ("running", step)


_WHY = {"pending": "lease", "failed": "crash", "cancelled": "cancel"}


def _given_back(
    operation: Depart | Inherit, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for old, new in _changed(before, after):
        if old.status == "running" and (new is None or new.status != "running"):
            cancelled = new is None or new.status == "cancelled"
            left = "left" if isinstance(operation, Depart) else "release"
            why = "cancel" if cancelled else left
            back = TakenBack(name(old.id), old.token, process_of(old.worker), at, why)
            yield back, ("running", "cancel" if cancelled else "release")


def _cancelled(
    operation: Cancel, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for id, verdict in zip(operation.ids, reply, strict=True):
        if verdict in {"done", "requested"}:
            old = before.jobs[id]
            yield Stopped(name(id), at, verdict), (old.status, "cancel")


def _revived(
    operation: Retry, reply: Any, before: Before, after: State, at: float, name: Names
) -> Seen:
    for id, verdict in zip(operation.ids, reply, strict=True):
        if verdict == "done":
            yield Revived(name(id), at), ("failed", "retry")


def _changed(before: Before, after: State) -> Iterator[tuple[Record, Record | None]]:
    for id, old in before.jobs.items():
        new = after.jobs.get(id)
        if new is not old:
            yield old, new


def _removes(operation: Operation[Any], record: Record) -> bool:
    """Whether the job is rightly gone; one that ended and is not kept has its end to tell of."""
    match operation:
        case Delete() | Purge():
            return True
        case Prune():
            return record.status in lifecycle.FINISHED
        case _:
            return False


_READERS: dict[type[Operation[Any]], Callable[..., Seen]] = {
    SettleAndClaim: _exchanged,
    Settle: _settled,
    Claim: _claimed,
    Promote: _promoted,
    Reclaim: _reclaimed,
    Depart: _given_back,
    Inherit: _given_back,
    Cancel: _cancelled,
    Retry: _revived,
    Enqueue: _enqueued,
    Fire: _fired,
}
