"""The plan of `Undo`.

What belongs here: which jobs come back as they were. What does not: keeping them aside (`acting`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans import operating, saving
from boundary.jobs.shell.adapters.sqlite.plans.acting import Acting, decode_record
from boundary.jobs.shell.adapters.sqlite.plans.lanes import behind_all
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan


def undo(operation: ops.Undo, now: Millis) -> Plan[ops.Undone]:
    rows = yield Ask(sql.ACT, (operation.id,))
    if not rows:
        return ops.Undone("missing")
    until, undone, what, target = rows[0]
    asides = yield Ask(sql.ASIDES, (operation.id, operation.limit))
    if undone is not None and not asides:
        return ops.Undone("already")
    if until is None:
        return ops.Undone("refused")
    if now > until:
        return ops.Undone("late" if undone is None else "already")
    yield Ask("UPDATE act SET undone = coalesce(undone, ?) WHERE id = ?", (now, operation.id))
    restored = 0
    if what in {"pause", "resume"}:
        restored = int((yield from operating.pause(target, paused=what == "resume")))
    for place, data, cause, gone in asides:
        yield Ask("DELETE FROM aside WHERE place = ?", (place,))
        old = decode_record(data)
        restored += int((yield from _restore(what, old, cause, now, gone=bool(gone))))
    ((left,),) = yield Ask("SELECT count(*) FROM aside WHERE act = ?", (operation.id,))
    yield from Acting(operation.act, now).log(restored)
    return ops.Undone("done", restored, len(asides) - restored if asides else 0, left)


def _restore(what: ops.What, old: Record, cause: str, now: Millis, *, gone: bool) -> Plan[bool]:
    """The job is as it was before the act, if nobody else has touched it since."""
    rows = yield Ask("SELECT seq, created, token, status, payload FROM job WHERE id = ?", (old.id,))
    if bool(rows) is gone:
        return False
    payload = old.payload
    if rows:
        seq, created, token, status, present = rows[0]
        if (created, token) != (old.created, old.token) or status not in ops.LEFT_BY.get(what, ()):
            return False
        yield Ask(sql.FORGET, (seq,))
        payload = old.payload if what == "edit" else present
    place = None
    if old.status == "pending" and old.due is None and not old.parked:
        place = yield from behind_all().next(old.queue, old.priority)
    record = replace(old, payload=payload, updated=now)
    yield Ask(sql.SAVE, saving.whole_row(record, cause or None, place))
    return True
