"""The plans of `Settle`, alone and with a claim.

What belongs here: whose outcome is accepted. What does not: the statements it comes to (`ending`).
"""

from __future__ import annotations

from boundary.jobs.core import lifecycle
from boundary.jobs.core import operations as ops
from boundary.jobs.core.wire import Millis
from boundary.jobs.shell.adapters.sqlite import statements as sql
from boundary.jobs.shell.adapters.sqlite.plans import claiming
from boundary.jobs.shell.adapters.sqlite.plans.ending import Ending, cause_of
from boundary.jobs.shell.adapters.sqlite.plans.steps import Ask, Plan, Row


def settle(operation: ops.Settle, now: Millis) -> Plan[ops.Settled]:
    rows = yield Ask(sql.HELD, (operation.worker,))
    held = {row[0]: row for row in rows}
    ending = Ending(now)
    accepted: list[bool] = []
    for outcome in operation.outcomes:
        row = held.get(outcome.id)
        if row is None or row[2] != outcome.token:
            accepted.append(False)
            continue
        del held[outcome.id]
        yield from _accept(ending, row, outcome)
        accepted.append(True)
    yield from ending.write()
    return ops.Settled(now, tuple(accepted))


def _accept(ending: Ending, row: Row, outcome: ops.Outcome) -> Plan[None]:
    _, seq, _, cancelling, queue, priority, job_type = row
    event = lifecycle.settling(outcome.event, cancelling=bool(cancelling))
    ending.count(queue, job_type, event, outcome.duration_ms, outcome.wait_ms)
    if lifecycle.after("running", event) in lifecycle.FINISHED:
        cause = cause_of(event, job_type, outcome.cause)
        ending.finish(seq, event, outcome.trail, outcome.retry_count, outcome.keep_ms, cause)
    elif event == "release" and outcome.delay_ms == 0:
        yield from ending.release(seq, (queue, priority), outcome.trail, outcome.retry_count)
    else:
        due = ending.now + outcome.delay_ms
        ending.postpone(seq, event, due, outcome.trail, outcome.retry_count)


def settle_and_claim(
    operation: ops.SettleAndClaim, now: Millis
) -> Plan[tuple[ops.Settled, ops.Claimed]]:
    settled = yield from settle(operation.settle, now)
    return settled, (yield from claiming.claim(operation.claim, now))
