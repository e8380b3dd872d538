"""How a worker's hold on its jobs goes on and is given up: `Heartbeat`, `Inherit`, `Depart`, `Report`.

What belongs here: what a worker says of itself and of what it holds, and what it hears in return.
What does not: what becomes of a worker that says nothing any more (`duties`).
"""

from __future__ import annotations

from msgspec import Struct

from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.operations.orders import Order
from boundary.jobs.core.wire import Millis


class Beat(Struct, frozen=True, gc=False):
    """Whether the worker is (still) known, and what is asked of it.

    Attributes:
        cancelling: Ids of its jobs that were asked to stop.
        order: The latest given to it; it stays, so that none is lost with an answer.
    """

    now: Millis
    alive: bool
    cancelling: tuple[bytes, ...] = ()
    order: Order | None = None
    watched: bool = False


class Heartbeat(Operation[Beat], frozen=True):
    """The worker's lease ends `lease_ms` after now, and `info` is what `Stats` shows of it.

    A worker the store does not know is made known if `join`, else the answer is not `alive`.
    """

    worker: str
    lease_ms: int
    info: bytes
    join: bool = False


class Inherit(Operation[Beat], frozen=True):
    """The worker goes on as `heir`, with the jobs in `known`; what else it held is released.

    For a worker that does not know whether its last claim took place: what that may have brought
    it goes back as by `Depart`, and the same claim, should it come late, is one of a worker nobody
    knows. Jobs keep their tokens, the heir its order. If the worker is not known the answer is about the heir: alive
    if this was done before.

    Attributes:
        known: (id, token) of each. A job may be held under a later token than the worker knows:
            its outcome was accepted, and the claim of which nothing was heard brought it again.
    """

    worker: str
    heir: str
    known: tuple[tuple[bytes, int], ...]
    lease_ms: int
    info: bytes
    keep_ms: int | None


class Depart(Operation[int], frozen=True):
    """The worker is forgotten; what it held is released to the head of its queues. How many.

    Jobs given back together keep the order in which they were enqueued (so in `Reclaim`). One
    that was asked to stop is `cancelled` instead, and kept for `keep_ms`.
    """

    worker: str
    keep_ms: int | None


class Report(Operation[bool], frozen=True):
    """The progress of a running job is as given, if it is held under that token."""

    id: bytes
    token: int
    progress: bytes
