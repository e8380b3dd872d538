"""What `Stats` and `Series` mean.

What belongs here: what is counted at this moment, and what was counted over time. What does not:
the counting (`standing`).
"""

from __future__ import annotations

from boundary.jobs.core.model.state import State
from boundary.jobs.core.operations import (
    QueueLoad,
    Series,
    Snapshot,
    Stats,
    Tally,
    WorkerRow,
)
from boundary.jobs.core.wire import Millis, Record


def _waits(record: Record) -> bool:
    return record.status in {"pending", "retrying"} and not record.parked


def stats(state: State, operation: Stats, now: Millis) -> Snapshot:
    counts: dict[str, list[int]] = {}
    for record in state.jobs.values():
        kind = _load_kind(record)
        if kind is not None:
            counts.setdefault(record.queue, [0, 0, 0])[kind] += 1
    names = {*counts, *state.counters, *state.paused}
    if operation.queue is not None:
        names &= {operation.queue}
    loads = [_load(state, name, counts) for name in sorted(names)]
    counters = [state.counters[name] for name in sorted(names) if name in state.counters]
    return Snapshot(now, tuple(loads), tuple(counters), _worker_rows(state, operation))


def series(state: State, operation: Series, now: Millis) -> tuple[Tally, ...]:
    since = operation.since(now)
    kept = state.hours if operation.hourly else state.minutes
    rows = [(key, counters) for key, counters in sorted(kept.items(), key=lambda row: row[0])]
    return operation.fold(
        (begin, job_type, counters) for (begin, _, job_type), counters in rows if begin >= since
    )


def _load(state: State, name: str, counts: dict[str, list[int]]) -> QueueLoad:
    ready, scheduled, running = counts.get(name, [0, 0, 0])
    heads = [next(iter(lane)) for lane in state.lanes.get(name, ()) if lane]
    oldest = min([state.jobs[id].updated for id in heads], default=None)
    return QueueLoad(name, ready, scheduled, running, name in state.paused, oldest)


def _load_kind(record: Record) -> int | None:
    """0 ready, 1 scheduled, 2 running; None for what no worker will touch."""
    if record.status == "running":
        return 2
    if not _waits(record):
        return None
    return 0 if record.due is None else 1


def _worker_rows(state: State, operation: Stats) -> tuple[WorkerRow, ...]:
    if operation.queue is not None:
        return ()
    return tuple(
        WorkerRow(name, one.info, one.expires, tuple(sorted(one.held)))
        for name, one in sorted(state.workers.items())
    )
