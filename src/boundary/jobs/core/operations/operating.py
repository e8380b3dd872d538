"""What operators do to jobs and queues: `Cancel`, `Retry`, `Delete`, `Edit`, `SetPaused`, `Purge`.

What belongs here: these operations. What does not: who did it (`acting`), taking it back
(`undoing`), what is asked of workers (`orders`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from boundary.jobs.core.operations.acting import Act
from boundary.jobs.core.operations.operation import BATCH, Operation
from boundary.jobs.core.wire import Millis

Verdict: TypeAlias = Literal["done", "requested", "refused", "missing"]
"""`done`; `requested` (a worker was asked); `refused` (its status does not allow it); `missing`."""


class Cancel(Operation[tuple[Verdict, ...]], frozen=True):
    """Each job is `cancelled` if it waits (`done`), asked to stop if it runs (`requested`).

    A finished one is `refused`. (An operation with an `act` that changes something is in the log:
    here, and in all below that take one. Undoing this one lets those wait again that waited.)
    """

    ids: tuple[bytes, ...]
    keep_ms: int | None
    act: Act | None = None


class Retry(Operation[tuple[Verdict, ...]], frozen=True):
    """Each failed job waits at the tail of its queue with a full new budget; others `refused`.

    `retry_count` and `crashes` are 0, `ending` is empty, `execute_at` and `completed` are none;
    the trail stays. Undoing it makes those dead letters again that have not begun.

    Attributes:
        delays: For each id how long (ms) it waits first; empty: none does.
    """

    ids: tuple[bytes, ...]
    delays: tuple[int, ...] = ()
    act: Act | None = None

    def delay(self, place: int) -> int:
        """That of the id at this place."""
        return self.delays[place] if self.delays else 0


class Delete(Operation[tuple[bool, ...]], frozen=True):
    """No such jobs are stored, wherever they were. For each, whether it was.

    Undoing it brings those back that did not run and whose id is not in use again.
    """

    ids: tuple[bytes, ...]
    act: Act | None = None


class Edit(Operation[Verdict], frozen=True):
    """This payload is the job's, if nothing happened to it since it had this token and `updated`.

    One that waits keeps its place; a failed one is retried as by `Retry`. `refused`: it runs, ended
    otherwise, or has changed meanwhile. Undoing it gives the job back what it had.

    Attributes:
        trail: What its runs left behind is this from now on; None: stays.
    """

    id: bytes
    token: int
    updated: Millis
    payload: bytes
    act: Act | None = None
    trail: bytes | None = None


class SetPaused(Operation[bool], frozen=True):
    """Workers pass over the queue, or no longer do. Whether that is a change."""

    queue: str
    paused: bool
    act: Act | None = None


class Purge(Operation[int], frozen=True):
    """Up to `limit` jobs of the queue that wait (ready, scheduled or retrying) are gone.

    First those that are ready, in the order of a claim, then by their instant. How many; call
    again until it is 0. Undoing it brings them back.
    """

    queue: str
    limit: int = BATCH
    act: Act | None = None
