"""The plan of `Announce`, and calls that say that somebody watches.

What belongs here: how frames of events get to those who watch. What does not: hearing them
(`redis.watching`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis.plans.calls import Call, Partitions, Plan, everywhere


def announce(operation: ops.Announce, partitions: Partitions) -> Plan[bool]:
    """All by way of the first partition: a channel is heard on every node."""
    (watched,) = yield [Call("announce", operation.frames)]
    return bool(watched)


def somebody_watches(who: bytes, ttl_ms: int, partitions: Partitions) -> list[Call]:
    """Every partition knows that somebody watches, for so long; 0: no longer."""
    return everywhere(partitions, "watch", who, ttl_ms)
