"""What an `Act` adds to an operation, and what `Audit` tells.

What belongs here: the log, and jobs kept aside for an undoing. What does not: the undoing
(`undoing`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core.model.state import Aside, State
from boundary.jobs.core.operations import (
    AUDIT,
    Act,
    Audit,
    Entry,
)
from boundary.jobs.core.wire import Millis


def aside(state: State, id: bytes, *, gone: bool) -> Aside | None:
    """The job before an act; None: there is none."""
    record = state.jobs.get(id)
    return None if record is None else Aside(record, state.causes.get(id, ""), gone)


def log(state: State, act: Act | None, count: int, asides: list[Aside], now: Millis) -> None:
    """The act changed so many jobs, and these can be brought back."""
    if act is None or count == 0:
        return
    known = state.acts.get(act.id)
    until = now + act.undo_ms if known is None else known.undo_until
    until = until if act.undo_ms else None
    if known is None:
        known = Entry(act.id, now, act.by, act.what, act.target, 0)
    state.acts[act.id] = replace(known, count=known.count + count, undo_until=until)
    if until is None:
        state.asides.pop(act.id, None)
    elif asides:
        state.asides[act.id] = [*state.asides.get(act.id, ()), *asides]
    for id in sorted(state.acts)[:-AUDIT]:
        del state.acts[id]
        state.asides.pop(id, None)


def audit(state: State, operation: Audit, now: Millis) -> tuple[Entry, ...]:
    found = [
        entry
        for id, entry in sorted(state.acts.items(), reverse=True)
        if operation.before is None or id < operation.before
    ]
    return tuple(found[: operation.limit])
