"""How a job comes in: `Enqueue`.

What belongs here: the operation and its answer. What does not: a new job's record (`core.wire`),
jobs made by ticks (`schedules`).
"""

from __future__ import annotations

from msgspec import Struct

from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.wire import Millis, NewJob

ENQUEUE_BATCH = 500
"""Most jobs one `Enqueue` carries."""


class Enqueued(Struct, frozen=True, gc=False):
    """When the store took the jobs, and for each whether it is new.

    `watched` (here and in other replies): somebody follows events, so tell of it by `Announce`.
    """

    now: Millis
    fresh: tuple[bool, ...]
    watched: bool = False


class Enqueue(Operation[Enqueued], frozen=True):
    """Each job is stored and waits: at the tail of its queue and priority, or for its instant.

    An id the store holds already makes no second job (`fresh` is False and nothing of it
    changes), except that a parked job starts to wait as if it came in now.

    Raises:
        StoreFull: No room; none was stored.
    """

    jobs: tuple[NewJob, ...]
