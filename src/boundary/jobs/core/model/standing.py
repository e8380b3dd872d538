"""Where a job stands: ready in a lane, waiting for an instant, at its end, or nowhere.

What belongs here: the moves between these places, and what is counted of them, which the operations
share. What does not: which move an operation makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from msgspec.structs import replace

from boundary.jobs.core import causes, lifecycle
from boundary.jobs.core.model.state import PRIORITIES, Lane, State
from boundary.jobs.core.operations import (
    HOUR,
    MINUTE,
)
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis, Record


def _lanes(state: State, queue: str) -> tuple[Lane, ...]:
    lanes = state.lanes.get(queue)
    if lanes is None:
        lanes = state.lanes[queue] = tuple(Lane() for _ in PRIORITIES)
    return lanes


def ready(state: State, record: Record, *, head: bool = False) -> None:
    """The pending job waits for a worker."""
    state.jobs[record.id] = record
    lane = _lanes(state, record.queue)[record.priority]
    lane[record.id] = None
    if head:
        lane.move_to_end(record.id, last=False)


def wait(state: State, record: Record, due: Millis) -> None:
    """The job waits for an instant."""
    state.jobs[record.id] = replace(record, due=due, execute_at=due)
    heappush(state.due, (due, record.seq, record.id))


def finish(
    state: State, record: Record, event: str, now: Millis, keep_ms: int | None, cause: str = ""
) -> None:
    """The job has reached its end."""
    if keep_ms == 0:
        state.jobs.pop(record.id, None)
        return
    prune_at = None if keep_ms is None else now + keep_ms
    state.jobs[record.id] = replace(
        record,
        ending=event,
        completed=now,
        due=None,
        worker=None,
        cancelling=False,
        parked=False,
        prune_at=prune_at,
    )
    note_cause(state, state.jobs[record.id], cause)
    if prune_at is not None:
        heappush(state.ended, (prune_at, record.seq, record.id))


def note_cause(state: State, record: Record, cause: str) -> None:
    """A dead letter is one of this cause."""
    if record.ending in lifecycle.DEAD:
        state.causes[record.id] = cause or causes.unnamed(record.ending, record.job_type)


def lift(state: State, record: Record) -> None:
    """The job stands nowhere any more: not in a lane, not in a worker's hands, in no group."""
    state.causes.pop(record.id, None)
    lanes = state.lanes.get(record.queue)
    if lanes is not None:
        lanes[record.priority].pop(record.id, None)
    if record.worker is not None and record.worker in state.workers:
        state.workers[record.worker].held.pop(record.id, None)


def count(
    state: State,
    record: Record,
    event: str,
    now: Millis,
    duration_ms: float = 0.0,
    wait_ms: int = 0,
) -> None:
    """The event is counted, if it is one that is."""
    field_name = lifecycle.COUNTED.get(event)
    if field_name is None:
        return
    queue = record.queue
    one = replace(
        Counters(queue, duration_ms=duration_ms, wait_ms=float(wait_ms)), **{field_name: 1}
    )
    nothing = Counters(queue)
    state.counters[queue] = state.counters.get(queue, nothing).add(one)
    for kept, step in ((state.minutes, MINUTE), (state.hours, HOUR)):
        key = (now // step * step, queue, record.job_type)
        kept[key] = kept.get(key, nothing).add(one)


def waiting(state: State, queue: str) -> Iterator[bytes]:
    """Ids of the ready jobs of a queue, in the order of a claim."""
    for lane in state.lanes.get(queue, ()):
        yield from lane


def first(ids: Iterable[bytes], limit: int) -> list[bytes]:
    """The first of them, at most so many."""
    return [id for id, _ in zip(ids, range(limit), strict=False)]


def first_due(state: State) -> Millis | None:
    """When the first of the jobs that wait for an instant is due."""
    while state.due:
        due, seq, id = state.due[0]
        record = state.jobs.get(id)
        if record is not None and (record.due, record.seq) == (due, seq):
            return due
        heappop(state.due)
    return None
