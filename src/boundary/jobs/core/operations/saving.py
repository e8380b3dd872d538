"""What the seed's doors need of a store: `Take`, `Save`.

What belongs here: one job claimed by its id, and a whole record stored. What does not: the same in
a worker's way (`claiming`, `settling`).
"""

from __future__ import annotations

from boundary.jobs.core.operations.operating import Verdict
from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.wire import Record


class Take(Operation[Record | None], frozen=True):
    """This waiting (or parked) job is claimed by this worker, which is made known, else None."""

    id: bytes
    worker: str
    lease_ms: int


class Save(Operation[Verdict], frozen=True):
    """A whole record is stored, for the seed's `save_job`.

    Unknown id: stored as given, `pending` parked, `retrying` due at its `execute_at` (now if
    none), `running` held by its worker (one of its own if it names none) for `lease_ms`, a
    finished one as finished (now if it does not say when); `done`. What only jobs of another
    status have is left out. Known id with the same status and token: payload, trail, progress,
    `started` and `updated` are replaced; `done`. Otherwise `refused`: a status changes by its
    own operation.

    Attributes:
        cause: As of an `Outcome`, for a dead letter.
    """

    record: Record
    lease_ms: int
    cause: str = ""
