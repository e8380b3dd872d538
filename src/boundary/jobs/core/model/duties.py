"""What `Promote`, `Reclaim`, `Prune` and `Repair` mean.

What belongs here: what keeps the store in order. What does not: when it is done.
"""

from __future__ import annotations

from heapq import heappop

from msgspec.structs import replace

from boundary.jobs.core.model import leases, standing
from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    HOURS,
    SERIES,
    Promote,
    Prune,
    Reclaim,
    Repair,
    Repaired,
    Series,
    cursor_position,
)
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, Record


def promote_due(state: State, limit: int, now: Millis) -> int:
    """As `Promote`."""
    for count in range(limit):
        due = standing.first_due(state)
        if due is None or due > now:
            return count
        record = state.jobs[heappop(state.due)[2]]
        standing.ready(state, replace(record, status="pending", due=None, updated=now))
    return limit


def promote(state: State, operation: Promote, now: Millis) -> int:
    return promote_due(state, operation.limit, now)


def reclaim(state: State, operation: Reclaim, now: Millis) -> tuple[bytes, ...]:
    lapsed = [name for name, holder in state.workers.items() if holder.expires <= now]
    lapsed.sort(key=lambda name: (state.workers[name].expires, name))
    chosen: list[bytes] = []
    seen: list[str] = []
    for name in lapsed:
        left = operation.limit - len(chosen)
        if left == 0:
            break
        latest = leases.latest_first(state, state.workers[name].held)
        chosen += [record.id for record in latest[:left]]
        seen.append(name)
    taken = leases.latest_first(state, chosen)
    for record in taken:
        standing.lift(state, record)
        _take_back(state, replace(record, crashes=record.crashes + 1), operation, now)
    for name in seen:
        if not state.workers[name].held:
            del state.workers[name]
    return tuple(record.id for record in taken)


def _take_back(state: State, record: Record, operation: Reclaim, now: Millis) -> None:
    """The worker of a job is lost; a stop that was asked for wins over too many crashes."""
    hopeless = record.crashes >= operation.max_crashes and not record.cancelling
    leases.give_back(state, record, "crash" if hopeless else "reclaim", now, operation.keep_ms)


def prune(state: State, operation: Prune, now: Millis) -> int:
    _forget(state.minutes, Series(SERIES).since(now))
    _forget(state.hours, Series(HOURS, hourly=True).since(now))
    for id in [id for id in state.asides if (state.acts[id].undo_until or 0) < now]:
        del state.asides[id]
    count = 0
    while count < operation.limit and state.ended and state.ended[0][0] <= now:
        prune_at, seq, id = heappop(state.ended)
        record = state.jobs.get(id)
        if record is not None and (record.prune_at, record.seq) == (prune_at, seq):
            del state.jobs[id]
            state.causes.pop(id, None)
            count += 1
    return count


def repair(state: State, operation: Repair, now: Millis) -> Repaired:
    """Nothing here can be at odds with a record: lanes and holders are made of nothing else."""
    after = cursor_position(operation.cursor) or 0
    left = [record.seq for record in state.jobs.values() if record.seq > after]
    more = len(left) > operation.limit
    return Repaired(
        min(len(left), operation.limit), (), str(left[operation.limit - 1]) if more else None
    )


def _forget(kept: dict[tuple[Millis, str, str], Counters], oldest: Millis) -> None:
    for key in [key for key in kept if key[0] < oldest]:
        del kept[key]
