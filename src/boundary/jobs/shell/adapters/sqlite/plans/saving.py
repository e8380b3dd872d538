"""The plans of `Take` and `Save`.

What belongs here: what the seed's doors need, and a record as a row. What does not: the worker's
way (`claiming`, `settling`).
"""

from __future__ import annotations

from boundary.jobs.core import conversion
from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans import claiming
from boundary.jobs.shell.adapters.sqlite.plans.ending import cause_of
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan, Row, records


def take(operation: ops.Take, now: Millis) -> Plan[Record | None]:
    found = records((yield Ask(sql.BY_ID, (operation.id,))))
    if not found or found[0].status not in {"pending", "retrying"}:
        return None
    lease = yield Ask(sql.LEASE, (operation.worker,))
    expires = lease[0][0] if lease else now
    yield Ask(sql.RENEW, (operation.worker, max(expires, now + operation.lease_ms)))
    yield from claiming.hand_over(operation.worker, [found[0].seq], now)
    (taken,) = records((yield Ask(sql.BY_ID, (operation.id,))))
    return taken


def save(operation: ops.Save, now: Millis) -> Plan[ops.Verdict]:
    given = operation.record
    known = records((yield Ask(sql.BY_ID, (given.id,))))
    if known:
        return (yield from _amend(known[0], given))
    record = conversion.as_its_status_has_it(given, now)
    if record.worker is not None:
        lease = yield Ask(sql.LEASE, (record.worker,))
        expires = lease[0][0] if lease else now
        yield Ask(sql.RENEW, (record.worker, max(expires, now + operation.lease_ms)))
    yield Ask(
        sql.SAVE, whole_row(record, cause_of(record.ending, record.job_type, operation.cause))
    )
    return "done"


def whole_row(record: Record, cause: str | None, position: int | None = None) -> Row:
    """A record as `SAVE` takes it."""
    return (
        record.id,
        record.job_type,
        record.queue,
        record.priority,
        record.payload,
        record.created,
        record.updated,
        record.status,
        record.due,
        record.execute_at,
        record.started,
        record.completed,
        record.worker,
        record.token,
        record.retry_count,
        record.crashes,
        record.cancelling,
        record.ending,
        record.trail,
        record.progress,
        record.prune_at,
        position,
        cause,
    )


def _amend(known: Record, given: Record) -> Plan[ops.Verdict]:
    if (known.status, known.token) != (given.status, given.token):
        return "refused"
    values = (given.payload, given.trail, given.progress, given.started, given.updated, known.seq)
    yield Ask(sql.AMEND, values)
    return "done"
