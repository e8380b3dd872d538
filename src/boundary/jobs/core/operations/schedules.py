"""Schedules: `PutSchedule`, `RemoveSchedule`, `Schedules`, `Fire`, `FireNow`.

What belongs here: a schedule as it is stored, and what is done with it. What does not: which ticks
fire and whose word counts (`core.schedules`), when a cron expression ticks (`core.cron`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from boundary.jobs.core.operations.acting import Act
from boundary.jobs.core.operations.enqueuing import Enqueued
from boundary.jobs.core.operations.operation import Operation
from boundary.jobs.core.wire import Millis, NewJob

Misfire: TypeAlias = Literal["skip", "once", "all"]
"""What becomes of ticks nobody fired in time: none, the latest, each (`core.schedules.due`)."""

MISFIRE_CAP = 100
"""How many missed ticks ``all`` makes up for unless told otherwise."""


class Schedule(Struct, frozen=True):
    """A schedule: a job of this kind is enqueued at each tick.

    Exactly one of `cron` and `every_ms` is set.

    Attributes:
        next_at: The next tick; None: it is paused.
        job_type, queue, priority, payload: What each tick enqueues.
        misfire: What becomes of missed ticks.
        misfire_cap: How many of them ``all`` makes up for, the latest.
        declared: Of one that code declared, what tells that declaration from others; else empty.
        fired_at: When a job was last made for it.
        last_job: That job's id.
    """

    name: str
    job_type: str
    queue: str
    priority: int
    payload: bytes
    next_at: Millis | None
    cron: str | None = None
    every_ms: int | None = None
    timezone: str = "UTC"
    misfire: Misfire = "once"
    misfire_cap: int = MISFIRE_CAP
    declared: bytes = b""
    fired_at: Millis | None = None
    last_job: bytes | None = None

    @property
    def ticks(self) -> tuple[str | None, int | None, str]:
        """What says when it ticks."""
        return self.cron, self.every_ms, self.timezone


class PutSchedule(Operation[bool], frozen=True):
    """The schedule of this name is as given, if it was `over` (None: if none had the name).

    Whether it stands as given now. (An operation with an `act` that changes something is in the log:
    here, and wherever one is taken.) `fired_at` and `last_job` are the store's: they stay as they
    are, whatever `schedule` says. What to put is decided in `core.schedules`; who is answered
    False looks again and decides again.
    """

    schedule: Schedule
    over: Schedule | None = None
    act: Act | None = None


class RemoveSchedule(Operation[bool], frozen=True):
    """No schedule has this name. Whether one had."""

    name: str
    act: Act | None = None


class Schedules(Operation[tuple[Schedule, ...]], frozen=True):
    """All schedules, by name. Nothing changes."""


class Fire(Operation[bool], frozen=True):
    """The tick `tick` of a schedule is done: `job` is enqueued and the next tick is `next_at`.

    Only if the schedule still stands at `tick`, so each tick fires once, however many workers
    try, and none of a paused one. Its `fired_at` is now and its `last_job` this one. Without a
    job the tick is passed over, and these stay. Whether it was done now.
    """

    name: str
    tick: Millis
    next_at: Millis
    job: NewJob | None


class FireNow(Operation[Enqueued], frozen=True):
    """A job such as a schedule makes is enqueued, as by `Enqueue`, apart from the schedule's ticks."""

    job: NewJob
    act: Act | None = None
