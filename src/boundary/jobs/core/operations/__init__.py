"""The vocabulary: everything that can be asked of a store, each as one atomic step.

What belongs here: each operation as a frozen record whose docstring is its contract, and the
records it answers with, in files by topic; this one lists them. What does not: how any store does
it (`core.model` is the reference, the adapters are checked against it, topic by topic: their files
have the names of these).

Every operation is batch-first and atomic: it happens wholly or not at all, and no other
operation sees a half of it. Instants are milliseconds since the epoch by the *store's* clock.
An operation validates before it writes; if it raises, nothing has changed.
"""

from __future__ import annotations

from boundary.jobs.core.operations.acting import ASIDE, AUDIT, ONCE, Act, Audit, Entry, What
from boundary.jobs.core.operations.claiming import Claim, Claimed, lease_end, queue_order
from boundary.jobs.core.operations.duties import Amiss, Promote, Prune, Reclaim, Repair, Repaired
from boundary.jobs.core.operations.enqueuing import ENQUEUE_BATCH, Enqueue, Enqueued
from boundary.jobs.core.operations.explaining import (
    AHEAD,
    ALIVE,
    GLIMPSES,
    Explain,
    Facts,
    Glimpse,
    Holding,
)
from boundary.jobs.core.operations.grouping import GROUPS, Group, GroupRow, Groups, Members
from boundary.jobs.core.operations.leases import Beat, Depart, Heartbeat, Inherit, Report
from boundary.jobs.core.operations.listening import Interest, Topic, notices
from boundary.jobs.core.operations.looking import (
    MAX_CURSOR,
    DeadLetters,
    Find,
    History,
    Page,
    Peek,
    Search,
    Time,
    cursor_position,
)
from boundary.jobs.core.operations.operating import (
    Cancel,
    Delete,
    Edit,
    Purge,
    Retry,
    SetPaused,
    Verdict,
)
from boundary.jobs.core.operations.operation import BATCH, Operation
from boundary.jobs.core.operations.orders import Instruct, Order, Word
from boundary.jobs.core.operations.saving import Save, Take
from boundary.jobs.core.operations.schedules import (
    MISFIRE_CAP,
    Fire,
    FireNow,
    Misfire,
    PutSchedule,
    RemoveSchedule,
    Schedule,
    Schedules,
)
from boundary.jobs.core.operations.settling import (
    Outcome,
    Settle,
    SettleAndClaim,
    Settled,
    Settling,
)
from boundary.jobs.core.operations.statistics import (
    HOUR,
    HOURS,
    MINUTE,
    SERIES,
    QueueLoad,
    Series,
    Snapshot,
    Stats,
    Tally,
    WorkerRow,
)
from boundary.jobs.core.operations.undoing import LEFT_BY, Undo, Undone
from boundary.jobs.core.operations.watching import FRAME, Announce, as_watched

__all__ = [
    "AHEAD",
    "ALIVE",
    "ASIDE",
    "AUDIT",
    "BATCH",
    "ENQUEUE_BATCH",
    "FRAME",
    "GLIMPSES",
    "GROUPS",
    "HOUR",
    "HOURS",
    "LEFT_BY",
    "MAX_CURSOR",
    "MINUTE",
    "MISFIRE_CAP",
    "ONCE",
    "SERIES",
    "Act",
    "Amiss",
    "Announce",
    "Audit",
    "Beat",
    "Cancel",
    "Claim",
    "Claimed",
    "DeadLetters",
    "Delete",
    "Depart",
    "Edit",
    "Enqueue",
    "Enqueued",
    "Entry",
    "Explain",
    "Facts",
    "Find",
    "Fire",
    "FireNow",
    "Glimpse",
    "Group",
    "GroupRow",
    "Groups",
    "Heartbeat",
    "History",
    "Holding",
    "Inherit",
    "Instruct",
    "Interest",
    "Members",
    "Misfire",
    "Operation",
    "Order",
    "Outcome",
    "Page",
    "Peek",
    "Promote",
    "Prune",
    "Purge",
    "PutSchedule",
    "QueueLoad",
    "Reclaim",
    "RemoveSchedule",
    "Repair",
    "Repaired",
    "Report",
    "Retry",
    "Save",
    "Schedule",
    "Schedules",
    "Search",
    "Series",
    "SetPaused",
    "Settle",
    "SettleAndClaim",
    "Settled",
    "Settling",
    "Snapshot",
    "Stats",
    "Take",
    "Tally",
    "Time",
    "Topic",
    "Undo",
    "Undone",
    "Verdict",
    "What",
    "Word",
    "WorkerRow",
    "as_watched",
    "cursor_position",
    "lease_end",
    "notices",
    "queue_order",
]
