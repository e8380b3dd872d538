"""What each operation does on Redis, as pure generators.

What belongs here: the table of plans. They are in files by topic, named as in `core.operations`:
each yields calls of scripts, is sent their replies, and returns the reply of the operation. What
does not: a connection, a clock, a retry.

With one partition (the default) nearly every plan is one call of one script, so one atomic step.
With several, an operation on many jobs is one such step in each partition it touches: calls that
are yielded together go out together, and their replies become one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis.plans import (
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
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions, Plan, R


def plan(operation: ops.Operation[R], partitions: Partitions) -> Plan[R]:
    """The steps of an operation."""
    return _PLANS[type(operation)](operation, partitions)


_PLANS: dict[type[ops.Operation[Any]], Callable[..., Plan[Any]]] = {
    ops.Enqueue: enqueuing.enqueue,
    ops.Claim: claiming.claim,
    ops.Settle: settling.settle,
    ops.SettleAndClaim: settling.settle_and_claim,
    ops.Heartbeat: leases.heartbeat,
    ops.Inherit: leases.inherit,
    ops.Depart: leases.depart,
    ops.Report: leases.report,
    ops.Announce: watching.announce,
    ops.Promote: duties.promote,
    ops.Reclaim: duties.reclaim,
    ops.Prune: duties.prune,
    ops.Repair: duties.repair,
    ops.PutSchedule: schedules.put_schedule,
    ops.RemoveSchedule: schedules.remove_schedule,
    ops.Schedules: schedules.list_schedules,
    ops.Fire: schedules.fire,
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
