"""Numbers: `Stats` and `Series`.

What belongs here: what a store counts, and over which time. What does not: what people are shown
of it (`core.stats`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis


class QueueLoad(Struct, frozen=True):
    """How many jobs of a queue are ready, wait for an instant, and run.

    Attributes:
        oldest: Since when the next job is ready, of each priority, whichever is longest so.
    """

    queue: str
    ready: int
    scheduled: int
    running: int
    paused: bool
    oldest: Millis | None = None


class WorkerRow(Struct, frozen=True):
    """A known worker: its `info` as it sent it, the end of its lease, the ids it holds."""

    worker: str
    info: bytes
    expires: Millis
    held: tuple[bytes, ...]


class Snapshot(Struct, frozen=True):
    """A store at one moment, by name: every queue with jobs to run, counters or a pause.

    Jobs to run are ready, wait for an instant or run; parked and finished ones are not counted.
    """

    now: Millis
    loads: tuple[QueueLoad, ...]
    counters: tuple[Counters, ...]
    workers: tuple[WorkerRow, ...]


class Stats(Operation[Snapshot], frozen=True):
    """Queues, counters and workers. `queue` narrows it to one (workers are left out then)."""

    queue: str | None = None


MINUTE, HOUR = 60_000, 3_600_000
SERIES = 1_440
"""Minutes of which `Series` tells: a day."""

HOURS = 720
"""Hours of which it tells: 30 days."""


class Tally(Struct, frozen=True):
    """What runs came to within one minute or hour.

    Attributes:
        begin: Its first moment.
        counters: Of a queue, or (with the queue empty) of a job type in all queues asked about.
        job_type: None in a tally of a queue.
    """

    begin: Millis
    counters: Counters
    job_type: str | None = None


class Series(Operation[tuple[Tally, ...]], frozen=True):
    """What was counted in each of the last `buckets` minutes or hours, this one included.

    Oldest first, then by name. Buckets and names of which nothing was counted are left out.

    Attributes:
        buckets: 1 to `SERIES` minutes or `HOURS` hours; what is older is forgotten.
        queue, job_type: Only these.
        hourly: In hours instead of minutes.
        by: What each tally is about.
    """

    buckets: int = 60
    queue: str | None = None
    job_type: str | None = None
    hourly: bool = False
    by: Literal["queue", "job_type"] = "queue"

    @property
    def step(self) -> Millis:
        """How long a bucket is."""
        return HOUR if self.hourly else MINUTE

    def since(self, now: Millis) -> Millis:
        """The beginning of the first bucket."""
        most = HOURS if self.hourly else SERIES
        return (now // self.step - min(self.buckets, most) + 1) * self.step

    def fold(self, rows: Iterable[tuple[Millis, str, Counters]]) -> tuple[Tally, ...]:
        """The tallies of what was counted: when, of which job type, and how much in a queue."""
        found: dict[tuple[Millis, str], Counters] = {}
        for begin, job_type, counters in rows:
            if self.queue not in {None, counters.queue} or self.job_type not in {None, job_type}:
                continue
            name = counters.queue if self.by == "queue" else job_type
            was = found.get((begin, name), Counters(counters.queue if self.by == "queue" else ""))
            found[begin, name] = was.add(counters)
        return tuple(
            [
                Tally(begin, counters, None if self.by == "queue" else name)
                for (begin, name), counters in sorted(found.items(), key=lambda one: one[0])
            ]
        )
