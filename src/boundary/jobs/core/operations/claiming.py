"""How jobs reach a worker: `Claim`.

What belongs here: the operation, its answer, and the rules every store takes from here: in which
order a worker of every queue serves them, and when a claim renews a lease. What does not: one job
claimed by its id (`saving`), how a worker decides what to claim (`core.dispatcher`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from boundary.jobs.core.operations.operation import BATCH, Operation
from boundary.jobs.core.operations.schedules import Schedule
from boundary.jobs.core.records import DEFAULT_QUEUE
from boundary.jobs.core.wire import Millis, Record


def queue_order(names: Iterable[str]) -> list[str]:
    """The order in which a worker of every queue serves them: the default one, then by name."""
    return sorted(names, key=lambda name: (name != DEFAULT_QUEUE, name))


def lease_end(expires: Millis, now: Millis, lease_ms: int) -> Millis:
    """When a lease that would end at `expires` ends after a claim.

    While half of it is left a claim leaves it alone, so that a worker that looks for jobs again
    and again, and finds none, does not make the store write each time; heartbeats renew it anyway.
    """
    return expires if 2 * (expires - now) >= lease_ms else now + lease_ms


class Claimed(Struct, frozen=True, gc=False):
    """What a claim brought.

    Attributes:
        now: The store's clock.
        jobs: In the order to run them; each is `running`, its `token` new.
        next_due: The earliest instant at which a waiting job or a tick comes due; not after `now`: there
            is more to be seen at once.
        cancelling: Ids of jobs this worker holds that were asked to stop.
        ticks: Schedules whose tick is due; `Fire` them.
        alive: False: the store does not know this worker (any more) and gave it nothing; what it
            held was taken back. It must go on under a new incarnation.
        watched: As in `Enqueued`; a claim that brought no jobs need not look, and says False.
    """

    now: Millis
    jobs: tuple[Record, ...]
    next_due: Millis | None = None
    cancelling: tuple[bytes, ...] = ()
    ticks: tuple[Schedule, ...] = ()
    alive: bool = True
    watched: bool = False


class Claim(Operation[Claimed], frozen=True):
    """Jobs that are ready are held by this worker under its lease.

    The lease is renewed unless half of it is left (`lease_end`).

    First, up to `promote` jobs whose instant has come join the tail of their queue, in order of
    that instant. Then jobs are taken queue by queue in the order given, critical to low within a
    queue, first in first out within a priority; paused queues are passed over. A queue is taken
    from while fewer than `slots` plus its number in `ahead` were taken in all, and fewer than its
    number in `limits` from itself. A taken job gets `token + 1`, status `running`, `started` = now, no progress and no cancel request.

    Attributes:
        worker: Incarnation of the worker.
        queues: In strict order; None: every queue that has jobs, ``default`` first, then by name.
        slots: Jobs that can start at once; 0 only looks.
        lease_ms: How long after its renewal the worker's hold on all it has ends.
        ahead: (queue, jobs beyond `slots`) that are taken to be run within milliseconds.
        limits: (queue, jobs) of which no more can run here now; 0: it is passed over.
        promote: Most jobs to promote; 0: promotion is switched off here.
        join: Make the worker known if it is not.
    """

    worker: str
    queues: tuple[str, ...] | None
    slots: int
    lease_ms: int
    ahead: tuple[tuple[str, int], ...] = ()
    promote: int = BATCH
    join: bool = False
    limits: tuple[tuple[str, int], ...] = ()
