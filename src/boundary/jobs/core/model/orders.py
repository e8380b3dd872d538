"""What `Instruct` means.

What belongs here: which workers are given an order. What does not: their hearing of it (`leases`).
"""

from __future__ import annotations

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
    for name in told:
        state.workers[name].order = operation.order
    return tuple(told)
