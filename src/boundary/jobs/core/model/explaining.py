"""What `Explain` means.

What belongs here: the facts that decide when a job runs. What does not: what follows from them
(`core.why`).
"""

from __future__ import annotations

from itertools import takewhile

from boundary.jobs.core.model import standing
from boundary.jobs.core.model.state import Holder, State
from boundary.jobs.core.operations import (
    AHEAD,
    ALIVE,
    GLIMPSES,
    Explain,
    Facts,
    Glimpse,
    Holding,
)
from boundary.jobs.core.wire import Millis, Record


def explain(state: State, operation: Explain, now: Millis) -> Facts | None:
    record = state.jobs.get(operation.id)
    if record is None:
        return None
    alive = [(name, one) for name, one in sorted(state.workers.items()) if one.expires > now]
    return Facts(
        now,
        record,
        record.queue in state.paused,
        _ahead(state, record),
        tuple([_holding(state, name, one) for name, one in alive[:ALIVE]]),
    )


def _ahead(state: State, record: Record) -> int:
    if record.status != "pending" or record.due is not None or record.parked:
        return 0
    before = takewhile(lambda one: one != record.id, standing.waiting(state, record.queue))
    return len(standing.first(before, AHEAD))


def _holding(state: State, name: str, holder: Holder) -> Holding:
    some = [state.jobs[id] for id in sorted(holder.held)[:GLIMPSES]]
    return Holding(
        name,
        holder.info,
        holder.expires,
        len(holder.held),
        tuple([Glimpse(one.id, one.job_type, one.queue, one.started) for one in some]),
    )
