"""What decides when a job runs: `Explain`.

What belongs here: the facts, as one store knows them at one moment. What does not: what they mean
(`core.why`).
"""

from __future__ import annotations

from msgspec import Struct

from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.wire import Millis, Record

AHEAD = 10_000
"""Jobs ahead of one that are counted; more are as many as these."""

ALIVE = 200
"""Workers one answer tells of."""

GLIMPSES = 5
"""Jobs of each worker it names."""


class Glimpse(Struct, frozen=True):
    """A job that runs, in few words."""

    id: bytes
    job_type: str
    queue: str
    started: Millis | None


class Holding(Struct, frozen=True):
    """A live worker: its `info`, the end of its lease, how many jobs it holds, some of them."""

    worker: str
    info: bytes
    expires: Millis
    held: int
    some: tuple[Glimpse, ...]


class Facts(Struct, frozen=True):
    """What decides when a job runs, at one moment.

    Attributes:
        paused: Its queue is.
        ahead: If it is ready, how many jobs of its queue a claim takes before it, up to `AHEAD`;
            with partitions, those in its own. Else 0.
        workers: Those whose lease has not ended, by name, up to `ALIVE`; of what each holds the
            first `GLIMPSES` by id.
    """

    now: Millis
    record: Record
    paused: bool
    ahead: int
    workers: tuple[Holding, ...]


class Explain(Operation[Facts | None], frozen=True):
    """What there is to know of why a job does not run (`core.why` says it); None: no such job."""

    id: bytes
