"""What `Undo` means.

What belongs here: which jobs come back as they were. What does not: keeping them aside (`acting`).
"""

from __future__ import annotations

from heapq import heappush

from msgspec.structs import replace

from boundary.jobs.core import lifecycle
from boundary.jobs.core.model import acting, operating, standing
from boundary.jobs.core.model.state import Aside, State
from boundary.jobs.core.operations import (
    LEFT_BY,
    Undo,
    Undone,
    What,
)
from boundary.jobs.core.wire import Millis


def undo(state: State, operation: Undo, now: Millis) -> Undone:
    entry = state.acts.get(operation.id)
    if entry is None:
        return Undone("missing")
    asides = state.asides.get(operation.id, [])
    if entry.undone is not None and not asides:
        return Undone("already")
    if entry.undo_until is None:
        return Undone("refused")
    if now > entry.undo_until:
        return Undone("late" if entry.undone is None else "already")
    state.acts[entry.id] = replace(entry, undone=entry.undone or now)
    chosen, left = asides[: operation.limit], asides[operation.limit :]
    state.asides[entry.id] = left
    if entry.what in {"pause", "resume"}:
        restored = int(operating.pause(state, entry.target, paused=entry.what == "resume"))
    else:
        restored = sum([_restore(state, entry.what, aside, now) for aside in chosen])
    acting.log(state, operation.act, restored, [], now)
    return Undone("done", restored, len(chosen) - restored if chosen else 0, len(left))


def _restore(state: State, what: What, aside: Aside, now: Millis) -> bool:
    """The job is as it was before the act, if nobody else has touched it since."""
    old, present = aside.record, state.jobs.get(aside.record.id)
    if (present is None) is not aside.gone:
        return False
    if present is not None:
        untouched = (present.created, present.token) == (old.created, old.token)
        if not untouched or present.status not in LEFT_BY.get(what, ()):
            return False
        operating.delete_one(state, present.id)
        if what != "edit":
            old = replace(old, payload=present.payload)
    state.last_seq += 1
    record = replace(old, seq=state.last_seq, updated=now)
    state.jobs[record.id] = record
    if record.status in lifecycle.FINISHED:
        standing.note_cause(state, record, aside.cause)
        if record.prune_at is not None:
            heappush(state.ended, (record.prune_at, record.seq, record.id))
    elif record.due is not None:
        heappush(state.due, (record.due, record.seq, record.id))
    elif not record.parked:
        standing.ready(state, record)
    return True
