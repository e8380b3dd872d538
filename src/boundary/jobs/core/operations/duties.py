"""What any worker does for all: `Promote`, `Reclaim`, `Prune`, `Repair`.

What belongs here: operations that keep the store in order. What does not: when a worker carries
them out (`core.dispatcher`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from boundary.jobs.core.operations.operation import BATCH, Operation


class Promote(Operation[int], frozen=True):
    """Up to `limit` jobs whose instant has come wait at the tail of their queue. How many."""

    limit: int = BATCH


class Reclaim(Operation[tuple[bytes, ...]], frozen=True):
    """Up to `limit` jobs of workers whose lease has ended are taken back; their ids.

    Each has one crash more. At the head of its queue, unless it was asked to stop (then
    `cancelled`) or else has reached `max_crashes` (then `failed`, a dead letter with
    `WorkerLost`, counted as failed). One worker after another, by the end of its lease and its
    name; of each its latest enqueued first, so that several calls keep the order of its jobs
    (where it held more than a thousand, of any thousand of them). Those that one call takes back
    keep the order in which they were enqueued, of whichever workers they are. A worker left with
    nothing is forgotten when its turn has come.
    """

    max_crashes: int
    keep_ms: int | None
    limit: int = BATCH


class Prune(Operation[int], frozen=True):
    """Up to `limit` finished jobs past their retention are gone. How many."""

    limit: int = BATCH


Amiss: TypeAlias = Literal[
    "ready",
    "due",
    "running",
    "stopping",
    "status",
    "dead letter",
    "history",
    "retention",
    "log",
    "lane",
    "entry without a job",
    "count",
]
"""What a job (by its record) is missing from, or what is there without a job."""


class Repaired(Struct, frozen=True):
    """What a step of a repair came to.

    Attributes:
        looked: Jobs it looked at.
        amiss: How often each kind of fault was found; a kind that was not is left out.
        cursor: Where to go on; None: all was looked at.
    """

    looked: int
    amiss: tuple[tuple[Amiss, int], ...] = ()
    cursor: str | None = None


class Repair(Operation[Repaired], frozen=True):
    """A stretch of the store is as the jobs' records say.

    The record is the truth; all else (who is ready, due, held, dead, when it is pruned) can be made
    anew of it. A job its record has ready joins the tail of its lane; one that runs is held by its
    worker again, and if the store does not know that worker, under a lease that has just ended: a
    heartbeat renews it, else `Reclaim` takes the job back, with one crash more, as from any
    lost worker. What stands somewhere without a job is taken out. A sound store stays as it is.

    Jobs that come, go and move between the steps are not at fault, and are left alone.

    Attributes:
        cursor: From an earlier step; None: from the beginning.
        limit: Most jobs to look at. (A step may look at as many as a store keeps in one piece.)
        mend: False: nothing is changed, the answer tells what would be.

    Raises:
        UsageError: The cursor is not one of ours.
    """

    cursor: str | None = None
    limit: int = BATCH
    mend: bool = True
