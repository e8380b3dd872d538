"""The plans of `Heartbeat`, `Inherit`, `Depart` and `Report`.

What belongs here: how a worker keeps and gives up its hold. What does not: a lease that ended
(`duties`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boundary.jobs.core import lifecycle
from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.ending import Ending, cause_of
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan, records


def heartbeat(operation: ops.Heartbeat, now: Millis) -> Plan[ops.Beat]:
    lease = yield Ask(sql.LEASE, (operation.worker,))
    if not lease and not operation.join:
        return ops.Beat(now, alive=False)
    expires = max(lease[0][0] if lease else now, now + operation.lease_ms)
    yield Ask(sql.BEAT, (operation.worker, expires, operation.info))
    return (yield from _beat(operation.worker, now))


def inherit(operation: ops.Inherit, now: Millis) -> Plan[ops.Beat]:
    if not (yield Ask(sql.LEASE, (operation.worker,))):
        known = yield Ask(sql.LEASE, (operation.heir,))
        return (yield from _beat(operation.heir, now)) if known else ops.Beat(now, alive=False)
    lease = yield Ask(sql.LEASE, (operation.heir,))
    expires = max(lease[0][0] if lease else now, now + operation.lease_ms)
    yield Ask(sql.BEAT, (operation.heir, expires, operation.info))
    held = yield from whole("worker = ?", (operation.worker,))
    known = set(operation.known)
    ending = Ending(now)
    for record in held:
        if (record.id, record.token) not in known:
            yield from give_back(ending, record, "release", operation.keep_ms)
    yield from ending.write()
    yield Ask(sql.ORDER_OF_HEIR, (operation.worker, operation.heir))
    # What is left with the worker is what it knows it has.
    yield Ask("UPDATE job SET worker = ? WHERE worker = ?", (operation.heir, operation.worker))
    yield Ask("DELETE FROM worker WHERE worker = ?", (operation.worker,))
    return (yield from _beat(operation.heir, now))


def _beat(worker: str, now: Millis) -> Plan[ops.Beat]:
    asked = yield Ask(sql.CANCELLING, (worker,))
    ((id, word),) = yield Ask(sql.ORDER, (worker,))
    return ops.Beat(
        now,
        alive=True,
        cancelling=tuple([id for (id,) in asked]),
        order=None if id is None else ops.Order(id, word),
    )


def depart(operation: ops.Depart, now: Millis) -> Plan[int]:
    held = yield from whole("worker = ?", (operation.worker,))
    ending = Ending(now)
    for record in held:
        yield from give_back(ending, record, "release", operation.keep_ms)
    yield from ending.write()
    yield Ask("DELETE FROM worker WHERE worker = ?", (operation.worker,))
    return len(held)


def whole(condition: str, values: Sequence[Any]) -> Plan[tuple[Record, ...]]:
    """Whole records, latest enqueued first."""
    rows = yield Ask(
        f"SELECT {sql.COLUMNS} FROM job WHERE {condition} ORDER BY seq DESC",
        values,
    )
    return records(rows)


def give_back(ending: Ending, record: Record, event: str, keep_ms: int | None) -> Plan[None]:
    """A job leaves its worker unfinished: to the head of its lane, or to its end."""
    event = lifecycle.settling(event, cancelling=record.cancelling)
    ending.count(record.queue, record.job_type, event)
    lane = (record.queue, record.priority)
    if lifecycle.after("running", event) in lifecycle.FINISHED:
        cause = cause_of(event, record.job_type, "")
        ending.finish(record.seq, event, record.trail, record.retry_count, keep_ms, cause)
    else:
        yield from ending.release(record.seq, lane, record.trail, record.retry_count)


def report(operation: ops.Report, now: Millis) -> Plan[bool]:
    values = (operation.progress, operation.id, operation.token)
    return bool((yield Ask(sql.REPORT, values)))
