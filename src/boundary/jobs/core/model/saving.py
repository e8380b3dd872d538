"""What `Take` and `Save` mean.

What belongs here: what the seed's doors need. What does not: the worker's way (`claiming`,
`settling`).
"""

from __future__ import annotations

from heapq import heappush

from msgspec.structs import replace

from boundary.jobs.core import conversion
from boundary.jobs.core.model import claiming, standing
from boundary.jobs.core.model.state import Holder, State
from boundary.jobs.core.operations import (
    Save,
    Take,
    Verdict,
)
from boundary.jobs.core.wire import Millis, Record


def take(state: State, operation: Take, now: Millis) -> Record | None:
    record = state.jobs.get(operation.id)
    if record is None or record.status not in {"pending", "retrying"}:
        return None
    holder = state.workers.setdefault(operation.worker, Holder(now))
    holder.expires = max(holder.expires, now + operation.lease_ms)
    return claiming.hand_over(state, operation.id, operation.worker, now)


def save(state: State, operation: Save, now: Millis) -> Verdict:
    given = operation.record
    known = state.jobs.get(given.id)
    if known is not None:
        return _amend(state, known, given)
    state.last_seq += 1
    record = conversion.as_its_status_has_it(replace(given, seq=state.last_seq), now)
    state.jobs[record.id] = record
    if record.due is not None:
        heappush(state.due, (record.due, record.seq, record.id))
    if record.prune_at is not None:
        heappush(state.ended, (record.prune_at, record.seq, record.id))
    standing.note_cause(state, record, operation.cause)
    if record.worker is not None:
        holder = state.workers.setdefault(record.worker, Holder(now))
        holder.expires = max(holder.expires, now + operation.lease_ms)
        holder.held[record.id] = None
    return "done"


def _amend(state: State, known: Record, given: Record) -> Verdict:
    if (known.status, known.token) != (given.status, given.token):
        return "refused"
    state.jobs[known.id] = replace(
        known,
        payload=given.payload,
        trail=given.trail,
        progress=given.progress,
        started=given.started,
        updated=given.updated,
    )
    return "done"
