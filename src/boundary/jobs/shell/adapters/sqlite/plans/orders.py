"""The plan of `Instruct`.

What belongs here: which workers are given an order. What does not: their hearing of it (`leases`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Do, Plan


def instruct(operation: ops.Instruct, now: Millis) -> Plan[tuple[str, ...]]:
    known = yield Ask(sql.BEATING, (now,))
    asked = operation.workers
    told = [name for (name,) in known if asked is None or name in asked]
    order = operation.order
    yield Do(sql.INSTRUCT, [(order.id, order.word, name) for name in told])
    return tuple(told)
