"""The reference queue: what every operation means, as one function over plain data.

What belongs here: `step(state, operation, now) -> (state, reply)`, and the table of its arms, which
are in files by topic, named as in `core.operations`. What does not: a clock, a lock, a byte on disk.
The memory adapter is this behind a lock, and every other adapter must answer as this does.

A `State` handed to `step` is used up, the way a moved value is: go on with the one returned, and
keep `state.copy()` where the old one is still needed (a simulated crash that rolls back). A step
that raises leaves the state as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from boundary.jobs.core.model import (
    acting,
    claiming,
    duties,
    enqueuing,
    explaining,
    grouping,
    leases,
    looking,
    operating,
    orders,
    saving,
    schedules,
    settling,
    statistics,
    undoing,
    watching,
)
from boundary.jobs.core.model.state import R, State
from boundary.jobs.core.operations import (
    Announce,
    Audit,
    Cancel,
    Claim,
    DeadLetters,
    Delete,
    Depart,
    Edit,
    Enqueue,
    Explain,
    Find,
    Fire,
    Groups,
    Heartbeat,
    History,
    Inherit,
    Instruct,
    Members,
    Operation,
    Peek,
    Promote,
    Prune,
    Purge,
    PutSchedule,
    Reclaim,
    RemoveSchedule,
    Repair,
    Report,
    Retry,
    Save,
    Schedules,
    Search,
    Series,
    SetPaused,
    Settle,
    SettleAndClaim,
    Stats,
    Take,
    Time,
    Undo,
)
from boundary.jobs.core.wire import Millis

__all__ = ["State", "step"]


def step(state: State, operation: Operation[R], now: Millis) -> tuple[State, R]:
    """The state after the operation, and its reply.

    Args:
        now: The store's clock; never below that of an earlier step.

    Raises:
        UsageError: As the operation's contract says; the state is unchanged.
    """
    arm = cast("Callable[[State, Operation[R], Millis], R]", _ARMS[type(operation)])
    return state, arm(state, operation, now)


_ARMS: dict[type[Operation[Any]], Callable[..., Any]] = {
    Enqueue: enqueuing.enqueue,
    Claim: claiming.claim,
    Settle: settling.settle,
    SettleAndClaim: settling.settle_and_claim,
    Heartbeat: leases.heartbeat,
    Inherit: leases.inherit,
    Depart: leases.depart,
    Report: leases.report,
    Announce: watching.announce,
    Promote: duties.promote,
    Reclaim: duties.reclaim,
    Prune: duties.prune,
    Repair: duties.repair,
    PutSchedule: schedules.put_schedule,
    RemoveSchedule: schedules.remove_schedule,
    Schedules: schedules.list_schedules,
    Fire: schedules.fire,
    Cancel: operating.cancel,
    Retry: operating.retry,
    Delete: operating.delete,
    SetPaused: operating.set_paused,
    Purge: operating.purge,
    Instruct: orders.instruct,
    Edit: operating.edit,
    Undo: undoing.undo,
    Audit: acting.audit,
    Take: saving.take,
    Save: saving.save,
    Time: looking.time,
    Find: looking.find,
    Peek: looking.peek,
    Search: looking.search,
    DeadLetters: looking.dead_letters,
    Groups: grouping.groups,
    Members: grouping.members,
    History: looking.history,
    Stats: statistics.stats,
    Explain: explaining.explain,
    Series: statistics.series,
}
