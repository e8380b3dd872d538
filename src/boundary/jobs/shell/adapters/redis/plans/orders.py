"""The plan of `Instruct`.

What belongs here: an order as the store keeps it. What does not: a worker's hearing of it
(`leases`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions, Plan, everywhere, question


def instruct(operation: ops.Instruct, partitions: Partitions) -> Plan[tuple[str, ...]]:
    order = operation.order.id + operation.order.word.encode()
    ask = question(workers=operation.workers)
    replies = yield everywhere(partitions, "instruct", order, ask)
    return tuple(sorted({name.decode() for names in replies for name in names}))
