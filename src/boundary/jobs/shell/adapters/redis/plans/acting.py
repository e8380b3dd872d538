"""The plan of `Audit`.

What belongs here: the log of acts, of all partitions as one. What does not: an act's bytes
(`redis.records`), taking it back (`undoing`).
"""

from __future__ import annotations

from msgspec.structs import replace

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions, Plan, everywhere


def audit(operation: ops.Audit, partitions: Partitions) -> Plan[tuple[ops.Entry, ...]]:
    return (yield from _entries(operation.limit, operation.before, partitions))


def _entries(
    limit: int, before: bytes | None, partitions: Partitions
) -> Plan[tuple[ops.Entry, ...]]:
    """The latest acts; one that changed jobs in several partitions is one."""
    found: dict[bytes, ops.Entry] = {}
    for reply in (yield everywhere(partitions, "audit", limit, before or b"")):
        for id, data in reply:
            one = records.decode_entry(id, data)
            was = found.get(id)
            found[id] = one if was is None else _as_one(was, one)
    return tuple([found[id] for id in sorted(found, reverse=True)[:limit]])


def _as_one(one: ops.Entry, other: ops.Entry) -> ops.Entry:
    """An act as two partitions tell of it."""
    whole = one.what in {"pause", "resume"}
    return replace(
        one,
        at=min(one.at, other.at),
        count=max(one.count, other.count) if whole else one.count + other.count,
        undone=one.undone or other.undone,
    )
