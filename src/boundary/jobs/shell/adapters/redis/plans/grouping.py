"""The plans of `Groups` and `Members`.

What belongs here: dead letters by cause. What does not: dead letters one by one (`looking`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions, Plan, everywhere, question


def groups(operation: ops.Groups, partitions: Partitions) -> Plan[tuple[ops.Group, ...]]:
    ask = question(
        scan=ops.GROUPS,
        queue=operation.queue,
        kind=operation.job_type,
        since=operation.since,
        cause=operation.cause,
    )
    replies = yield everywhere(partitions, "groups", ask)
    return operation.fold([_group_row(*row) for reply in replies for row in reply])


def _group_row(name: bytes, count: int, first: bytes, last: bytes, member: bytes) -> ops.GroupRow:
    queue, job_type, cause = name.decode().split("|", 2)
    began, ended, seq = int(float(first)), int(float(last)), int.from_bytes(member[:6], "big")
    return ops.GroupRow(cause, job_type, queue, count, began, ended, seq, member[6:])


def members(operation: ops.Members, partitions: Partitions) -> Plan[tuple[bytes, ...]]:
    ask = question(
        cause=operation.cause,
        limit=operation.limit,
        queue=operation.queue,
        until=operation.until,
    )
    replies = yield everywhere(partitions, "members", ask)
    rows = [(float(ended), id) for reply in replies for ended, id in reply]
    if partitions.count > 1:
        rows.sort()
    return tuple([id for _, id in rows[: operation.limit]])
