"""What `Claim` means.

What belongs here: which jobs a claim takes, in which order, and what it changes of them. What does
not: a job taken by its id (`saving`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from boundary.jobs.core.model import duties, leases, standing
from boundary.jobs.core.model.state import Holder, State
from boundary.jobs.core.operations import (
    Claim,
    Claimed,
    lease_end,
    queue_order,
)
from boundary.jobs.core.schedules import is_due
from boundary.jobs.core.wire import Millis, Record


def claim(state: State, operation: Claim, now: Millis) -> Claimed:
    holder = state.workers.get(operation.worker)
    if holder is None:
        if not operation.join:
            return Claimed(now, (), alive=False)
        holder = state.workers[operation.worker] = Holder(now)
    holder.expires = lease_end(holder.expires, now, operation.lease_ms)
    if operation.promote:
        duties.promote_due(state, operation.promote, now)
    jobs = tuple([hand_over(state, id, operation.worker, now) for id in _pick(state, operation)])
    return Claimed(
        now,
        jobs,
        _next_due(state, promoting=operation.promote > 0),
        leases.cancelling(state, holder),
        tuple(one for _, one in sorted(state.schedules.items()) if is_due(one, now)),
    )


def _pick(state: State, operation: Claim) -> list[bytes]:
    """The ids to hand over, in order; their lanes still hold them."""
    ahead, limits = dict(operation.ahead), dict(operation.limits)
    picked: list[bytes] = []
    for name in _served(state, operation):
        room = operation.slots + ahead.get(name, 0) - len(picked)
        room = min(room, limits.get(name, room))
        if room <= 0 or name in state.paused:
            continue
        picked.extend(standing.first(standing.waiting(state, name), room))
    return picked


def _served(state: State, operation: Claim) -> Iterable[str]:
    if operation.queues is None:
        return queue_order(name for name, lanes in state.lanes.items() if any(lanes))
    return dict.fromkeys(operation.queues)


def hand_over(state: State, id: bytes, worker: str, now: Millis) -> Record:
    """The job is held by the worker, under its next token."""
    record = state.jobs[id]
    standing.lift(state, record)
    record = state.jobs[id] = replace(
        record,
        status="running",
        worker=worker,
        token=record.token + 1,
        started=now,
        updated=now,
        due=None,
        cancelling=False,
        progress=b"",
        parked=False,
    )
    state.workers[worker].held[id] = None
    return record


def _next_due(state: State, *, promoting: bool) -> Millis | None:
    ticks = [one.next_at for one in state.schedules.values() if one.next_at is not None]
    first = standing.first_due(state) if promoting else None
    if first is not None:
        ticks.append(first)
    return min(ticks, default=None)
