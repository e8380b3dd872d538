"""What callers ask of numbers: queues, workers, totals, and what was counted when.

What belongs here: which operations these calls take, and what becomes of the replies. What does
not: jobs (`flows`), and what is counted (`core.stats`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from boundary.jobs.core import stats, wire
from boundary.jobs.core.names import checked_name, shown_id
from boundary.jobs.core.operations import HOURS, MINUTE, SERIES, Series, Snapshot, Stats
from boundary.jobs.core.stats import Counters, JobStats, MinuteStats, QueueStats, WorkerInfo
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.flows import Flow, ask, checked_limit, job_type_or_none, queue_or_none

By: TypeAlias = Literal["queue", "job_type"]

PACE = 5
"""Whole minutes a queue's pace is measured over."""


def job_stats() -> Flow[JobStats]:
    """Totals, queues and workers at one moment."""
    snapshot = yield from ask(Stats())
    return stats.job_stats((yield from _queues(snapshot, None)), _workers(snapshot))


def queue_stats(queue: str) -> Flow[QueueStats]:
    """One queue; zeros for one nobody used."""
    name = checked_name("queue", queue)
    rows = yield from _queues((yield from ask(Stats(name))), name)
    return rows[0] if rows else QueueStats(queue_name=name)


def series(
    minutes: int | None,
    queue: str | None,
    *,
    hours: int | None,
    job_type: str | None,
    by: By,
) -> Flow[list[MinuteStats]]:
    """What was counted in each of the last minutes or hours, by queue or by job type."""
    if minutes is not None and hours is not None:
        raise UsageError("give minutes or hours, one of the two")
    if by not in get_args(By):
        raise UsageError(f"a series is by queue or job_type, not by {by!r:.40}")
    buckets = checked_limit(60 if minutes is None else minutes, SERIES, "minutes")
    if hours is not None:
        buckets = checked_limit(hours, HOURS, "hours")
    wanted = Series(
        buckets, queue_or_none(queue), job_type_or_none(job_type), hours is not None, by
    )
    return [
        MinuteStats(
            minute=wire.at(one.begin),
            queue_name=one.counters.queue,
            job_type=one.job_type,
            succeeded=one.counters.succeeded,
            failed=one.counters.failed,
            retried=one.counters.retried,
            avg_duration_ms=one.counters.avg_duration_ms,
            avg_wait_ms=one.counters.avg_wait_ms,
        )
        for one in (yield from ask(wanted))
    ]


def queues() -> Flow[list[QueueStats]]:
    """Every queue with jobs, counters or a pause, by name."""
    return (yield from _queues((yield from ask(Stats())), None))


def workers() -> Flow[list[WorkerInfo]]:
    """The workers that are alive."""
    return _workers((yield from ask(Stats())))


def _queues(snapshot: Snapshot, queue: str | None) -> Flow[list[QueueStats]]:
    ended: dict[str, int] = {}
    this = snapshot.now // MINUTE * MINUTE
    for one in (yield from ask(Series(PACE + 1, queue))):
        if one.begin < this:
            name = one.counters.queue
            ended[name] = ended.get(name, 0) + one.counters.runs
    loads = {load.queue: load for load in snapshot.loads}
    counters = {row.queue: row for row in snapshot.counters}
    return [
        stats.queue_stats(
            counters.get(name, Counters(name)),
            ready=load.ready if (load := loads.get(name)) else 0,
            scheduled=load.scheduled if load else 0,
            running=load.running if load else 0,
            paused=load.paused if load else False,
            oldest_ready_at=wire.instant(load.oldest) if load else None,
            per_minute=ended.get(name, 0) / PACE,
        )
        for name in sorted({*loads, *counters})
    ]


def _workers(snapshot: Snapshot) -> list[WorkerInfo]:
    infos = [
        stats.worker_info(
            row.worker,
            row.info,
            wire.at(row.expires),
            tuple([shown_id(id) for id in row.held]),
        )
        for row in snapshot.workers
        if row.expires > snapshot.now
    ]
    return [info for info in infos if info is not None]
