"""What `Heartbeat`, `Inherit`, `Depart` and `Report` mean.

What belongs here: how a worker keeps and gives up its hold. What does not: a lease that ended
(`duties`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from boundary.jobs.core import lifecycle
from boundary.jobs.core.model import standing
from boundary.jobs.core.model.state import Holder, State
from boundary.jobs.core.operations import (
    Beat,
    Depart,
    Heartbeat,
    Inherit,
    Report,
)
from boundary.jobs.core.wire import Millis, Record


def cancelling(state: State, holder: Holder) -> tuple[bytes, ...]:
    """Ids of the jobs it holds that were asked to stop."""
    return tuple([id for id in holder.held if state.jobs[id].cancelling])


def heartbeat(state: State, operation: Heartbeat, now: Millis) -> Beat:
    holder = state.workers.get(operation.worker)
    if holder is None:
        if not operation.join:
            return Beat(now, alive=False)
        holder = state.workers[operation.worker] = Holder(now)
    holder.expires = max(holder.expires, now + operation.lease_ms)
    holder.info = operation.info
    return _beat(state, holder, now)


def _beat(state: State, holder: Holder, now: Millis) -> Beat:
    return Beat(now, alive=True, cancelling=cancelling(state, holder), order=holder.order)


def inherit(state: State, operation: Inherit, now: Millis) -> Beat:
    holder = state.workers.pop(operation.worker, None)
    if holder is None:
        known = state.workers.get(operation.heir)
        return Beat(now, False) if known is None else _beat(state, known, now)
    heir = state.workers.setdefault(operation.heir, Holder(now))
    heir.expires = max(heir.expires, now + operation.lease_ms)
    heir.info = operation.info
    heir.order = holder.order or heir.order
    kept = set(operation.known)
    for record in latest_first(state, holder.held):
        if (record.id, record.token) in kept:
            state.jobs[record.id] = replace(record, worker=operation.heir)
            heir.held[record.id] = None
        else:
            give_back(state, record, "release", now, operation.keep_ms)
    return _beat(state, heir, now)


def depart(state: State, operation: Depart, now: Millis) -> int:
    holder = state.workers.pop(operation.worker, None)
    if holder is None:
        return 0
    for record in latest_first(state, holder.held):
        give_back(state, record, "release", now, operation.keep_ms)
    return len(holder.held)


def latest_first(state: State, held: Iterable[bytes]) -> list[Record]:
    """What workers held, so that putting each at the head in turn restores enqueue order."""
    return sorted((state.jobs[id] for id in held), key=lambda one: one.seq, reverse=True)


def give_back(state: State, record: Record, event: str, now: Millis, keep_ms: int | None) -> None:
    """A job leaves its worker unfinished: to the head of its queue, or to its end."""
    event = lifecycle.settling(event, cancelling=record.cancelling)
    record = replace(
        record,
        status=lifecycle.after("running", event),
        worker=None,
        updated=now,
        cancelling=False,
    )
    standing.count(state, record, event, now)
    if record.status in lifecycle.FINISHED:
        standing.finish(state, record, event, now, keep_ms)
    else:
        standing.ready(state, record, head=True)


def report(state: State, operation: Report, now: Millis) -> bool:
    record = state.jobs.get(operation.id)
    if record is None or record.status != "running" or record.token != operation.token:
        return False
    state.jobs[operation.id] = replace(record, progress=operation.progress)
    return True
