"""What `Instruct` means.

What belongs here: which workers are given an order. What does not: their hearing of it (`leases`).
"""

from __future__ import annotations

from boundary.jobs.core.model import acting
from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    Instruct,
)
from boundary.jobs.core.wire import Millis


def instruct(state: State, operation: Instruct, now: Millis) -> tuple[str, ...]:
    told = [
        name
        for name in sorted(state.workers if operation.workers is None else set(operation.workers))
        if (holder := state.workers.get(name)) and holder.info and holder.expires > now
    ]
    anew = [name for name in told if _order_id(state, name) != operation.order.id]
    for name in anew:
        state.workers[name].order = operation.order
    acting.log(state, operation.act, len(anew), [], now)
    return tuple(told)


def _order_id(state: State, worker: str) -> bytes | None:
    order = state.workers[worker].order
    return None if order is None else order.id
