"""The plans of `Groups` and `Members`.

What belongs here: dead letters by cause. What does not: dead letters one by one (`looking`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import HIGHEST, Ask, Plan


def groups(operation: ops.Groups, now: Millis) -> Plan[tuple[ops.Group, ...]]:
    since, narrowed = operation.since or 0, (operation.queue, operation.job_type)
    values = (since, *narrowed, ops.GROUPS, operation.cause)
    rows: list[ops.GroupRow] = []
    for cause, job_type, queue, count, first, last in (yield Ask(sql.GROUPS, values)):
        ((seq, id),) = yield Ask(sql.LATEST_MEMBER, (cause, last, queue, job_type))
        rows.append(ops.GroupRow(cause, job_type, queue, count, first, last, seq, id))
    return operation.fold(rows)


def members(operation: ops.Members, now: Millis) -> Plan[tuple[bytes, ...]]:
    until = HIGHEST if operation.until is None else operation.until
    values = (operation.cause, until, operation.queue, operation.limit)
    return tuple([id for (id,) in (yield Ask(sql.MEMBERS, values))])
