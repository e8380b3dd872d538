"""All there is in a store, as plain data.

What belongs here: the state and what it is made of. What does not: what changes it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Struct

from boundary.jobs.core.operations import (
    Entry,
    Order,
    Schedule,
)
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, Record

R = TypeVar("R")

PRIORITIES = range(4)

Lane = OrderedDict[bytes, None]
"""Ready jobs of one queue and priority, head first."""

Standing = tuple[Millis, int, bytes]
"""An instant, and the `seq` and id of the job it is about."""


@dataclass(slots=True)
class Holder:
    """A known worker: the end of its lease, what it said of itself, its jobs and latest order."""

    expires: Millis
    info: bytes = b""
    held: dict[bytes, None] = field(default_factory=dict[bytes, None])
    order: Order | None = None


class Aside(Struct, frozen=True):
    """A job as it was before an act, the cause it was a dead letter of, whether it is gone."""

    record: Record
    cause: str
    gone: bool


@dataclass(slots=True)
class State:
    """All there is in a store.

    `jobs` is in order of `seq`. `due` and `ended` are heaps; an entry that its job has left
    behind is passed over.
    """

    jobs: dict[bytes, Record] = field(default_factory=dict[bytes, Record])
    lanes: dict[str, tuple[Lane, ...]] = field(default_factory=dict[str, tuple[Lane, ...]])
    due: list[Standing] = field(default_factory=list[Standing])
    ended: list[Standing] = field(default_factory=list[Standing])
    workers: dict[str, Holder] = field(default_factory=dict[str, Holder])
    counters: dict[str, Counters] = field(default_factory=dict[str, Counters])
    minutes: dict[tuple[Millis, str, str], Counters] = field(
        default_factory=dict[tuple[Millis, str, str], Counters]
    )
    hours: dict[tuple[Millis, str, str], Counters] = field(
        default_factory=dict[tuple[Millis, str, str], Counters]
    )
    causes: dict[bytes, str] = field(default_factory=dict[bytes, str])
    acts: dict[bytes, Entry] = field(default_factory=dict[bytes, Entry])
    asides: dict[bytes, list[Aside]] = field(default_factory=dict[bytes, list[Aside]])
    paused: set[str] = field(default_factory=set[str])
    schedules: dict[str, Schedule] = field(default_factory=dict[str, Schedule])
    last_seq: int = 0

    def copy(self) -> State:
        """A state that later steps on this one do not touch (records are immutable, so shared)."""
        return State(
            dict(self.jobs),
            {name: tuple(Lane(lane) for lane in lanes) for name, lanes in self.lanes.items()},
            list(self.due),
            list(self.ended),
            {
                name: Holder(one.expires, one.info, dict(one.held), one.order)
                for name, one in self.workers.items()
            },
            dict(self.counters),
            dict(self.minutes),
            dict(self.hours),
            dict(self.causes),
            dict(self.acts),
            dict(self.asides),
            set(self.paused),
            dict(self.schedules),
            self.last_seq,
        )
