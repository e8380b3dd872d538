"""The plans of `Stats` and `Series`.

What belongs here: numbers of several partitions as one. What does not: the counting (`lua/parts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from boundary.jobs.core import operations as ops
from boundary.jobs.core.stats import Counters
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.redis.plans.calls import (
    Call,
    Partitions,
    Plan,
    everywhere,
    split_ids,
)


def stats(operation: ops.Stats, partitions: Partitions) -> Plan[ops.Snapshot]:
    replies = yield everywhere(partitions, "stats", operation.queue or "")
    now = 0
    loads: dict[str, list[int]] = {}
    counters: dict[str, Counters] = {}
    workers: dict[str, ops.WorkerRow] = {}
    for told, rows, counts, known in replies:
        now = max(now, told)
        for queue, *numbers in rows:
            here = loads.setdefault(queue.decode(), [0, 0, 0, 0, -1])
            since = [one for one in (here[4], numbers[4]) if one >= 0]
            sums = [old + new for old, new in zip(here[:4], numbers[:4], strict=True)]
            loads[queue.decode()] = [*sums, min(since, default=-1)]
        for name, number in zip(counts[::2], counts[1::2], strict=True):
            _add(counters, name.decode(), int(number))
        for row in known:
            _join(workers, *row)
    names = {*loads, *counters}
    if operation.queue is not None:
        names &= {operation.queue}
    return ops.Snapshot(
        now,
        tuple([_load(name, loads.get(name, [0, 0, 0, 0, -1])) for name in sorted(names)]),
        tuple([counters[name] for name in sorted(names & counters.keys())]),
        tuple([workers[name] for name in sorted(workers)]),
    )


AT_ONCE: Final = 6
"""Keys of a series that one call reads: hours of minutes, days of hours."""


def series(operation: ops.Series, partitions: Partitions) -> Plan[tuple[ops.Tally, ...]]:
    (now,) = yield [Call("time")]
    since, kind = operation.since(now), "hours" if operation.hourly else "minutes"
    span = operation.step * (24 if operation.hourly else 60)
    rows: list[tuple[Millis, str, Counters]] = []
    for first in range(since // span, now // span + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, now // span)
        for found in (yield everywhere(partitions, "series", kind, first, last)):
            for name, number in zip(found[::2], found[1::2], strict=True):
                begin, queue, rest = name.decode().split("|")
                job_type, _, counter = rest.rpartition(":")
                if int(begin) >= since:
                    rows.append((int(begin), job_type, _counted(queue, counter, int(number))))
    return operation.fold(rows)


_COUNTED: Final = {"s": "succeeded", "f": "failed", "r": "retried"}
_NANOSECONDS: Final = 1_000_000


def _add(counters: dict[str, Counters], name: str, number: int) -> None:
    queue, _, kind = name.rpartition(":")
    one = _counted(queue, kind, number)
    was = counters.get(queue)
    counters[queue] = one if was is None else was.add(one)


def _counted(queue: str, kind: str, number: int) -> Counters:
    """One counter of a queue as it is stored."""
    if kind == "d":
        return Counters(queue, duration_ms=number / _NANOSECONDS)
    if kind == "w":
        return Counters(queue, wait_ms=float(number))
    return Counters(queue, **{_COUNTED[kind]: number})


def _join(
    workers: dict[str, ops.WorkerRow], worker: bytes, info: bytes, expires: bytes, ids: bytes
) -> None:
    name = worker.decode()
    was = workers.get(name)
    held = (*(() if was is None else was.held), *split_ids(ids))
    until = int(float(expires))
    if was is not None:
        until = max(until, was.expires)
    workers[name] = ops.WorkerRow(name, info, until, tuple(sorted(held)))


def _load(name: str, numbers: Sequence[int]) -> ops.QueueLoad:
    ready, scheduled, running, paused, oldest = numbers
    since = None if oldest < 0 else oldest
    return ops.QueueLoad(name, ready, scheduled, running, paused > 0, since)
