"""What `Time`, `Find`, `Peek`, `Search`, `DeadLetters` and `History` mean.

What belongs here: jobs found by what they are. What does not: numbers (`statistics`), causes
(`grouping`).
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest

from boundary.jobs.core import lifecycle
from boundary.jobs.core.model import standing
from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    DeadLetters,
    Find,
    History,
    Page,
    Peek,
    Search,
    Time,
    cursor_position,
)
from boundary.jobs.core.wire import Millis, Record


def time(state: State, operation: Time, now: Millis) -> Millis:
    return now


def find(state: State, operation: Find, now: Millis) -> tuple[Record | None, ...]:
    return tuple([state.jobs.get(id) for id in operation.ids])


def peek(state: State, operation: Peek, now: Millis) -> tuple[Record, ...]:
    ids = standing.first(standing.waiting(state, operation.queue), operation.limit)
    return tuple(state.jobs[id] for id in ids)


def search(state: State, operation: Search, now: Millis) -> Page:
    before = cursor_position(operation.cursor)
    older = (one for one in reversed(state.jobs.values()) if before is None or one.seq < before)
    found: list[Record] = []
    for looked, record in enumerate(older):
        matches = operation.matches(record)
        if looked == operation.scan or (matches and len(found) == operation.limit):
            return Page(tuple(found), str(record.seq + 1))
        if matches:
            found.append(record)
    return Page(tuple(found))


def _latest(records: Iterable[Record], limit: int) -> tuple[Record, ...]:
    return tuple(nlargest(limit, records, key=lambda one: (one.completed or 0, one.seq)))


def dead_letters(state: State, operation: DeadLetters, now: Millis) -> tuple[Record, ...]:
    return _latest(
        (
            one
            for one in state.jobs.values()
            if one.ending in lifecycle.DEAD
            and operation.queue in {None, one.queue}
            and operation.job_type in {None, one.job_type}
        ),
        operation.limit,
    )


def history(state: State, operation: History, now: Millis) -> tuple[Record, ...]:
    return _latest(
        (one for one in state.jobs.values() if one.ending and one.job_type == operation.job_type),
        operation.limit,
    )
