"""The plan of `Enqueue`.

What belongs here: rows of new jobs, and parked ones that start to wait. What does not: the place
they get (`lanes`).
"""

from __future__ import annotations

from itertools import chain

from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis, NewJob
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans.lanes import Lanes, behind_all
from boundary.jobs.shell.adapters.sqlite.plans.steps import HIGHEST, Ask, Do, Plan, Row, records


def enqueue(operation: ops.Enqueue, now: Millis) -> Plan[ops.Enqueued]:
    jobs, tails = operation.jobs, behind_all()
    newest = None
    if len(jobs) == 1:
        if (yield from _append(jobs[0], now)):
            return ops.Enqueued(now, (True,))
    else:
        ((newest,),) = yield Ask(sql.NEWEST)
    for queue, priority in {(job.queue, job.priority) for job in jobs}:
        yield from tails.look(queue, priority)
    rows = [
        (
            *(job.id, job.job_type, job.queue, job.priority, job.payload, now, now),
            *_standing(job, now, tails),
        )
        for job in jobs
    ]
    if (yield from _insert(rows)) == len(jobs):
        return ops.Enqueued(now, (True,) * len(jobs))
    below = HIGHEST if len(jobs) == 1 else newest or 0
    return ops.Enqueued(now, (yield from _sort_out(jobs, rows, below)))


def _append(job: NewJob, now: Millis) -> Plan[bool]:
    """Whether the job is at the tail of its lane, where most jobs go; False: all is as it was."""
    if job.parked or job.delay_ms or (job.run_at is not None and job.run_at > now):
        return False
    values = (job.id, job.job_type, job.queue, job.priority, job.payload, now, job.run_at)
    return bool((yield Do(sql.APPEND, (values,))))


def _insert(rows: list[Row]) -> Plan[int]:
    """How many of the rows are new."""
    whole = len(rows) - len(rows) % sql.TOGETHER
    if not whole:
        inserted: int = yield Do(sql.INSERT, rows)
        return inserted
    chunks = [
        tuple(chain.from_iterable(rows[start : start + sql.TOGETHER]))
        for start in range(0, whole, sql.TOGETHER)
    ]
    together: int = yield Do(sql.INSERT_TOGETHER, chunks)
    alone: int = yield Do(sql.INSERT, rows[whole:])
    return together + alone


def _standing(
    job: NewJob, now: Millis, tails: Lanes
) -> tuple[int | None, Millis | None, Millis | None]:
    """Where a new job stands: its place, what it waits for, what it was told to wait for."""
    if job.parked:
        return None, None, None
    due = job.run_at if job.run_at is not None else now + job.delay_ms
    if due > now:
        return None, due, due
    return tails.take(job.queue, job.priority), None, job.run_at


def _sort_out(jobs: tuple[NewJob, ...], rows: list[Row], newest: int) -> Plan[tuple[bool, ...]]:
    """Which of the jobs are new; those that were parked take the places meant for them."""
    found = yield Ask(sql.IDS_AFTER, (newest,))
    new = {id for (id,) in found}
    fresh: list[bool] = []
    for job, row in zip(jobs, rows, strict=True):
        if job.id in new:
            new.discard(job.id)
            fresh.append(True)
        else:
            fresh.append((yield from _unpark(job, row)))
    return tuple(fresh)


def _unpark(job: NewJob, row: Row) -> Plan[bool]:
    (record,) = records((yield Ask(sql.BY_ID, (job.id,))))
    if not record.parked or job.parked:
        return False
    *_, now, position, due, execute_at = row
    values = (job.queue, job.priority, now, position, due, execute_at, record.seq)
    yield Ask(sql.UNPARK, values)
    return True
