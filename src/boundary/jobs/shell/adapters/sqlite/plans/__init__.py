"""What each operation does in SQL, as pure generators.

What belongs here: the table of plans, and what the driver wants to know of an operation. The plans
are in files by topic, named as in `core.operations`: each yields statements, is sent their rows, and
returns the reply. What does not: a connection, a transaction, a clock. The driver runs a plan
inside one transaction, so a plan is one atomic step; rules of a job come from `core`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite.plans import (
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
)
from boundary.jobs.shell.adapters.sqlite.plans.steps import Plan, R


def plan(operation: ops.Operation[R], now: Millis) -> Plan[R]:
    """The steps of an operation."""
    return _PLANS[type(operation)](operation, now)


def only_looks(operation: ops.Operation[Any]) -> bool:
    """Whether the operation changes nothing."""
    return type(operation) in _LOOKS


Flush: TypeAlias = Literal["within", "behind", "never"]
"""When a transaction is flushed to the disk: within its commit; behind it, before its callers are told
of it; or with the next one that is."""


def flush(operations: Iterable[ops.Operation[Any]]) -> Flush:
    """When a transaction of these has to be flushed.

    Never, if a power cut may undo them though they were answered. A claim, a lease, a progress report
    mean something only to a worker that a power cut ends too; its jobs are ready again.

    Behind the commit, if others may see of them what a power cut undoes: a job that nobody has been
    told is stored, but no outcome, nor what an operator did.
    """
    kinds = {type(one) for one in operations} - _FLEETING - _LOOKS
    if not kinds:
        return "never"
    return "behind" if kinds == {ops.Enqueue} else "within"


def is_brief(operation: ops.Operation[Any]) -> bool:
    """Whether it takes a fraction of a millisecond, as no flush does, where nobody is in the way.

    An event loop can do that itself. A claim alone is what an idle worker asks; a busy one hands
    in outcomes with it.
    """
    return type(operation) is ops.Claim


def seldom_writes(operation: ops.Operation[Any]) -> bool:
    """Whether it mostly finds nothing to change: then it should not ask for the write lock.

    An idle worker's claim is one, and should not cost a write to the disk.
    """
    return type(operation) is ops.Claim


_LOOKS = {
    ops.Audit,
    ops.Time,
    ops.Find,
    ops.Peek,
    ops.Search,
    ops.DeadLetters,
    ops.Groups,
    ops.Members,
    ops.History,
    ops.Stats,
    ops.Explain,
    ops.Series,
    ops.Schedules,
}

_FLEETING = {ops.Claim, ops.Heartbeat, ops.Report}

_PLANS: dict[type[ops.Operation[Any]], Callable[..., Plan[Any]]] = {
    ops.Enqueue: enqueuing.enqueue,
    ops.Claim: claiming.claim,
    ops.Settle: settling.settle,
    ops.SettleAndClaim: settling.settle_and_claim,
    ops.Heartbeat: leases.heartbeat,
    ops.Inherit: leases.inherit,
    ops.Depart: leases.depart,
    ops.Report: leases.report,
    ops.Promote: duties.promote,
    ops.Reclaim: duties.reclaim,
    ops.Prune: duties.prune,
    ops.Repair: duties.repair,
    ops.PutSchedule: schedules.put_schedule,
    ops.RemoveSchedule: schedules.remove_schedule,
    ops.Schedules: schedules.list_schedules,
    ops.Fire: schedules.fire,
    ops.FireNow: schedules.fire_now,
    ops.Cancel: operating.cancel,
    ops.Retry: operating.retry,
    ops.Delete: operating.delete,
    ops.SetPaused: operating.set_paused,
    ops.Purge: operating.purge,
    ops.Instruct: orders.instruct,
    ops.Edit: operating.edit,
    ops.Undo: undoing.undo,
    ops.Audit: acting.audit,
    ops.Take: saving.take,
    ops.Save: saving.save,
    ops.Time: looking.time,
    ops.Find: looking.find,
    ops.Peek: looking.peek,
    ops.Search: looking.search,
    ops.DeadLetters: looking.dead_letters,
    ops.Groups: grouping.groups,
    ops.Members: grouping.members,
    ops.History: looking.history,
    ops.Stats: statistics.stats,
    ops.Explain: explaining.explain,
    ops.Series: statistics.series,
}
