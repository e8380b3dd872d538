"""The plan of `Explain`.

What belongs here: the facts that decide when a job runs. What does not: what follows from them
(`core.why`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan, records


def explain(operation: ops.Explain, now: Millis) -> Plan[ops.Facts | None]:
    found = records((yield Ask(sql.BY_ID, (operation.id,))))
    if not found:
        return None
    record = found[0]
    paused = yield Ask("SELECT queue FROM paused WHERE queue = ?", (record.queue,))
    ahead = 0
    if record.status == "pending" and record.due is None and not record.parked:
        values = (record.queue, record.priority, record.id, ops.AHEAD)
        ((ahead,),) = yield Ask(sql.AHEAD, values)
    workers: list[ops.Holding] = []
    for worker, info, expires in (yield Ask(sql.ALIVE, (now, ops.ALIVE))):
        ((held,),) = yield Ask("SELECT count(*) FROM job WHERE worker = ?", (worker,))
        some = yield Ask(sql.GLIMPSES, (worker, ops.GLIMPSES))
        glimpses = tuple([ops.Glimpse(*row) for row in some])
        workers.append(ops.Holding(worker, info, expires, held, glimpses))
    return ops.Facts(now, record, bool(paused), ahead, tuple(workers))
