"""The plans of `Cancel`, `Retry`, `Delete`, `Edit`, `SetPaused` and `Purge`.

What belongs here: what operators do to jobs and queues. What does not: what is kept of it
(`acting`), taking it back (`undoing`).
"""

from __future__ import annotations

from boundary.jobs.core import lifecycle
from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.acting import Acting
from boundary.jobs.shell.adapters.sqlite.plans.ending import Ending
from boundary.jobs.shell.adapters.sqlite.plans.lanes import Lanes, behind_all
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Do, Plan, records


def cancel(operation: ops.Cancel, now: Millis) -> Plan[tuple[ops.Verdict, ...]]:
    acting = Acting(operation.act, now)
    verdicts: list[ops.Verdict] = []
    for id in operation.ids:
        aside = yield from acting.look(id, gone=operation.keep_ms == 0)
        verdicts.append((yield from _cancel_one(id, operation.keep_ms, now)))
        acting.keep(aside if verdicts[-1] == "done" else None)
    yield from acting.log(verdicts.count("done") + verdicts.count("requested"))
    return tuple(verdicts)


def _cancel_one(id: bytes, keep_ms: int | None, now: Millis) -> Plan[ops.Verdict]:
    found = records((yield Ask(sql.BY_ID, (id,))))
    if not found:
        return "missing"
    record = found[0]
    if record.status in lifecycle.FINISHED:
        return "refused"
    if record.status == "running":
        yield Ask(sql.STOP, (record.seq,))
        return "requested"
    ending = Ending(now)
    ending.finish(record.seq, "cancel", record.trail, record.retry_count, keep_ms)
    yield from ending.write()
    return "done"


def retry(operation: ops.Retry, now: Millis) -> Plan[tuple[ops.Verdict, ...]]:
    acting, tails = Acting(operation.act, now), behind_all()
    verdicts: list[ops.Verdict] = []
    for place, id in enumerate(operation.ids):
        aside = yield from acting.look(id, gone=False)
        verdicts.append((yield from _retry_one(tails, id, operation.delay(place), now)))
        acting.keep(aside if verdicts[-1] == "done" else None)
    yield from acting.log(verdicts.count("done"))
    return tuple(verdicts)


def _retry_one(tails: Lanes, id: bytes, delay_ms: int, now: Millis) -> Plan[ops.Verdict]:
    rows = yield Ask("SELECT seq, status, queue, priority FROM job WHERE id = ?", (id,))
    if not rows:
        return "missing"
    seq, status, queue, priority = rows[0]
    if status != "failed":
        return "refused"
    due = now + delay_ms if delay_ms > 0 else None
    place = None if due is not None else (yield from tails.next(queue, priority))
    yield Ask(sql.RETRY, (due, place, due, now, seq))
    return "done"


def delete(operation: ops.Delete, now: Millis) -> Plan[tuple[bool, ...]]:
    acting = Acting(operation.act, now)
    gone: list[bool] = []
    for id in operation.ids:
        aside = yield from acting.look(id, gone=True)
        rows = yield Ask("DELETE FROM job WHERE id = ? RETURNING status", (id,))
        gone.append(bool(rows))
        acting.keep(aside if rows and rows[0][0] != "running" else None)
    yield from acting.log(sum(gone))
    return tuple(gone)


def edit(operation: ops.Edit, now: Millis) -> Plan[ops.Verdict]:
    found = records((yield Ask(sql.BY_ID, (operation.id,))))
    if not found:
        return "missing"
    record = found[0]
    if (record.token, record.updated) != (operation.token, operation.updated):
        return "refused"
    if record.status not in {"pending", "retrying", "failed"}:
        return "refused"
    acting = Acting(operation.act, now)
    acting.keep((yield from acting.look(record.id, gone=False)))
    trail = record.trail if operation.trail is None else operation.trail
    yield Ask(sql.EDIT, (operation.payload, trail, now, record.seq))
    if record.status == "failed":
        yield from _retry_one(behind_all(), record.id, 0, now)
    yield from acting.log(1)
    return "done"


def set_paused(operation: ops.SetPaused, now: Millis) -> Plan[bool]:
    changed = yield from pause(operation.queue, paused=operation.paused)
    yield from Acting(operation.act, now).log(int(changed))
    return changed


def pause(queue: str, *, paused: bool) -> Plan[bool]:
    """Workers pass over the queue, or no longer do. Whether that is a change."""
    if paused:
        statement = "INSERT INTO paused (queue) VALUES (?) ON CONFLICT DO NOTHING RETURNING queue"
    else:
        statement = "DELETE FROM paused WHERE queue = ? RETURNING queue"
    return bool((yield Ask(statement, (queue,))))


def purge(operation: ops.Purge, now: Millis) -> Plan[int]:
    doomed = yield Ask(sql.READY_IN, (operation.queue, operation.limit))
    if len(doomed) < operation.limit:
        doomed = doomed + (yield Ask(sql.DUE_IN, (operation.queue, operation.limit - len(doomed))))
    acting = Acting(operation.act, now)
    if operation.act is not None and operation.act.undo_ms:
        for (seq,) in doomed:
            ((id,),) = yield Ask("SELECT id FROM job WHERE seq = ?", (seq,))
            acting.keep((yield from acting.look(id, gone=True)))
    yield Do(sql.FORGET, doomed)
    yield from acting.log(len(doomed))
    return len(doomed)
