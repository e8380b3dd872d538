"""The plan of `Undo`.

What belongs here: what became of it, over all partitions. What does not: which jobs come back
(`lua/undo.lua`).
"""

from __future__ import annotations

from typing import Final, Literal

from boundary.jobs.core import operations as ops
from boundary.jobs.shell.adapters.redis import records
from boundary.jobs.shell.adapters.redis.plans.calls import Partitions, Plan, everywhere

_ENDS: Final[dict[bytes, Literal["done", "missing", "refused", "late", "already"]]] = {
    b"d": "done",
    b"l": "late",
    b"x": "refused",
    b"a": "already",
    b"m": "missing",
}
"""What became of an undoing; with several partitions the first of these that is true of one."""


def undo(operation: ops.Undo, partitions: Partitions) -> Plan[ops.Undone]:
    args = (operation.id, records.encode_act(operation.act), operation.limit)
    replies = yield everywhere(partitions, "undo", *args)
    verdict = min((one[0] for one in replies), key=list(_ENDS).index)
    restored, skipped, left = (sum(one[place] for one in replies) for place in (1, 2, 3))
    if any(one[4] for one in replies):
        # A queue is paused in each partition, and is one queue.
        restored = max(one[1] for one in replies)
    return ops.Undone(_ENDS[verdict], restored, skipped, left)
