"""The plans of `Stats` and `Series`.

What belongs here: what is counted now, and what was counted over time. What does not: the counting
(`ending`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan


def stats(operation: ops.Stats, now: Millis) -> Plan[ops.Snapshot]:
    ready, due, running = yield from _counts(operation.queue)
    rows = yield Ask(sql.COUNTERS)
    counters = {row[0]: Counters(*row) for row in rows}
    rows = yield Ask(sql.PAUSED)
    paused = {queue for (queue,) in rows}
    oldest = dict((yield Ask(sql.OLDEST, (operation.queue,))))
    names = {*ready, *due, *running, *counters, *paused}
    if operation.queue is not None:
        names &= {operation.queue}
    loads = tuple(
        ops.QueueLoad(
            name,
            ready.get(name, 0),
            due.get(name, 0),
            running.get(name, 0),
            name in paused,
            oldest.get(name),
        )
        for name in sorted(names)
    )
    told = tuple(counters[name] for name in sorted(names) if name in counters)
    workers = () if operation.queue is not None else (yield from _worker_rows())
    return ops.Snapshot(now, loads, told, workers)


def series(operation: ops.Series, now: Millis) -> Plan[tuple[ops.Tally, ...]]:
    statement = sql.SERIES[operation.hourly, operation.by]
    rows = yield Ask(statement, (operation.since(now), operation.queue, operation.job_type))
    by_queue = operation.by == "queue"
    return tuple(
        [
            ops.Tally(begin, Counters(name if by_queue else "", *row), None if by_queue else name)
            for begin, name, *row in rows
        ]
    )


def _counts(queue: str | None) -> Plan[tuple[dict[str, int], dict[str, int], dict[str, int]]]:
    if queue is None:
        asked = [Ask(sql.READY_COUNTS), Ask(sql.DUE_COUNTS), Ask(sql.RUNNING_COUNTS)]
    else:
        statements = (sql.READY_COUNT, sql.DUE_COUNT, sql.RUNNING_COUNT)
        asked = [Ask(statement, (queue,)) for statement in statements]
    found: list[dict[str, int]] = []
    for ask in asked:
        rows = yield ask
        found.append({name: count for name, count in rows if count})
    return found[0], found[1], found[2]


def _worker_rows() -> Plan[tuple[ops.WorkerRow, ...]]:
    rows = yield Ask("SELECT worker, info, expires FROM worker ORDER BY worker")
    held: dict[str, list[bytes]] = {}
    for worker, id in (yield Ask("SELECT worker, id FROM job WHERE worker IS NOT NULL")):
        held.setdefault(worker, []).append(id)
    return tuple(
        ops.WorkerRow(worker, info, expires, tuple(sorted(held.get(worker, ()))))
        for worker, info, expires in rows
    )
