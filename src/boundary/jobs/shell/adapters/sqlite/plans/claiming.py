"""The plan of `Claim`.

What belongs here: which rows a claim takes. What does not: promotion (`duties`), one job taken by
its id (`saving`).
"""

from __future__ import annotations

from boundary.jobs.core import operations as ops
from boundary.jobs.core.operations import lease_end, queue_order
from boundary.jobs.core.wire import Millis, Record
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans import duties, schedules
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan, Row


def claim(operation: ops.Claim, now: Millis) -> Plan[ops.Claimed]:
    ((lease, due, tick, paused, asked),) = yield Ask(sql.AT_HAND, (operation.worker,) * 2)
    if lease is None and not operation.join:
        return ops.Claimed(now, (), alive=False)
    expires = now if lease is None else lease
    end = lease_end(expires, now, operation.lease_ms)
    if end != lease:
        yield Ask(sql.RENEW, (operation.worker, end))
    if operation.promote and due is not None and due <= now:
        yield from duties.promote_due(operation.promote, now)
        ((due,),) = yield Ask(sql.NEXT_DUE)
    jobs: list[Record] = []
    ahead, limits = dict(operation.ahead), dict(operation.limits)
    for queue in (yield from _served(operation, paused)):
        room = operation.slots + ahead.get(queue, 0) - len(jobs)
        room = min(room, limits.get(queue, room))
        if room > 0:
            rows = yield Ask(sql.PICK, (queue, room))
            jobs.extend([_handed_over(row, operation.worker, now) for row in rows])
    if jobs:
        yield from hand_over(operation.worker, [job.seq for job in jobs], now)
    cancelling = (yield Ask(sql.CANCELLING, (operation.worker,))) if asked else ()
    instants = [tick, due] if operation.promote else [tick]
    return ops.Claimed(
        now,
        tuple(jobs),
        min([one for one in instants if one is not None], default=None),
        tuple([id for (id,) in cancelling]),
        (yield from schedules.due(now)) if tick is not None and tick <= now else (),
    )


def hand_over(worker: str, seqs: list[int], now: Millis) -> Plan[None]:
    """The jobs are held by the worker, under their next tokens."""
    yield Ask(sql.HAND_OVER, (worker, now, now, str(seqs)))


def _served(operation: ops.Claim, any_paused: int) -> Plan[list[str]]:
    """The queues to look into, in order."""
    if operation.queues is None:
        rows = yield Ask(sql.QUEUES)
        names = queue_order([queue for (queue,) in rows])
    else:
        names = list(dict.fromkeys(operation.queues))
    if not any_paused:
        return names
    rows = yield Ask(sql.PAUSED)
    paused = {queue for (queue,) in rows}
    return [name for name in names if name not in paused]


def _handed_over(row: Row, worker: str, now: Millis) -> Record:
    (
        seq,
        id,
        job_type,
        queue,
        priority,
        payload,
        created,
        execute_at,
        token,
        retry_count,
        crashes,
        trail,
    ) = row
    return Record(
        seq,
        id,
        job_type,
        queue,
        priority,
        payload,
        created,
        now,
        "running",
        None,
        execute_at,
        now,
        None,
        worker,
        min(token, sql.LAST_TOKEN - 1) + 1,
        retry_count,
        crashes,
        False,
        "",
        trail,
    )
